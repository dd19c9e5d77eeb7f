use super::{CookieLayer, SameSite};
use crate::{HeadersError, Mode};

/// The hardening of cookies as configurations write it; with feature `serde` from any format.
///
/// # Example
///
/// ```
/// use palisade_headers::cookies::CookieConfig;
///
/// let mut config = CookieConfig::default();
/// config.scripts_read.push("XSRF-TOKEN".into());
/// assert!(config.try_build().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct CookieConfig {
    /// Whether it is `on`, the default, or `off`.
    pub mode: Mode,
    /// The `SameSite` of cookies that have none; default `lax`.
    pub same_site: SameSite,
    /// Names of cookies that the page's own scripts read; default none.
    pub scripts_read: Vec<String>,
}

impl CookieConfig {
    /// The layer.
    ///
    /// # Errors
    ///
    /// Names every text that is no cookie's name.
    pub fn try_build(&self) -> Result<CookieLayer, HeadersError> {
        if self.mode == Mode::Off {
            return Ok(CookieLayer::off());
        }
        let layer = CookieLayer::new().same_site(self.same_site);
        layer.scripts_read(&self.scripts_read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bad_name_is_reported() {
        let config = CookieConfig {
            scripts_read: vec!["a;b".to_owned(), "c".to_owned()],
            ..CookieConfig::default()
        };
        assert_eq!(
            config.try_build().unwrap_err().to_string(),
            "cookies: cookies \"a;b\": is not a cookie's name"
        );
    }

    #[cfg(feature = "serde")]
    #[test]
    fn a_configuration_is_read_from_any_format() {
        let config: CookieConfig =
            serde_json::from_str(r#"{"same_site":"strict","scripts_read":["a"]}"#).unwrap();
        assert_eq!(config.same_site, SameSite::Strict);
        assert!(!config.try_build().unwrap().is_off());
        let off: CookieConfig = serde_json::from_str(r#"{"mode":"off"}"#).unwrap();
        assert!(off.try_build().unwrap().is_off());
        assert!(serde_json::from_str::<CookieConfig>(r#"{"same_site":"none"}"#).is_err());
    }
}
