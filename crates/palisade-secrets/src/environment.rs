use std::fmt;
use std::str::FromStr;

use palisade_core::Problems;

use crate::Error;

/// The environment of a service, which decides whether bad secrets stop it.
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

/// Whether a variable of this process switches something on: `true`, `1`, `yes` or `on`, in any case. Unset is off.
///
/// # Errors
///
/// [`Error::Refused`] for anything but those, `false`, `0`, `no` and `off`: a typing error must not switch off what
/// somebody wanted on.
pub fn flag(variable: &str) -> Result<bool, Error> {
    match std::env::var_os(variable) {
        None => Ok(false),
        Some(text) => parse_flag(variable, text.to_str().unwrap_or_default()),
    }
}

fn parse_flag(variable: &str, text: &str) -> Result<bool, Error> {
    let is = |words: [&str; 4]| {
        words
            .iter()
            .any(|word| word.eq_ignore_ascii_case(text.trim()))
    };
    if is(["true", "1", "yes", "on"]) {
        Ok(true)
    } else if is(["false", "0", "no", "off"]) {
        Ok(false)
    } else {
        let problem = Problems::one(variable, "must be true or false");
        Err(Error::Refused(problem))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_on_or_off_and_never_guessed() {
        for (text, on) in [
            ("true", true),
            ("TRUE ", true),
            ("1", true),
            ("off", false),
            ("No", false),
        ] {
            assert_eq!(parse_flag("F", text).unwrap(), on, "{text}");
        }
        for text in ["", "ture", "2", "y"] {
            assert!(parse_flag("F", text).is_err(), "{text}");
        }
        assert!(!flag("A_VARIABLE_THAT_NOBODY_SETS").unwrap());
    }

    #[test]
    fn an_environment_is_known_by_its_name() {
        assert_eq!(
            "Production ".parse::<Environment>().unwrap(),
            Environment::Production
        );
        assert!("prod".parse::<Environment>().is_err());
    }
}
