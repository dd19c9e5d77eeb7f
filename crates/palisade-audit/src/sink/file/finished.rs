use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
#[cfg(feature = "gzip")]
use std::sync::atomic::Ordering;

use palisade_core::time::UnixTime;

use crate::trail::recover::{self, Resume};

/// The files of a trail that are no longer written.
#[derive(Debug, Clone)]
pub(super) struct Finished {
    directory: PathBuf,
    service: Box<str>,
    #[cfg(feature = "gzip")]
    compressing: std::sync::Arc<Compressing>,
}

/// One thread compresses at a time, and notices when there is more.
#[cfg(feature = "gzip")]
#[derive(Debug, Default)]
struct Compressing {
    at_work: std::sync::Mutex<()>,
    wanted: std::sync::atomic::AtomicBool,
}

impl Finished {
    pub(super) fn new(directory: &Path, service: &str) -> Self {
        Self {
            directory: directory.into(),
            service: service.into(),
            #[cfg(feature = "gzip")]
            compressing: std::sync::Arc::default(),
        }
    }

    /// The name for a file whose last record has this number.
    pub(super) fn path(&self, last: u64, now: UnixTime) -> PathBuf {
        let name = format!("{}_audit.{last:012}.{}.log", self.service, compact(now));
        self.directory.join(name)
    }

    /// The name for what a crash tore off.
    pub(super) fn torn_path(&self, now: UnixTime) -> PathBuf {
        let name = format!("{}_audit.torn.{}", self.service, compact(now));
        self.directory.join(name)
    }

    /// Where the trail stood at the end of the file that was finished last.
    pub(super) fn last(&self) -> io::Result<Resume> {
        match self.files()?.last() {
            Some(last) if last.extension().is_none_or(|kind| kind != "gz") => {
                recover::scan(&mut File::open(last)?)
            }
            _ => Ok(Resume::new()),
        }
    }

    /// Removes all but so many of the files, the oldest first.
    pub(super) fn tidy(&self, keep: Option<usize>) -> io::Result<()> {
        let mut files = self.files()?;
        let excess = keep.map_or(0, |keep| files.len().saturating_sub(keep));
        files.drain(..excess).try_for_each(std::fs::remove_file)
    }

    /// Compresses all files but the latest, from which an interrupted trail finds out where it stood.
    #[cfg(feature = "gzip")]
    fn compress(&self) -> io::Result<()> {
        let mut files = self.files()?;
        files.pop();
        files
            .iter()
            .filter(|file| file.extension().is_some_and(|kind| kind == "log"))
            .try_for_each(|file| compress(file))
    }

    /// Compresses on a thread of its own; where one is still at it, that one goes on with what is new.
    #[cfg(feature = "gzip")]
    pub(super) fn compress_in_background(&self) -> io::Result<()> {
        self.compressing.wanted.store(true, Ordering::SeqCst);
        let own = self.clone();
        std::thread::Builder::new()
            .name("palisade-audit-gzip".into())
            .spawn(move || own.compress_while_wanted())
            .map(drop)
    }

    #[cfg(feature = "gzip")]
    fn compress_while_wanted(&self) {
        // Looks again after it let go: somebody may have asked while it was about to.
        while self.compressing.wanted.load(Ordering::SeqCst) {
            let Ok(_alone) = self.compressing.at_work.try_lock() else {
                return;
            };
            while self.compressing.wanted.swap(false, Ordering::SeqCst) {
                if let Err(error) = self.compress() {
                    tracing::error!(target: "palisade_audit", %error, "finished files could not be compressed");
                }
            }
        }
    }

    /// The files, the oldest first.
    fn files(&self) -> io::Result<Vec<PathBuf>> {
        let prefix = format!("{}_audit.", self.service);
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.directory)? {
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
        // A crash may have left a file and its compressed copy; one of them counts.
        found.dedup_by(|later, first| later.0 == first.0);
        Ok(found.into_iter().map(|(_, path)| path).collect())
    }
}

/// The compressed file is whole, on the disk and under its name before the other goes.
#[cfg(feature = "gzip")]
fn compress(file: &Path) -> io::Result<()> {
    let partial = file.with_extension("gz.part");
    let mut writer =
        flate2::write::GzEncoder::new(File::create(&partial)?, flate2::Compression::default());
    io::copy(&mut File::open(file)?, &mut writer)?;
    writer.finish()?.sync_all()?;
    std::fs::rename(&partial, file.with_extension("log.gz"))?;
    if let Some(directory) = file.parent() {
        super::sync_directory(directory)?;
    }
    std::fs::remove_file(file)
}

/// A time that fits into the name of a file: `20261120T160000Z`.
fn compact(time: UnixTime) -> String {
    let mut text = time.to_string();
    text.retain(|found| !matches!(found, ':' | '-'));
    text
}
