use std::path::{Component, Path, PathBuf};

use palisade_core::Name;

use super::{Fetched, Provider, Stage, read_file};
use crate::{ProviderError, Secret};

/// A directory with one file a secret, as Kubernetes and systemd mount it.
///
/// Files are read as often as the time to live says, and not watched: Kubernetes swaps the link `..data`, which watching
/// a file does not see. The previous version of `NAME` is the file `NAME_PREVIOUS`.
///
/// A name without a file in a directory that is there is absence, and the next provider is asked. A directory that is not
/// there, and a link that leads nowhere, are errors: a mount that vanished must not bring an older value back.
#[derive(Debug, Clone)]
pub struct MountedDirectory(PathBuf);

impl MountedDirectory {
    /// This directory, such as `/run/secrets`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The directory in which systemd puts credentials (`LoadCredential=`), if it started this process with any.
    #[must_use]
    pub fn systemd_credentials() -> Option<Self> {
        std::env::var_os("CREDENTIALS_DIRECTORY").map(Self::new)
    }
}

impl Provider for MountedDirectory {
    fn name(&self) -> Name {
        Name::from_static("directory")
    }

    async fn fetch(&self, name: &str, stage: Stage) -> Result<Option<Fetched>, ProviderError> {
        let file = match stage {
            Stage::Current => name.to_owned(),
            Stage::Previous => format!("{name}_PREVIOUS"),
            Stage::Pending => return Ok(None),
        };
        // A name must not lead out of the directory.
        let mut steps = Path::new(&file).components();
        let (Some(Component::Normal(_)), None) = (steps.next(), steps.next()) else {
            return Err(ProviderError::new("the name is not that of a file"));
        };
        match read_file(&self.0.join(&file))? {
            Some(value) => Ok(Some(Fetched::new(Secret::new(value)))),
            None => self.is_surely_absent(&file).map(|()| None),
        }
    }
}

impl MountedDirectory {
    /// Tells a file that is not there from a mount that is gone, which says nothing about the secret.
    fn is_surely_absent(&self, file: &str) -> Result<(), ProviderError> {
        let path = self.0.join(file);
        let data = self.0.join("..data");
        if !self.0.is_dir() {
            let message = format!("{} is not there, or no directory", self.0.display());
            return Err(ProviderError::new(message));
        }
        // `NAME` leads to `..data/NAME`, and `..data` to the directory of the version.
        if path.is_symlink() || (data.is_symlink() && !data.is_dir()) {
            let message = format!("{} leads to what is not there", path.display());
            return Err(ProviderError::new(message));
        }
        Ok(())
    }
}
