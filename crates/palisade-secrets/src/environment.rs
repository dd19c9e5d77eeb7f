use std::fmt;
use std::str::FromStr;

use palisade_core::Problems;

use crate::Error;

/// Where a service runs, which decides whether bad secrets stop it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Environment {
    /// Bad secrets stop it.
    Production,
    /// Bad secrets stop it, as in production.
    Staging,
    /// Bad secrets are warned about.
    Development,
}

impl Environment {
    /// Whether bad secrets stop the service.
    #[must_use]
    pub const fn is_strict(self) -> bool {
        !matches!(self, Self::Development)
    }

    /// `production`, `staging` or `development`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Staging => "staging",
            Self::Development => "development",
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Environment {
    type Err = Error;

    /// Reads the name, in any case; anything unknown is an error, not a guess.
    fn from_str(text: &str) -> Result<Self, Error> {
        [Self::Production, Self::Staging, Self::Development]
            .into_iter()
            .find(|environment| environment.as_str().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| {
                let reason = "must be production, staging or development";
                Error::Refused(Problems::one("environment", reason))
            })
    }
}
