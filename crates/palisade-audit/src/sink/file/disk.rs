//! Files and directories as the system gives them.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

/// Locks the file, and tries for a moment: a process that was just forked holds the locks of all files until it runs
/// its own program.
pub(super) fn lock(file: &File) -> Result<(), TryLockError> {
    const TRIES: u32 = 20;
    const BETWEEN: Duration = Duration::from_millis(5);
    for _ in 1..TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(BETWEEN),
            locked => return locked,
        }
    }
    file.try_lock()
}

pub(super) fn open_file(path: &Path) -> io::Result<File> {
    private(OpenOptions::new().append(true).read(true)).open(path)
}

/// Options that make a file where there is none.
pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options.create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Readable by the group of whoever ships the records, by nobody else.
        options.mode(0o640);
    }
    options
}

#[cfg(unix)]
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(not(unix))]
pub(super) fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}
