use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use palisade_core::Problems;
use palisade_core::time::UnixTime;

use crate::AuditError;

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
        }
    }

    /// Finishes the file when it has about this many bytes, which it exceeds by one record at most; at least 4,096.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// Finishes the file at midnight UTC.
    #[must_use]
    pub const fn daily(self) -> Self {
        self.every(Duration::from_secs(86_400))
    }

    /// Finishes the file at midnight UTC and at every full period after it; at least one second.
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

/// The file at work.
#[derive(Debug)]
pub(crate) struct FileSink {
    settings: RollingFile,
    service: Box<str>,
    path: PathBuf,
    file: File,
    len: u64,
    /// The period in which the file was begun, counted from 1970.
    period: u64,
    dirty: bool,
}

impl FileSink {
    /// Opens the file in use, which only one trail may write.
    pub(crate) fn open(
        settings: RollingFile,
        service: &str,
        now: UnixTime,
    ) -> Result<Self, AuditError> {
        std::fs::create_dir_all(&settings.directory)
            .map_err(AuditError::io(&settings.directory))?;
        let path = settings.directory.join(format!("{service}_audit.log"));
        let file = open_file(&path).map_err(AuditError::io(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(AuditError::InUse(path)),
            Err(TryLockError::Error(error)) => return Err(AuditError::io(path)(error)),
        }
        let len = file.metadata().map_err(AuditError::io(&path))?.len();
        let mut sink = Self {
            settings,
            service: service.into(),
            path,
            file,
            len,
            period: 0,
            dirty: false,
        };
        sink.period = sink.period_of(now);
        Ok(sink)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn period_of(&self, now: UnixTime) -> u64 {
        self.settings
            .period
            .map_or(0, |period| now.as_secs() / period.as_secs().max(1))
    }

    /// Whether the file must be finished before `more` bytes are added.
    pub(crate) fn is_due(&self, more: usize, now: UnixTime) -> bool {
        let too_big = self
            .settings
            .max_bytes
            .is_some_and(|max| self.len + more as u64 > max);
        too_big || self.period_of(now) != self.period
    }

    /// Appends `bytes`; on an error says how many went out before.
    pub(crate) fn write(&mut self, mut bytes: &[u8]) -> Result<(), (usize, io::Error)> {
        let mut done = 0;
        while !bytes.is_empty() {
            match self.file.write(bytes) {
                Ok(0) => return Err((done, io::ErrorKind::WriteZero.into())),
                Ok(wrote) => {
                    self.dirty = true;
                    self.len += wrote as u64;
                    done += wrote;
                    bytes = &bytes[wrote..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err((done, error)),
            }
        }
        Ok(())
    }

    pub(crate) const fn is_dirty(&self) -> bool {
        self.dirty
    }

    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if self.dirty {
            self.file.sync_data()?;
            self.dirty = false;
        }
        Ok(())
    }

    /// Sets the file aside and begins the next one; `last` is the number of the last record in it.
    ///
    /// The order matters: what is in the file is on the disk before its name changes, and both names are on the disk
    /// before anything is removed.
    pub(crate) fn rotate(&mut self, last: u64, now: UnixTime) -> io::Result<()> {
        self.sync()?;
        std::fs::rename(&self.path, self.finished_path(last, now))?;
        let file = open_file(&self.path)?;
        // The new file is locked before the old one's lock goes with it.
        file.try_lock().map_err(io::Error::from)?;
        self.file = file;
        self.len = 0;
        self.period = self.period_of(now);
        sync_directory(&self.settings.directory)?;
        self.remove_old()
    }

    /// Begins a file anew where the one in use was renamed or removed by somebody else.
    pub(crate) fn reopen_if_gone(&mut self) -> io::Result<bool> {
        if self.is_in_place()? {
            return Ok(false);
        }
        self.sync()?;
        let file = open_file(&self.path)?;
        file.try_lock().map_err(io::Error::from)?;
        self.len = file.metadata()?.len();
        self.file = file;
        sync_directory(&self.settings.directory)?;
        Ok(true)
    }

    #[cfg(unix)]
    fn is_in_place(&self) -> io::Result<bool> {
        use std::os::unix::fs::MetadataExt;
        let open = self.file.metadata()?;
        match std::fs::metadata(&self.path) {
            Ok(named) => Ok((named.dev(), named.ino()) == (open.dev(), open.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    #[cfg(not(unix))]
    fn is_in_place(&self) -> io::Result<bool> {
        self.path.try_exists()
    }

    fn finished_path(&self, last: u64, now: UnixTime) -> PathBuf {
        let time: String = now
            .to_string()
            .chars()
            .filter(|found| !matches!(found, ':' | '-'))
            .collect();
        let name = format!("{}_audit.{last:012}.{time}.log", self.service);
        self.settings.directory.join(name)
    }

    fn remove_old(&self) -> io::Result<()> {
        let Some(keep) = self.settings.keep else {
            return Ok(());
        };
        let mut finished = finished_files(&self.settings.directory, &self.service)?;
        let excess = finished.len().saturating_sub(keep);
        for old in finished.drain(..excess) {
            std::fs::remove_file(old)?;
        }
        Ok(())
    }
}

/// The finished files of a service, the oldest first.
fn finished_files(directory: &Path, service: &str) -> io::Result<Vec<PathBuf>> {
    let prefix = format!("{service}_audit.");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let number = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_prefix(&prefix))
            .filter(|rest| rest.ends_with(".log") || rest.ends_with(".log.gz"))
            .and_then(|rest| rest.split('.').next())
            .and_then(|digits| digits.parse::<u64>().ok());
        found.extend(number.map(|number| (number, path)));
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

fn open_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true).read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Readable by the group of whoever ships the records, by nobody else.
        options.mode(0o640);
    }
    options.open(path)
}

#[cfg(unix)]
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}
