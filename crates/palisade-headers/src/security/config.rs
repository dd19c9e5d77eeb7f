use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use palisade_core::Problems;

use super::{FrameOptions, Hsts, NoStore, ReferrerPolicy, SecurityHeadersLayer, XssProtection};
use crate::{HeadersError, Mode};

/// The set of headers to begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum Preset {
    /// [`SecurityHeadersLayer::api`], the default.
    #[default]
    Api,
    /// [`SecurityHeadersLayer::page`].
    Page,
    /// [`SecurityHeadersLayer::owasp`].
    Owasp,
    /// [`SecurityHeadersLayer::classic`].
    Classic,
    /// [`SecurityHeadersLayer::reverse_proxy`].
    ReverseProxy,
    /// [`SecurityHeadersLayer::none`].
    None,
    /// [`SecurityHeadersLayer::off`].
    Off,
}

/// Security headers as configurations write them; with feature `serde` from any format.
///
/// A field that is not named stays as the preset has it.
///
/// # Example
///
/// ```
/// use palisade_headers::security::{Preset, SecurityHeadersConfig};
///
/// let mut config = SecurityHeadersConfig::default();
/// config.preset = Preset::Page;
/// config.headers.insert("X-Team".into(), "platform".into());
/// config.without.push("Origin-Agent-Cluster".into());
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
pub struct SecurityHeadersConfig {
    /// Whether it is `on`, the default, or `off`.
    pub mode: Mode,
    /// The set of headers to begin with: `api`, the default, `page`, `owasp`, `classic`, `reverse-proxy`, `none` or `off`.
    pub preset: Preset,
    /// `X-Frame-Options`: `deny` or `same-origin`; default as the preset.
    pub frame_options: Option<FrameOptions>,
    /// `X-XSS-Protection`: `disabled`, `legacy-block` or `omit`; default as the preset.
    pub xss_protection: Option<XssProtection>,
    /// `Referrer-Policy`, such as `no-referrer`; default as the preset.
    pub referrer_policy: Option<ReferrerPolicy>,
    /// `Strict-Transport-Security`; default as the preset.
    pub hsts: Option<HstsConfig>,
    /// The responses that stay out of every cache: `never`, `authenticated` or `always`; default `never`, beside those of the
    /// preset.
    pub no_store: NoStore,
    /// Further headers, or other values. A `Content-Security-Policy` given here is sent as it is, without a nonce.
    pub headers: BTreeMap<String, String>,
    /// Names of headers that are not sent; default none.
    pub without: Vec<String>,
    /// Names of headers that are removed from what handlers answer; default as the preset.
    pub strip: Vec<String>,
}

/// `Strict-Transport-Security` as configurations write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct HstsConfig {
    /// For how many seconds; default 31536000, a year.
    pub max_age_seconds: u64,
    /// Whether it holds for every host below this one; default yes.
    pub include_subdomains: bool,
    /// Whether to ask for a place in the list that browsers carry with them; default not.
    pub preload: bool,
}

impl Default for HstsConfig {
    fn default() -> Self {
        Self {
            max_age_seconds: 31_536_000,
            include_subdomains: true,
            preload: false,
        }
    }
}

impl SecurityHeadersConfig {
    /// The layer.
    ///
    /// # Errors
    ///
    /// Names every name that is not a header's, every value that cannot stand in one, and what the preload list would
    /// refuse.
    pub fn try_build(&self) -> Result<SecurityHeadersLayer, HeadersError> {
        if self.mode == Mode::Off {
            return Ok(SecurityHeadersLayer::off());
        }
        let mut problems = Problems::none();
        let mut layer = match self.preset {
            Preset::Api => SecurityHeadersLayer::api(),
            Preset::Page => SecurityHeadersLayer::page(),
            Preset::Owasp => SecurityHeadersLayer::owasp(),
            Preset::Classic => SecurityHeadersLayer::classic(),
            Preset::ReverseProxy => SecurityHeadersLayer::reverse_proxy(),
            Preset::None => SecurityHeadersLayer::none(),
            Preset::Off => SecurityHeadersLayer::off(),
        };
        if let Some(who) = self.frame_options {
            layer = layer.frame_options(who);
        }
        if let Some(mode) = self.xss_protection {
            layer = layer.xss_protection(mode);
        }
        if let Some(policy) = self.referrer_policy {
            layer = layer.referrer_policy(policy);
        }
        if let Some(hsts) = &self.hsts {
            match hsts.build() {
                Ok(hsts) => layer = layer.hsts(hsts),
                Err(error) => problems.append("", error.problems().clone()),
            }
        }
        for (name, value) in &self.headers {
            let field = format!("headers.{name}");
            match (self::name(name), HeaderValue::from_str(value)) {
                (Some(name), Ok(value)) => layer = layer.header(name, value),
                (None, _) => problems.push(field, "is not a header's name"),
                (_, Err(_)) => {
                    problems.push(field, "has a value with characters that no header holds");
                }
            }
        }
        for name in names("without", &self.without, &mut problems) {
            layer = layer.without(name);
        }
        layer = layer
            .strip(names("strip", &self.strip, &mut problems))
            .no_store(self.no_store);
        problems.into_result(layer).map_err(HeadersError::Security)
    }
}

impl HstsConfig {
    fn build(&self) -> Result<Hsts, HeadersError> {
        let mut hsts = Hsts::new(Duration::from_secs(self.max_age_seconds));
        if self.include_subdomains {
            hsts = hsts.include_subdomains();
        }
        if self.preload {
            return hsts.try_preload();
        }
        Ok(hsts)
    }
}

fn name(text: &str) -> Option<HeaderName> {
    HeaderName::from_bytes(text.as_bytes()).ok()
}

fn names(field: &str, texts: &[String], problems: &mut Problems) -> Vec<HeaderName> {
    let mut names = Vec::new();
    for text in texts {
        match name(text) {
            Some(name) => names.push(name),
            None => problems.push(format!("{field} {text:?}"), "is not a header's name"),
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_reported_at_once() {
        let config = SecurityHeadersConfig {
            hsts: Some(HstsConfig {
                max_age_seconds: 60,
                include_subdomains: false,
                preload: true,
            }),
            headers: [("a b", "x"), ("x-own", "a\nb")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            without: vec!["ä".to_owned()],
            strip: vec![String::new()],
            ..SecurityHeadersConfig::default()
        };
        let error = config.try_build().unwrap_err();
        let fields: Vec<_> = error
            .problems()
            .iter()
            .map(|problem| problem.field.as_str())
            .collect();
        assert_eq!(
            fields,
            [
                "hsts.max_age",
                "hsts.include_subdomains",
                "headers.a b",
                "headers.x-own",
                "without \"ä\"",
                "strip \"\"",
            ]
        );
    }

    #[cfg(feature = "serde")]
    #[test]
    fn a_configuration_is_read_from_any_format() {
        let config: SecurityHeadersConfig = serde_json::from_str(
            r#"{"preset":"reverse-proxy","xss_protection":"omit","referrer_policy":"same-origin",
                "hsts":{"max_age_seconds":300},"no_store":"authenticated","strip":["server"]}"#,
        )
        .unwrap();
        assert_eq!(config.preset, Preset::ReverseProxy);
        assert!(config.hsts.unwrap().include_subdomains);
        assert!(config.try_build().is_ok());
        for bad in [
            r#"{"preset":"strict"}"#,
            r#"{"hsts":{"max_age":1}}"#,
            r#"{"preste":"api"}"#,
        ] {
            assert!(
                serde_json::from_str::<SecurityHeadersConfig>(bad).is_err(),
                "{bad}"
            );
        }
    }
}
