use http::HeaderValue;
use palisade_core::Problems;

use crate::HeadersError;
use crate::origin::OriginPattern;

/// `Reporting-Endpoints` (W3C Reporting API, section 3.3): where browsers send reports of violations.
///
/// # Example
///
/// ```
/// use palisade_headers::security::ReportingEndpoints;
///
/// let endpoints = ReportingEndpoints::new().endpoint("csp", "https://reports.example/csp")?;
/// assert_eq!(endpoints.value(), r#"csp="https://reports.example/csp""#);
/// # Ok::<(), palisade_headers::HeadersError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReportingEndpoints(String);

impl ReportingEndpoints {
    /// No endpoint yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(String::new())
    }

    /// Adds an endpoint.
    ///
    /// # Errors
    ///
    /// The name must be a key of structured fields (RFC 9651, section 3.1.2), the address `https://` or a path of the
    /// same origin, in visible ASCII without quotes. Browsers ignore reports to plain HTTP.
    pub fn endpoint(mut self, name: &str, url: &str) -> Result<Self, HeadersError> {
        let mut problems = Problems::none();
        let field = format!("reporting endpoint {name:?}");
        if !is_key(name) {
            problems.push(
                &field,
                "is not a key: a-z or '*' first, then a-z, 0-9, '_', '-', '.' and '*'",
            );
        }
        if let Err(reason) = check_address(url) {
            problems.push(&field, reason);
        }
        problems.into_result(()).map_err(HeadersError::Security)?;
        if !self.0.is_empty() {
            self.0.push_str(", ");
        }
        self.0.push_str(name);
        self.0.push_str("=\"");
        self.0.push_str(url);
        self.0.push('"');
        Ok(self)
    }

    /// The value of the header.
    #[must_use]
    pub fn value(&self) -> HeaderValue {
        // Only visible ASCII gets in.
        HeaderValue::from_str(&self.0).unwrap_or(HeaderValue::from_static(""))
    }
}

/// Whether reports can be sent to this address, and it ends no quoted string.
pub(super) fn check_address(url: &str) -> Result<(), &'static str> {
    let plain = |byte: u8| matches!(byte, b'!'..=b'~') && !b"\"\\".contains(&byte);
    if !url.bytes().all(plain) {
        return Err("has an address with spaces, quotes or other than ASCII");
    }
    if url.starts_with('/') && !url.starts_with("//") {
        return Ok(());
    }
    let rest = url
        .strip_prefix("https://")
        .ok_or("needs an address that begins with https:// or /")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match OriginPattern::parse(&format!("https://{authority}")) {
        Ok(OriginPattern::Exact(_)) => Ok(()),
        _ => Err("has an address without a host, or with one that browsers do not read"),
    }
}

/// Whether the text is a key of structured fields.
pub(super) fn is_key(text: &str) -> bool {
    let rest =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.*".contains(&byte);
    text.bytes()
        .next()
        .is_some_and(|first| first.is_ascii_lowercase() || first == b'*')
        && text.bytes().all(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_that_would_break_the_header_are_refused() {
        for (name, url) in [
            ("", "https://r.example"),
            ("CSP", "https://r.example"),
            ("a b", "https://r.example"),
            ("csp", "http://r.example"),
            ("csp", "//r.example"),
            ("csp", "https://"),
            ("csp", "https:///csp"),
            ("csp", "https://?x"),
            ("csp", "https://*.r.example/"),
            ("csp", "https://r.example:+443/"),
            ("csp", "https://user@r.example/"),
            ("csp", "https://r..example/"),
            ("csp", "https://256.0.0.1/"),
            ("csp", "https://r.example/\" evil=\"https://e.example"),
            ("csp", "https://r.example/\\"),
            ("csp", "https://r.example/ü"),
        ] {
            assert!(
                ReportingEndpoints::new().endpoint(name, url).is_err(),
                "{name:?} {url:?}"
            );
        }
    }

    #[test]
    fn several_endpoints_are_one_dictionary() {
        let endpoints = ReportingEndpoints::new()
            .endpoint("default", "/reports")
            .and_then(|endpoints| endpoints.endpoint("csp", "https://r.example/csp"))
            .unwrap();
        assert_eq!(
            endpoints.value(),
            r#"default="/reports", csp="https://r.example/csp""#
        );
    }
}
