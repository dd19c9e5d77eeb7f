//! Whether the open file is still the one that its name leads to.

use std::fs::{File, Metadata};
use std::io;
use std::path::Path;

/// Changes of the file in use that came from outside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Interference {
    /// The file was renamed or removed, and begun anew.
    pub(crate) replaced: bool,
    /// Bytes that were cut off from it.
    pub(crate) truncated: u64,
    /// Records that went with it and were not on the disk yet.
    pub(crate) vanished: u64,
}

impl Interference {
    pub(crate) const fn add(&mut self, later: Self) {
        self.replaced |= later.replaced;
        self.truncated += later.truncated;
        self.vanished += later.vanished;
    }
}

/// The state of the file in use, compared with what was written to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Its name leads to it, and it is as long as it should be.
    Held,
    /// It has another name now.
    Renamed,
    /// It has no name any more: nobody can read what is in it.
    Removed,
    /// It is shorter than what was written to it, as after logrotate's `copytruncate`.
    Truncated,
}

impl Place {
    /// Looks at the file and at its name; `len` is what was written.
    pub(super) fn of(file: &File, path: &Path, len: u64) -> io::Result<Self> {
        let open = file.metadata()?;
        let named = match std::fs::metadata(path) {
            Ok(named) => Some(named),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(match named {
            Some(named) if is_same(&open, &named) && open.len() < len => Self::Truncated,
            Some(named) if is_same(&open, &named) => Self::Held,
            _ if has_no_name(&open) => Self::Removed,
            _ => Self::Renamed,
        })
    }
}

#[cfg(unix)]
fn is_same(open: &Metadata, named: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (named.dev(), named.ino()) == (open.dev(), open.ino())
}

#[cfg(not(unix))]
use self::by_age as is_same;

/// Without numbers that tell files apart: another file was made at another time, or has another length.
#[cfg(any(test, not(unix)))]
fn by_age(open: &Metadata, named: &Metadata) -> bool {
    let same_time = match (open.created(), named.created()) {
        (Ok(open), Ok(named)) => open == named,
        _ => true,
    };
    same_time && named.is_file() && open.len() == named.len()
}

#[cfg(unix)]
fn has_no_name(open: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    open.nlink() == 0
}

/// It cannot be told from a rename; the graver one is assumed.
#[cfg(not(unix))]
fn has_no_name(_: &Metadata) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_file_numbers_another_length_or_kind_tells_files_apart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        std::fs::write(&path, "one line\n").unwrap();
        let open = File::open(&path).unwrap();
        let same =
            |path: &Path| by_age(&open.metadata().unwrap(), &std::fs::metadata(path).unwrap());
        assert!(same(&path));
        std::fs::rename(&path, directory.path().join("b")).unwrap();
        std::fs::write(&path, "").unwrap();
        assert!(!same(&path));
        assert!(!same(directory.path()));
    }
}
