use std::fmt;
use std::path::Path;
use std::sync::Arc;

use palisade_core::Name;
use zeroize::Zeroizing;

use super::{Fetched, Provider, Stage, file};
use crate::{ProviderError, Secret};

/// Environment variables, and with a suffix the files that variables name.
///
/// The previous version of `NAME` is `NAME_PREVIOUS`. Variables are read once; files as often as the time to live says.
///
/// # Example
///
/// ```
/// use palisade_secrets::EnvVars;
///
/// // `DB_PASSWORD`, or the file that `DB_PASSWORD_FILE` names.
/// let variables = EnvVars::new().file_suffix("_FILE");
/// # let _ = variables;
/// ```
#[derive(Clone)]
pub struct EnvVars {
    read: Arc<Read>,
    file_suffix: Option<Box<str>>,
}

type Read = dyn Fn(&str) -> Option<String> + Send + Sync;

impl EnvVars {
    /// The variables of this process. One that is not UTF-8 is an error, as is an empty one.
    #[must_use]
    pub fn new() -> Self {
        // What is not UTF-8 becomes text that says so and that `fetch` refuses.
        Self::from_fn(|name| {
            std::env::var_os(name).map(|value| value.into_string().unwrap_or_default())
        })
    }

    /// Variables from a closure, for tests and for settings that are kept elsewhere.
    #[must_use]
    pub fn from_fn(read: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self {
            read: Arc::new(read),
            file_suffix: None,
        }
    }

    /// Sets the end of the names of variables that name files, such as `_FILE`; default none.
    ///
    /// A variable and its file variable at once are an error.
    #[must_use]
    pub fn file_suffix(mut self, suffix: &str) -> Self {
        self.file_suffix = Some(suffix.into());
        self
    }

    fn read(&self, name: &str) -> Result<Option<Fetched>, ProviderError> {
        let value = (self.read)(name).map(Zeroizing::new);
        let file_name = self
            .file_suffix
            .as_ref()
            .map(|suffix| format!("{name}{suffix}"));
        let path = file_name.as_deref().and_then(|name| (self.read)(name));
        match (value, path, file_name) {
            (None, None, _) => Ok(None),
            (Some(value), None, _) if value.is_empty() => {
                let message = format!("variable {name} is empty or not UTF-8");
                Err(ProviderError::new(message))
            }
            (Some(value), None, _) if value.trim().is_empty() => {
                let message = format!("variable {name} holds nothing but blanks");
                Err(ProviderError::new(message))
            }
            (Some(value), None, _) => Ok(Some(Fetched::fixed(Secret::new(value.as_str())))),
            (Some(_), Some(_), file_name) => Err(ProviderError::new(format!(
                "variables {name} and {} are both set",
                file_name.unwrap_or_default()
            ))),
            (None, Some(path), file_name) => match file::read(Path::new(&path))? {
                Some(value) => Ok(Some(Fetched::new(Secret::new(value)))),
                None => Err(ProviderError::new(format!(
                    "variable {} names {path}, which is not there",
                    file_name.unwrap_or_default()
                ))),
            },
        }
    }
}

impl Default for EnvVars {
    fn default() -> Self {
        Self::new().file_suffix("_FILE")
    }
}

impl Provider for EnvVars {
    fn name(&self) -> Name {
        Name::from_static("environment")
    }

    async fn fetch(&self, name: &str, stage: Stage) -> Result<Option<Fetched>, ProviderError> {
        match stage {
            Stage::Current => self.read(name),
            Stage::Previous => self.read(&format!("{name}_PREVIOUS")),
            Stage::Pending => Ok(None),
        }
    }
}

impl fmt::Debug for EnvVars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvVars")
            .field("file_suffix", &self.file_suffix)
            .finish_non_exhaustive()
    }
}
