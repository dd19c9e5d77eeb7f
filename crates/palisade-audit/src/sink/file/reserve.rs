use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Bytes on the disk that are given back when it is full.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    bytes: u64,
}

impl Reserve {
    pub(super) fn new(directory: &Path, service: &str, bytes: u64) -> Self {
        Self {
            path: directory.join(format!("{service}_audit.reserve")),
            bytes,
        }
    }

    /// Gives the disk back what was held; whether there was anything.
    pub(super) fn release(&self) -> bool {
        let held = std::fs::metadata(&self.path).is_ok_and(|found| found.len() > 0);
        let released = held && std::fs::remove_file(&self.path).is_ok();
        if released {
            tracing::error!(target: "palisade_audit", path = %self.path.display(), "disk is full, reserve released");
        }
        released
    }

    /// Holds bytes back; without room for them there is no reserve.
    pub(super) fn hold(&self) {
        let has = std::fs::metadata(&self.path).map_or(0, |found| found.len());
        if has == self.bytes {
            return;
        }
        let held = File::create(&self.path).and_then(|mut file| {
            // Written, not only claimed: a hole takes no room.
            io::copy(&mut io::repeat(0).take(self.bytes), &mut file)
        });
        if held.is_err() || self.bytes == 0 {
            // It is no use where it is not whole.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
