use std::time::Duration;

use super::{CorsBuilder, CorsLayer};
use crate::{HeadersError, Mode};

/// A CORS policy as configurations write it: from environment variables, or with feature `serde` from any format.
///
/// # Example
///
/// ```
/// use palisade_headers::cors::CorsConfig;
///
/// let vars = [("CORS_ORIGINS", "https://app.example, https://*.tenant.example"), ("CORS_METHODS", "GET,POST")];
/// let config = CorsConfig::from_vars(|name| {
///     vars.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string())
/// });
/// assert_eq!(config.origins.len(), 2);
/// assert!(config.try_build().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct CorsConfig {
    /// Whether it is `on`, the default, or `off`.
    pub mode: Mode,
    /// Origins, wildcards such as `https://*.example.com`, or `*`; default `*`.
    pub origins: Vec<String>,
    /// The methods that are allowed; default `GET` and `POST`.
    pub methods: Vec<String>,
    /// Request headers; default `Authorization`, `Content-Type`, `X-Track-ID` and `Idempotency-Key`.
    pub headers: Vec<String>,
    /// Response headers beside the limits' own; default none.
    pub expose: Vec<String>,
    /// Whether answers to requests with cookies may be read; default not.
    pub credentials: bool,
    /// For how many seconds a browser remembers a preflight; default 600.
    pub max_age_seconds: u64,
}

impl Default for CorsConfig {
    fn default() -> Self {
        let texts = |list: &[&str]| list.iter().map(ToString::to_string).collect();
        Self {
            mode: Mode::On,
            origins: texts(&["*"]),
            methods: texts(&["GET", "POST"]),
            headers: texts(&[
                "Authorization",
                "Content-Type",
                "X-Track-ID",
                "Idempotency-Key",
            ]),
            expose: Vec::new(),
            credentials: false,
            max_age_seconds: 600,
        }
    }
}

impl CorsConfig {
    /// Reads `CORS_ORIGINS`, `CORS_METHODS` and `CORS_HEADERS`, lists with commas between them, through `read`.
    ///
    /// A variable that is not set leaves the default. One that is set and names nothing is a mistake, which
    /// [`try_build`](Self::try_build) reports: the default, any origin, is not what an empty list says.
    #[must_use]
    pub fn from_vars(read: impl Fn(&str) -> Option<String>) -> Self {
        let mut config = Self::default();
        for (name, list) in [
            ("CORS_ORIGINS", &mut config.origins),
            ("CORS_METHODS", &mut config.methods),
            ("CORS_HEADERS", &mut config.headers),
        ] {
            if let Some(text) = read(name) {
                *list = split(&text);
            }
        }
        config
    }

    /// Reads the same variables from the environment of the process.
    #[must_use]
    pub fn from_env() -> Self {
        Self::from_vars(|name| std::env::var(name).ok())
    }

    /// A builder with these settings, whatever the mode, answering preflights with 200 as [`CorsLayer::api`] does.
    pub fn into_builder(self) -> CorsBuilder {
        CorsLayer::builder()
            .origins(self.origins)
            .methods(self.methods.iter().map(String::as_str))
            .headers(self.headers)
            .expose(self.expose)
            .credentials(self.credentials)
            .max_age(Duration::from_secs(self.max_age_seconds))
            .preflight_ok()
    }

    /// The layer.
    ///
    /// # Errors
    ///
    /// As [`CorsBuilder::try_build`].
    pub fn try_build(self) -> Result<CorsLayer, HeadersError> {
        if self.mode == Mode::Off {
            return Ok(CorsLayer::off());
        }
        self.into_builder().try_build()
    }
}

/// The items of a list; a list without any has an empty one, which no policy takes.
fn split(list: &str) -> Vec<String> {
    let items = list.split(',').map(str::trim);
    let items: Vec<_> = items.filter(|item| !item.is_empty()).collect();
    match items.is_empty() {
        true => vec![String::new()],
        false => items.into_iter().map(str::to_owned).collect(),
    }
}
