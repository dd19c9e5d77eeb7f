use std::io;
use std::path::PathBuf;

use palisade_core::Problems;

/// An error of a trail.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// Settings that cannot be used, all of them.
    #[error("audit settings: {0}")]
    Settings(#[from] Problems),
    /// A file or a directory of the trail could not be used.
    #[error("audit trail {path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// Another process, or another trail of this one, writes this file.
    #[error("audit trail {0} is written by somebody else")]
    InUse(PathBuf),
    /// The record could not be kept: the queue stayed full, the disk refused it, or the trail is shut down.
    #[error("the audit record was not kept")]
    NotKept,
}

impl AuditError {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

palisade_core::debug_as_display!(AuditError);
