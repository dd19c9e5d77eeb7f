#[cfg(feature = "gzip")]
mod compress;
mod disk;
mod due;
mod finished;
mod place;
mod reserve;

use std::fs::{File, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use palisade_core::Problems;
use palisade_core::time::UnixTime;

#[cfg(feature = "gzip")]
use self::compress::Compressor;
use self::disk::{lock, open_file, sync_directory};
pub(crate) use self::due::Due;
use self::finished::Finished;
pub(crate) use self::place::Interference;
use self::place::Place;
use self::reserve::Reserve;
use crate::trail::recover::{self, Resume};
use crate::{AuditError, Format};

/// A file that is finished and set aside when it is big or old enough.
///
/// The file in use is `<service>_audit.log`. A finished one becomes `<service>_audit.<number>.<UTC time>.log`, where the
/// number is that of its last record, so that names sort in the order of the records.
///
/// # Example
///
/// ```
/// use palisade_audit::RollingFile;
///
/// let file = RollingFile::new("logs").max_bytes(64 << 20).daily().keep(30);
/// # let _ = file;
/// ```
#[derive(Debug, Clone)]
pub struct RollingFile {
    pub(crate) directory: PathBuf,
    max_bytes: Option<u64>,
    period: Option<Duration>,
    keep: Option<usize>,
    reserve: u64,
    format: Format,
    #[cfg(feature = "gzip")]
    gzip: bool,
}

impl RollingFile {
    /// A file in this directory, which is made when it is not there. It grows without bounds unless told otherwise.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            max_bytes: None,
            period: None,
            keep: None,
            reserve: 256 << 10,
            format: Format::Native,
            #[cfg(feature = "gzip")]
            gzip: false,
        }
    }

    /// Finishes the file when it has about this many bytes, which it exceeds by one record at most; at least 4,096.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// Finishes the file with the first record after midnight UTC. The day is that of the first record in the file, so
    /// that a service which was down at midnight begins a new file as well.
    #[must_use]
    pub const fn daily(self) -> Self {
        self.every(Duration::from_secs(86_400))
    }

    /// Finishes the file with the first record after midnight UTC, or after any full period since; at least one second.
    #[must_use]
    pub const fn every(mut self, period: Duration) -> Self {
        self.period = Some(period);
        self
    }

    /// Removes finished files beyond this many, the oldest first. By default none is ever removed: how long records
    /// are kept is for their owner to decide.
    #[must_use]
    pub const fn keep(mut self, files: usize) -> Self {
        self.keep = Some(files);
        self
    }

    /// Sets how many bytes are held back in `<service>_audit.reserve`, and released when the disk is full, so that the
    /// trail can say so; default 256 KiB, some hundred records. 0 holds nothing back.
    #[must_use]
    pub const fn reserve(mut self, bytes: u64) -> Self {
        self.reserve = bytes;
        self
    }

    /// Sets the form of the lines; default [`Format::Native`].
    #[must_use]
    pub const fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Compresses finished files, all but the latest of them, in the background: `.log` becomes `.log.gz`.
    #[cfg(feature = "gzip")]
    #[cfg_attr(docsrs, doc(cfg(feature = "gzip")))]
    #[must_use]
    pub const fn gzip(mut self) -> Self {
        self.gzip = true;
        self
    }

    pub(crate) fn check(&self, problems: &mut Problems) {
        if self.max_bytes.is_some_and(|bytes| bytes < 4_096) {
            problems.push("file.max_bytes", "must be at least 4096");
        }
        if self
            .period
            .is_some_and(|period| period < Duration::from_secs(1))
        {
            problems.push("file.every", "must be at least 1 second");
        }
        if self.directory.as_os_str().is_empty() {
            problems.push("file.directory", "is empty");
        }
    }
}

/// The pause before a failed rotation is tried again.
const RETRY: Duration = Duration::from_secs(10);

/// The file at work.
#[derive(Debug)]
pub(crate) struct FileSink {
    settings: RollingFile,
    finished: Finished,
    #[cfg(feature = "gzip")]
    compressor: Compressor,
    reserve: Reserve,
    path: PathBuf,
    file: File,
    due: Due,
    dirty: bool,
    /// Records written since it was last known that they are on the disk and under the file's name.
    unsynced: u64,
    /// Changes of the file from outside since this was read last.
    interference: Interference,
}

impl FileSink {
    /// Opens the file in use, which only one trail may write, and finds where the trail goes on.
    ///
    /// Moves the bytes behind the last whole line, which a crash left, into a file of its own, `<service>_audit.torn.<UTC time>`.
    pub(crate) fn open(
        settings: RollingFile,
        service: &str,
        now: UnixTime,
    ) -> Result<(Self, Resume), AuditError> {
        std::fs::create_dir_all(&settings.directory)
            .map_err(AuditError::io(&settings.directory))?;
        let path = settings.directory.join(format!("{service}_audit.log"));
        let mut file = open_file(&path).map_err(AuditError::io(&path))?;
        match lock(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(AuditError::InUse(path)),
            Err(TryLockError::Error(error)) => return Err(AuditError::io(path)(error)),
        }
        let mut resume = recover::scan(&mut file).map_err(AuditError::io(&path))?;
        let begun = recover::began(&mut file).map_err(AuditError::io(&path))?;
        let due = Due::new(
            settings.max_bytes,
            settings.period,
            resume.end,
            begun.unwrap_or(now),
        );
        let finished = Finished::new(&settings.directory, service);
        let mut sink = Self {
            #[cfg(feature = "gzip")]
            compressor: Compressor::new(finished.clone()),
            finished,
            reserve: Reserve::new(&settings.directory, service, settings.reserve),
            settings,
            path,
            file,
            due,
            dirty: false,
            unsynced: 0,
            interference: Interference::default(),
        };
        let path = sink.path.clone();
        if resume.torn > 0 {
            sink.set_torn_aside(resume.end, now)
                .map_err(AuditError::io(&path))?;
        }
        if resume.seq == 0 {
            // The trail goes on from the file that was finished last.
            let before = sink.finished.last().map_err(AuditError::io(&path))?;
            resume.clean &= before.clean;
            (resume.seq, resume.head) = (before.seq, before.head);
        }
        sink.reserve.hold();
        Ok((sink, resume))
    }

    fn set_torn_aside(&mut self, end: u64, now: UnixTime) -> io::Result<()> {
        let aside = self.finished.torn_path(now);
        let mut torn = open_file(&aside)?;
        self.file.seek(SeekFrom::Start(end))?;
        io::copy(&mut self.file, &mut torn)?;
        torn.sync_all()?;
        sync_directory(&self.settings.directory)?;
        self.file.set_len(end)?;
        self.file.sync_all()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the length and age at which the file is to be finished.
    pub(crate) const fn due(&self) -> Due {
        self.due
    }

    /// Appends `bytes`, all of them or, with an error, none; they hold so many records. A file that somebody else renamed
    /// or removed is begun anew first; where that fails, so does the write.
    pub(crate) fn write(&mut self, bytes: &[u8], records: u64) -> io::Result<()> {
        self.stay_in_place()?;
        self.dirty = true;
        match self.file.write_all(bytes) {
            Ok(()) => {
                self.due.len += bytes.len() as u64;
                self.unsynced += records;
                Ok(())
            }
            Err(error) => {
                // A part may be there; a line is whole or not there at all.
                if let Err(error) = self.file.set_len(self.due.len) {
                    tracing::error!(target: "palisade_audit", path = %self.path.display(), %error, "a part of a line may remain");
                }
                Err(error)
            }
        }
    }

    pub(crate) const fn format(&self) -> Format {
        self.settings.format
    }

    /// Gives the disk back what was held for this; whether there was anything.
    pub(crate) fn release_reserve(&mut self) -> bool {
        self.reserve.release()
    }

    pub(crate) const fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Makes durable what was written, and fails where it can no longer be found under its name.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if self.dirty {
            self.file.sync_data()?;
            self.dirty = false;
        }
        match self.place()? {
            Place::Held => {
                self.unsynced = 0;
                Ok(())
            }
            Place::Renamed | Place::Removed => Err(io::Error::new(
                io::ErrorKind::NotFound,
                "the file was renamed or removed",
            )),
            Place::Truncated => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file was truncated",
            )),
        }
    }

    /// Sets the file aside and begins the next one; `last` is the number of the last record in it.
    ///
    /// The order matters: what is in the file is on the disk before its name changes, and both names are on the disk
    /// before anything is removed.
    pub(crate) fn rotate(&mut self, last: u64, now: UnixTime) -> io::Result<()> {
        self.due.put_off(now.saturating_add(RETRY));
        self.sync()?;
        std::fs::rename(&self.path, self.finished.path(last, now))?;
        let file = open_file(&self.path)?;
        // The new file is locked before the old one's lock goes with it.
        file.try_lock().map_err(io::Error::from)?;
        self.file = file;
        self.due.begin(now);
        self.unsynced = 0;
        sync_directory(&self.settings.directory)?;
        self.reserve.hold();
        self.finished.tidy(self.settings.keep)?;
        #[cfg(feature = "gzip")]
        if self.settings.gzip {
            self.compressor.compress_in_background()?;
        }
        Ok(())
    }

    /// Begins the file anew where the one in use was renamed or removed by somebody else, and goes on behind what is
    /// left of one that was truncated.
    pub(crate) fn stay_in_place(&mut self) -> io::Result<()> {
        match self.place()? {
            Place::Held => Ok(()),
            Place::Truncated => {
                let left = self.file.metadata()?.len();
                self.interference.truncated += self.due.len.saturating_sub(left);
                self.interference.vanished += std::mem::take(&mut self.unsynced);
                self.due.len = left;
                Ok(())
            }
            place @ (Place::Renamed | Place::Removed) => self.begin_anew(place),
        }
    }

    fn begin_anew(&mut self, place: Place) -> io::Result<()> {
        if self.dirty
            && let Err(error) = self.file.sync_data()
        {
            // The old file is out of reach; the new one must not wait for it.
            tracing::error!(target: "palisade_audit", %error, "the file that was replaced is not on the disk in full");
            self.interference.vanished += std::mem::take(&mut self.unsynced);
        }
        self.dirty = false;
        if place == Place::Removed {
            self.interference.vanished += std::mem::take(&mut self.unsynced);
        }
        let file = open_file(&self.path)?;
        file.try_lock().map_err(io::Error::from)?;
        sync_directory(&self.settings.directory)?;
        self.due.len = file.metadata()?.len();
        self.file = file;
        self.unsynced = 0;
        self.interference.replaced = true;
        Ok(())
    }

    /// Changes of the file from outside since this was read last.
    pub(crate) fn take_interference(&mut self) -> Interference {
        std::mem::take(&mut self.interference)
    }

    fn place(&self) -> io::Result<Place> {
        Place::of(&self.file, &self.path, self.due.len)
    }
}
