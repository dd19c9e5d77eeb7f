use std::fmt;

use palisade_core::Problems;

use super::file::{Path, Place};

/// One mistake in a configuration.
#[derive(Clone, PartialEq, Eq)]
pub struct Mistake {
    file: Option<String>,
    place: Place,
    path: Path,
    key: String,
    reason: String,
}

impl Mistake {
    pub(super) fn new(file: Option<String>, place: Place, path: Path, reason: String) -> Self {
        Self {
            file,
            place,
            key: path.to_string(),
            path,
            reason,
        }
    }

    pub(super) const fn path(&self) -> &Path {
        &self.path
    }

    /// The file that it stands in, as it was named to the loader; none where a variable is at fault.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        match self.place {
            Place::Variable(_) => None,
            _ => self.file.as_deref(),
        }
    }

    /// The line of the file, from 1, if it is about one.
    #[must_use]
    pub const fn line(&self) -> Option<usize> {
        match self.place {
            Place::Line(line) => Some(line),
            _ => None,
        }
    }

    /// The variable that is at fault, if one is.
    #[must_use]
    pub const fn variable(&self) -> Option<&str> {
        match self.place {
            Place::Variable(name) => Some(name),
            _ => None,
        }
    }

    /// The key, such as `limits.clients.policies[0].name`; empty where the file as a whole is at fault.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The reason, in words that repeat no value.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The place of the mistake: `palisade.toml:12: cors.origins`, or `CORS_ORIGINS (cors.origins)`.
    fn place(&self) -> String {
        match (self.variable(), self.line(), self.file()) {
            (Some(name), ..) if self.key.is_empty() => name.to_owned(),
            (Some(name), ..) => format!("{name} ({})", self.key),
            (None, line, file) => {
                let mut place = file.unwrap_or_default().to_owned();
                if let Some(line) = line {
                    place += &format!(":{line}");
                }
                if !place.is_empty() && !self.key.is_empty() {
                    place += ": ";
                }
                place + &self.key
            }
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place(), self.reason)
    }
}

/// A configuration that cannot be used, with every mistake in it, one a line.
///
/// See the [module's documentation](crate::config#errors) for what it says and what it never repeats.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigError(Vec<Mistake>);

impl ConfigError {
    pub(super) fn result<T>(mistakes: Vec<Mistake>, value: T) -> Result<T, Self> {
        match mistakes.is_empty() {
            true => Ok(value),
            false => Err(Self(mistakes)),
        }
    }

    /// Every mistake, in the order of the file.
    pub fn mistakes(&self) -> impl Iterator<Item = &Mistake> {
        self.0.iter()
    }

    /// The same as problems, whose fields are the places, to report together with others.
    #[must_use]
    pub fn problems(&self) -> Problems {
        let mut problems = Problems::none();
        for mistake in &self.0 {
            problems.push(mistake.place(), mistake.reason.clone());
        }
        problems
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, mistake) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            mistake.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

palisade_core::debug_as_display!(Mistake, ConfigError);
