//! The directories in which the benches read and write.

use std::path::{Path, PathBuf};

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The folder for files that benches write, which is removed with the build.
pub(crate) fn scratch() -> PathBuf {
    root().join("target/bench")
}
