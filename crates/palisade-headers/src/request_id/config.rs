use palisade_core::{ClientIp, Problems};

use super::{IdFormat, RequestIdLayer};
use crate::{HeadersError, Mode};

/// Request ids as configurations write them; with feature `serde` from any format.
///
/// # Example
///
/// ```
/// use palisade_headers::request_id::RequestIdConfig;
///
/// let mut config = RequestIdConfig::default();
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
pub struct RequestIdConfig {
    /// Whether it is `on`, the default, or `off`.
    pub mode: Mode,
    /// The format of fresh ids; default `uuid-v7`.
    pub format: IdFormat,
    /// Addresses or networks of proxies whose id and trace are accepted; default none.
    pub trusted_proxies: Vec<String>,
    /// Whether every caller's id and trace are accepted; default not. See [`RequestIdLayer::trust_callers`].
    pub trust_callers: bool,
    /// Whether the request carries its id in `X-Request-ID` too; default not. See [`RequestIdLayer::write_to_request`].
    pub write_to_request: bool,
}

impl RequestIdConfig {
    /// The layer.
    ///
    /// # Errors
    ///
    /// Names every text that is neither an address nor a network, and proxies that mean nothing because every caller is
    /// trusted.
    pub fn try_build(&self) -> Result<RequestIdLayer, HeadersError> {
        if self.mode == Mode::Off {
            return Ok(RequestIdLayer::off());
        }
        let mut problems = Problems::none();
        let mut layer = RequestIdLayer::new().format(self.format);
        if self.trust_callers {
            layer = layer.trust_callers();
        }
        if self.write_to_request {
            layer = layer.write_to_request();
        }
        if !self.trusted_proxies.is_empty() {
            if self.trust_callers {
                problems.push("trusted_proxies", "mean nothing while trust_callers is on");
            }
            match ClientIp::trusting(&self.trusted_proxies) {
                Ok(proxies) if !self.trust_callers => layer = layer.trust_proxies(proxies),
                Ok(_) => {}
                Err(error) => problems.push("trusted_proxies", error.to_string()),
            }
        }
        problems.into_result(layer).map_err(HeadersError::RequestId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_reported_at_once() {
        let config = RequestIdConfig {
            trust_callers: true,
            trusted_proxies: vec!["10.0.0.0/33".to_owned()],
            ..RequestIdConfig::default()
        };
        assert_eq!(
            config.try_build().unwrap_err().to_string(),
            "request ids: trusted_proxies: mean nothing while trust_callers is on; trusted_proxies: trusted proxies: \
             10.0.0.0/33: is neither an address nor a network, nor loopback, private or link-local"
        );
    }

    #[cfg(feature = "serde")]
    #[test]
    fn a_configuration_is_read_from_any_format() {
        let config: RequestIdConfig = serde_json::from_str(
            r#"{"format":"random","trusted_proxies":["10.0.0.1"],"write_to_request":true}"#,
        )
        .unwrap();
        assert_eq!(config.format, IdFormat::Random);
        assert!(config.try_build().is_ok());
        assert!(serde_json::from_str::<RequestIdConfig>(r#"{"trust":true}"#).is_err());
    }
}
