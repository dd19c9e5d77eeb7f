use std::num::NonZeroU16;

use palisade_core::{ClientIp, Problems};

use super::HttpsRedirectLayer;
use crate::{HeadersError, Mode};

/// A redirect to HTTPS as configurations write it; with feature `serde` from any format.
///
/// # Example
///
/// ```
/// use palisade_headers::https_redirect::HttpsRedirectConfig;
///
/// let mut config = HttpsRedirectConfig::default();
/// config.trusted_proxies.push("10.0.0.0/8".into());
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
pub struct HttpsRedirectConfig {
    /// Whether it is `on`, the default, or `off`.
    pub mode: Mode,
    /// Addresses or networks of proxies whose `X-Forwarded-Proto` counts; default none.
    pub trusted_proxies: Vec<String>,
    /// The hosts that are sent to HTTPS; default every host.
    pub hosts: Vec<String>,
    /// The port of HTTPS; default 443.
    pub port: Option<u16>,
    /// Whether browsers may not remember the redirect; default not.
    pub temporary: bool,
}

impl HttpsRedirectConfig {
    /// The layer.
    ///
    /// # Errors
    ///
    /// Names every text that is neither an address nor a network, every one that is no host, and a port of zero.
    pub fn try_build(&self) -> Result<HttpsRedirectLayer, HeadersError> {
        if self.mode == Mode::Off {
            return Ok(HttpsRedirectLayer::off());
        }
        let mut problems = Problems::none();
        let mut layer = HttpsRedirectLayer::new();
        if !self.trusted_proxies.is_empty() {
            match ClientIp::trusting(&self.trusted_proxies) {
                Ok(proxies) => layer = layer.trust_proxies(proxies),
                Err(error) => problems.push("trusted_proxies", error.to_string()),
            }
        }
        if !self.hosts.is_empty() {
            match layer.clone().hosts(&self.hosts) {
                Ok(limited) => layer = limited,
                Err(error) => problems.append("", error.problems().clone()),
            }
        }
        match self.port.map(NonZeroU16::new) {
            Some(None) => problems.push("port", "is 0, which no server has"),
            Some(Some(port)) => layer = layer.port(port),
            None => {}
        }
        if self.temporary {
            layer = layer.temporary();
        }
        problems
            .into_result(layer)
            .map_err(HeadersError::HttpsRedirect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_reported_at_once() {
        let config = HttpsRedirectConfig {
            trusted_proxies: vec!["proxy".to_owned()],
            hosts: vec!["https://a.example".to_owned()],
            port: Some(0),
            ..HttpsRedirectConfig::default()
        };
        assert_eq!(
            config.try_build().unwrap_err().to_string(),
            "redirect to HTTPS: trusted_proxies: trusted proxies: proxy: is neither an address nor a network, nor loopback, private or link-local; hosts \
             \"https://a.example\": is not a host; port: is 0, which no server has"
        );
    }

    #[cfg(feature = "serde")]
    #[test]
    fn a_configuration_is_read_from_any_format() {
        let config: HttpsRedirectConfig = serde_json::from_str(
            r#"{"trusted_proxies":["10.0.0.1"],"hosts":["a.example"],"port":8443,"temporary":true}"#,
        )
        .unwrap();
        assert!(!config.try_build().unwrap().is_off());
        let off: HttpsRedirectConfig = serde_json::from_str(r#"{"mode":"off"}"#).unwrap();
        assert!(off.try_build().unwrap().is_off());
        assert!(serde_json::from_str::<HttpsRedirectConfig>(r#"{"host":"a"}"#).is_err());
    }
}
