use http::HeaderValue;
use palisade_core::Problems;

use crate::HeadersError;
use crate::origin::OriginPattern;

/// The origins that may use a feature (W3C Permissions Policy, section 4.4).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Allowlist {
    /// Nobody: `()`.
    Nobody,
    /// The page itself and frames of its origin: `(self)`.
    SelfOrigin,
    /// Everybody: `*`.
    Everybody,
    /// The page itself and these origins, such as `https://maps.example`.
    SelfAnd(Vec<String>),
}

/// `Permissions-Policy` (W3C Permissions Policy, section 5): which features of the browser a page and its frames may
/// use.
///
/// # Example
///
/// ```
/// use palisade_headers::security::{Allowlist, PermissionsPolicy};
///
/// let policy = PermissionsPolicy::new()
///     .feature("camera", Allowlist::Nobody)?
///     .feature("geolocation", Allowlist::SelfAnd(vec!["https://maps.example".into()]))?;
/// assert_eq!(policy.value(), r#"camera=(), geolocation=(self "https://maps.example")"#);
/// # Ok::<(), palisade_headers::HeadersError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PermissionsPolicy(Vec<(Box<str>, String)>);

/// Features that a page which uses none of them had better switch off: sensors, capture, payment, devices.
const SENSITIVE: [&str; 18] = [
    "accelerometer",
    "autoplay",
    "camera",
    "display-capture",
    "encrypted-media",
    "fullscreen",
    "geolocation",
    "gyroscope",
    "hid",
    "idle-detection",
    "magnetometer",
    "microphone",
    "midi",
    "payment",
    "screen-wake-lock",
    "serial",
    "usb",
    "xr-spatial-tracking",
];

impl PermissionsPolicy {
    /// No feature named: every one keeps its default.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Switches off sensors, capture, payment and devices, for the page and for all that it embeds.
    #[must_use]
    pub fn deny_sensitive() -> Self {
        Self::denying(&SENSITIVE)
    }

    pub(super) fn denying(features: &[&str]) -> Self {
        let off = |feature: &&str| (Box::from(*feature), String::from("()"));
        Self(features.iter().map(off).collect())
    }

    /// Sets the origins that may use a feature. A later call for the same feature replaces an earlier one.
    ///
    /// # Errors
    ///
    /// The name must be made of `a-z`, `0-9` and `-`, each origin must be `scheme://host[:port]`; a wildcard such as
    /// `https://*.example.com` is allowed.
    pub fn feature(mut self, feature: &str, allowed: Allowlist) -> Result<Self, HeadersError> {
        let mut problems = Problems::none();
        let starts = feature
            .bytes()
            .next()
            .is_some_and(|first| first.is_ascii_lowercase());
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !starts || !feature.bytes().all(plain) {
            problems.push(
                format!("permissions feature {feature:?}"),
                "is not a name of a-z, 0-9 and '-'",
            );
        }
        let value = match allowed {
            Allowlist::Nobody => String::from("()"),
            Allowlist::SelfOrigin => String::from("(self)"),
            Allowlist::Everybody => String::from("*"),
            Allowlist::SelfAnd(origins) => {
                let mut value = String::from("(self");
                for origin in origins {
                    match OriginPattern::parse(&origin) {
                        Ok(origin) => value.push_str(&format!(" \"{origin}\"")),
                        Err(reason) => {
                            problems.push(format!("permissions origin {origin:?}"), reason);
                        }
                    }
                }
                value.push(')');
                value
            }
        };
        problems.into_result(()).map_err(HeadersError::Security)?;
        match self.0.iter_mut().find(|(known, _)| **known == *feature) {
            Some((_, known)) => *known = value,
            None => self.0.push((feature.into(), value)),
        }
        Ok(self)
    }

    /// The value of the header.
    #[must_use]
    pub fn value(&self) -> HeaderValue {
        let features: Vec<_> = self
            .0
            .iter()
            .map(|(feature, allowed)| format!("{feature}={allowed}"))
            .collect();
        // Names and origins are visible ASCII.
        HeaderValue::from_str(&features.join(", ")).unwrap_or(HeaderValue::from_static(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_call_replaces_an_earlier_one() {
        let policy = PermissionsPolicy::deny_sensitive()
            .feature("camera", Allowlist::SelfOrigin)
            .unwrap();
        let text = policy.value();
        let text = text.to_str().unwrap();
        assert_eq!(text.matches("camera=").count(), 1);
        assert!(text.contains("camera=(self)"));
    }

    #[test]
    fn text_that_would_break_the_header_is_refused() {
        let policy = PermissionsPolicy::new();
        assert!(
            policy
                .clone()
                .feature("camera=*, usb", Allowlist::Nobody)
                .is_err()
        );
        let evil = vec![
            "https://a.example\") camera=(*".to_owned(),
            "null".to_owned(),
        ];
        let error = policy.feature("usb", Allowlist::SelfAnd(evil)).unwrap_err();
        assert_eq!(error.problems().iter().count(), 2);
    }
}
