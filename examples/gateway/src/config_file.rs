//! The file in which the stack is configured.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use palisade::Problems;
use palisade::config::{Config, ConfigError};

/// The configuration of a gateway that has no file.
const BUILT_IN: &str = include_str!("../palisade.toml");

/// The place of the configuration.
#[derive(Clone)]
pub(crate) struct ConfigFile {
    path: PathBuf,
    /// Whether somebody named it, so that it must be there.
    named: bool,
    data_dir: PathBuf,
    /// The variables that override it, where they are not those of the process.
    variables: Option<Vec<(String, String)>>,
}

impl fmt::Debug for ConfigFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ConfigFile").field(&self.path).finish()
    }
}

/// The properties of a file by which a change is seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fingerprint(Option<(u64, i64, i64, u64)>);

impl ConfigFile {
    /// The file of this name, or else `palisade.toml` in the data directory, which need not be there.
    pub(crate) fn new(named: Option<String>, data_dir: &Path) -> Self {
        Self {
            named: named.is_some(),
            path: named.map_or_else(|| data_dir.join("palisade.toml"), PathBuf::from),
            data_dir: data_dir.to_owned(),
            variables: None,
        }
    }

    /// Lets these variables override it instead of those of the process.
    #[cfg(test)]
    pub(crate) fn with_variables(mut self, variables: &[(&str, &str)]) -> Self {
        let variables = variables.iter();
        let owned = variables.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.variables = Some(owned.collect());
        self
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file and the variables. A file that nobody named and that is not there is the one that is built in.
    pub(crate) fn load(&self) -> Result<Config, ConfigError> {
        let loader = Config::loader()
            .add_limit("ping")
            .add_limit("failed-logins")
            .variables_limit("ping")
            .add_breaker("upstream")
            .add_retry("upstream");
        let loader = match self.named || self.path.exists() {
            true => loader.file(&self.path),
            false => loader.text("palisade.toml (built in)", BUILT_IN),
        };
        let loader = match &self.variables {
            Some(variables) => loader.variables(variables.iter().cloned()),
            None => loader.environment(),
        };
        let mut config = loader.load()?;
        // A relative directory lies in the data directory, wherever the gateway was started.
        if let Some(audit) = &mut config.audit
            && let Some(directory) = &mut audit.directory
        {
            *directory = self.data_dir.join(&*directory);
        }
        Ok(config)
    }

    /// Looks at the file without reading it.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let seen = fs::metadata(&self.path).ok();
        Fingerprint(seen.map(|seen| (seen.ino(), seen.mtime(), seen.mtime_nsec(), seen.size())))
    }

    /// The owner of the file: `alice (uid 1000)`, as far as the system knows a name.
    pub(crate) fn owner(&self) -> Option<String> {
        let uid = fs::metadata(&self.path).ok()?.uid();
        let known = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let name = known.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)? == uid.to_string()).then(|| name.to_owned())
        });
        Some(match name {
            Some(name) => format!("{name} (uid {uid})"),
            None => format!("uid {uid}"),
        })
    }
}

/// The mistakes under the names of their variables, or their lines.
pub(crate) fn problems_of(error: &ConfigError) -> Problems {
    let mut problems = Problems::none();
    for (mistake, problem) in error.mistakes().zip(error.problems().iter()) {
        let field = mistake.variable().unwrap_or(&problem.field);
        problems.push(field, problem.reason.clone());
    }
    problems
}
