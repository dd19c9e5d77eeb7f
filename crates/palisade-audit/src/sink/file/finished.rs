use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use palisade_core::time::UnixTime;

use crate::trail::recover::{self, Resume};

/// The files of a trail that are no longer written.
#[derive(Debug, Clone)]
pub(super) struct Finished {
    directory: PathBuf,
    service: Box<str>,
}

impl Finished {
    pub(super) fn new(directory: &Path, service: &str) -> Self {
        Self {
            directory: directory.into(),
            service: service.into(),
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

    /// Returns the state of the trail at the end of the file that was finished last.
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

    /// The files, the oldest first.
    pub(super) fn files(&self) -> io::Result<Vec<PathBuf>> {
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

/// A time that fits into the name of a file: `20261120T160000Z`.
fn compact(time: UnixTime) -> String {
    let mut text = time.to_string();
    text.retain(|found| !matches!(found, ':' | '-'));
    text
}
