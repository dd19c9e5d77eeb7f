use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::disk::{private, sync_directory};
use super::finished::Finished;

/// Compresses the files that are no longer written.
#[derive(Debug, Clone)]
pub(super) struct Compressor {
    finished: Finished,
    shared: Arc<Shared>,
}

/// One thread compresses at a time, and notices when there is more.
#[derive(Debug, Default)]
struct Shared {
    at_work: Mutex<()>,
    wanted: AtomicBool,
}

impl Compressor {
    pub(super) fn new(finished: Finished) -> Self {
        Self {
            finished,
            shared: Arc::default(),
        }
    }

    /// Compresses on a thread of its own; where one is still at it, that one goes on with what is new.
    pub(super) fn compress_in_background(&self) -> io::Result<()> {
        self.shared.wanted.store(true, Ordering::SeqCst);
        let own = self.clone();
        std::thread::Builder::new()
            .name("palisade-audit-gzip".into())
            .spawn(move || own.compress_while_wanted())
            .map(drop)
    }

    fn compress_while_wanted(&self) {
        // Looks again after it let go: somebody may have asked while it was about to.
        while self.shared.wanted.load(Ordering::SeqCst) {
            let Ok(_alone) = self.shared.at_work.try_lock() else {
                return;
            };
            while self.shared.wanted.swap(false, Ordering::SeqCst) {
                self.compress_all();
            }
        }
    }

    /// Compresses all files but the latest, from which an interrupted trail finds out where it stood. What fails is
    /// tried again after the next rotation, and keeps no other file from being compressed.
    fn compress_all(&self) {
        let files = self.finished.files().unwrap_or_else(|error| {
            tracing::error!(target: "palisade_audit", %error, "finished files could not be listed");
            Vec::new()
        });
        let but_latest = files.split_last().map_or(&[][..], |(_, others)| others);
        for file in but_latest {
            if file.extension().is_some_and(|kind| kind == "log")
                && let Err(error) = compress(file)
            {
                tracing::error!(target: "palisade_audit", path = %file.display(), %error, "a finished file could not be compressed");
            }
        }
    }
}

/// The compressed file is whole, on the disk and under its name before the other goes.
///
/// The thread of a trail that was closed may still be at work when the next trail begins, on the same files: whoever
/// has the lock of a file compresses it.
fn compress(path: &Path) -> io::Result<()> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    match file.try_lock() {
        // It may have been compressed since it was opened.
        Ok(()) if !path.try_exists()? => return Ok(()),
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(()),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let partial = path.with_extension("gz.part");
    let target = private(OpenOptions::new().write(true).truncate(true)).open(&partial)?;
    let mut writer = GzEncoder::new(target, Compression::default());
    io::copy(&mut file, &mut writer)?;
    writer.finish()?.sync_all()?;
    let compressed = path.with_extension("log.gz");
    std::fs::rename(&partial, &compressed)?;
    if let Some(directory) = path.parent() {
        sync_directory(directory)?;
    }
    match std::fs::remove_file(path) {
        // There were more files than are kept and this was the oldest.
        Err(error) if error.kind() == io::ErrorKind::NotFound => std::fs::remove_file(compressed),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;
    use palisade_core::time::UnixTime;

    use super::*;

    #[test]
    fn trails_that_follow_each_other_compress_every_file_once_and_whole() {
        let directory = tempfile::tempdir().unwrap();
        let finished = Finished::new(directory.path(), "svc");
        let text = |last: u64| format!("the record with the number {last}\n").repeat(2_000);
        let path = |last| finished.path(last, UnixTime::default());
        for last in 1..=40 {
            std::fs::write(path(last), text(last)).unwrap();
        }
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let compressor = Compressor::new(finished.clone());
                scope.spawn(move || compressor.compress_all());
            }
        });
        for last in 1..40 {
            assert!(!path(last).exists(), "{last}");
            let mut found = String::new();
            let compressed = File::open(path(last).with_extension("log.gz")).unwrap();
            GzDecoder::new(compressed)
                .read_to_string(&mut found)
                .unwrap();
            assert!(found == text(last), "{last}");
        }
        assert_eq!(std::fs::read_to_string(path(40)).unwrap(), text(40));
    }

    #[cfg(unix)]
    #[test]
    fn a_compressed_file_is_as_private_as_the_file_was() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("svc_audit.1.log");
        std::fs::write(&path, "a line\n").unwrap();
        compress(&path).unwrap();
        let mode = std::fs::metadata(path.with_extension("log.gz"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o007, 0, "{mode:o}");
    }

    #[test]
    fn one_file_that_cannot_be_compressed_keeps_no_other_from_it() {
        let directory = tempfile::tempdir().unwrap();
        let finished = Finished::new(directory.path(), "svc");
        let path = |last| finished.path(last, UnixTime::default());
        for last in 1..=3 {
            std::fs::write(path(last), "a line\n").unwrap();
        }
        std::fs::create_dir(path(1).with_extension("gz.part")).unwrap();
        Compressor::new(finished.clone()).compress_all();
        assert!(path(1).exists());
        assert!(!path(2).exists());
    }
}
