use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use palisade_core::Name;

use super::{Fetched, Provider, Stage, file};
use crate::{ProviderError, Secret};

/// A directory with one file a secret, as Kubernetes and systemd mount it.
///
/// Files are read as often as the time to live says, and not watched: Kubernetes swaps the link `..data`, which watching
/// a file does not see. The file of a secret has its name, unless [`names`](Self::names) says otherwise; the previous
/// version of `NAME` is the file for `NAME_PREVIOUS`.
///
/// A name without a file in a directory that is there is absence, and the next provider is asked. A directory that is not
/// there, and a link that leads nowhere, are errors: a mount that vanished must not bring an older value back.
///
/// # Example
///
/// ```
/// use palisade_secrets::MountedDirectory;
///
/// // `DB_PASSWORD` is the file `db_password`, and the one before it `db_password_previous`.
/// let mounted = MountedDirectory::new("/run/secrets").names(str::to_ascii_lowercase);
/// // `JWT_SECRET` is the file `jwt-secret`.
/// let mounted = MountedDirectory::new("/run/secrets").names(|name| name.to_ascii_lowercase().replace('_', "-"));
/// # let _ = mounted;
/// ```
#[derive(Clone)]
pub struct MountedDirectory {
    path: PathBuf,
    file_name: Option<Arc<FileName>>,
}

type FileName = dyn Fn(&str) -> String + Send + Sync;

impl MountedDirectory {
    /// This directory, such as `/run/secrets`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            file_name: None,
        }
    }

    /// Sets how files are named: `file_name` gets the name of a secret; default the name as it is.
    ///
    /// Names of files in Docker and Kubernetes are often in lower case or with hyphens, as in `db_password` and
    /// `jwt-secret`. A result that is not the plain name of a file, such as one with a slash, is an error of the read.
    #[must_use]
    pub fn names(mut self, file_name: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        self.file_name = Some(Arc::new(file_name));
        self
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
        let file = match &self.file_name {
            Some(file_name) => file_name(&file),
            None => file,
        };
        // A name must not lead out of the directory.
        let mut steps = Path::new(&file).components();
        let (Some(Component::Normal(_)), None) = (steps.next(), steps.next()) else {
            return Err(ProviderError::new("the name is not that of a file"));
        };
        match file::read(&self.path.join(&file))? {
            Some(value) => Ok(Some(Fetched::new(Secret::new(value)))),
            None => self.is_surely_absent(&file).map(|()| None),
        }
    }
}

impl MountedDirectory {
    /// Tells a file that is not there from a mount that is gone, which says nothing about the secret.
    fn is_surely_absent(&self, file: &str) -> Result<(), ProviderError> {
        let path = self.path.join(file);
        let data = self.path.join("..data");
        if !self.path.is_dir() {
            let message = format!("{} is not there, or no directory", self.path.display());
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

impl fmt::Debug for MountedDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MountedDirectory")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
