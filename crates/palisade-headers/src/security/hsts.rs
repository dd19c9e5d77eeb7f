use std::time::Duration;

use http::{Extensions, HeaderMap, HeaderValue, Uri};
use palisade_core::{ClientIp, Problems, peer_addr};

use crate::HeadersError;

/// One year, which the preload list asks for at least.
const YEAR: Duration = Duration::from_secs(31_536_000);

/// `Strict-Transport-Security` (RFC 6797, section 6.1): for how long a browser must not speak plain HTTP to this host.
///
/// # Example
///
/// ```
/// use palisade_headers::security::Hsts;
///
/// assert_eq!(Hsts::default().value(), "max-age=31536000; includeSubDomains");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hsts {
    max_age: Duration,
    subdomains: bool,
    preload: bool,
}

impl Hsts {
    /// For so long, in whole seconds, this host alone. Zero makes browsers forget it (RFC 6797, section 6.1.1).
    #[must_use]
    pub const fn new(max_age: Duration) -> Self {
        Self {
            max_age,
            subdomains: false,
            preload: false,
        }
    }

    /// Every host below this one too.
    #[must_use]
    pub const fn include_subdomains(mut self) -> Self {
        self.subdomains = true;
        self
    }

    /// Asks for a place in the list that browsers carry with them.
    ///
    /// # Errors
    ///
    /// Names what the list would refuse (hstspreload.org, "Submission Requirements"): less than a year, or without
    /// subdomains. Leaving the list again takes months, so a header that half asks for it is a mistake.
    pub fn try_preload(mut self) -> Result<Self, HeadersError> {
        let mut problems = Problems::none();
        if self.max_age < YEAR {
            problems.push(
                "hsts.max_age",
                format!(
                    "is {} seconds, preloading asks for at least 31536000",
                    self.max_age.as_secs()
                ),
            );
        }
        if !self.subdomains {
            problems.push("hsts.include_subdomains", "is off, preloading asks for it");
        }
        self.preload = true;
        problems.into_result(self).map_err(HeadersError::Security)
    }

    /// The value of the header.
    #[must_use]
    pub fn value(&self) -> HeaderValue {
        let rest = match (self.subdomains, self.preload) {
            (true, true) => "; includeSubDomains; preload",
            (true, false) => "; includeSubDomains",
            (false, _) => "",
        };
        let text = format!("max-age={}{rest}", self.max_age.as_secs());
        // Digits and the words above are visible ASCII.
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("max-age=31536000"))
    }
}

impl Default for Hsts {
    /// One year with subdomains: long enough that a yearly visitor stays protected.
    fn default() -> Self {
        Self::new(YEAR).include_subdomains()
    }
}

/// Put this into the extensions of a request that came over TLS, where the server ends TLS itself and speaks HTTP/1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OverTls;

/// On which responses `Strict-Transport-Security` is sent.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum HstsWhen {
    /// On all, the default. Browsers ignore it over plain HTTP (RFC 6797, section 8.1), and a server behind a proxy
    /// cannot get it wrong.
    #[default]
    Always,
    /// Only where the request is known to have come over TLS: its scheme is `https` (HTTP/2), it carries [`OverTls`],
    /// or a proxy that this setting trusts wrote `X-Forwarded-Proto: https`.
    OverTls(ClientIp),
}

impl HstsWhen {
    pub(super) fn holds(&self, uri: &Uri, headers: &HeaderMap, extensions: &Extensions) -> bool {
        match self {
            Self::Always => true,
            Self::OverTls(proxies) => is_over_tls(proxies, uri, headers, extensions),
        }
    }
}

/// Whether a request is known to have come over TLS, to this server or to a proxy that is trusted.
pub(crate) fn is_over_tls(
    proxies: &ClientIp,
    uri: &Uri,
    headers: &HeaderMap,
    extensions: &Extensions,
) -> bool {
    uri.scheme() == Some(&http::uri::Scheme::HTTPS)
        || extensions.get::<OverTls>().is_some()
        || forwarded_over_tls(proxies, headers, extensions)
}

/// The last value is the nearest proxy's; what a client put in front stays without effect.
fn forwarded_over_tls(proxies: &ClientIp, headers: &HeaderMap, extensions: &Extensions) -> bool {
    let Some(last) = headers.get_all("x-forwarded-proto").iter().next_back() else {
        return false;
    };
    let proto = last.as_bytes().rsplit(|byte| *byte == b',').next();
    proto.is_some_and(|proto| proto.trim_ascii().eq_ignore_ascii_case(b"https"))
        && peer_addr(extensions).is_some_and(|peer| proxies.trusts(peer.ip()))
}

#[cfg(test)]
mod tests {
    use http::Request;
    use palisade_core::PeerAddr;

    use super::*;

    #[test]
    fn preloading_reports_everything_that_the_list_would_refuse() {
        let error = Hsts::new(Duration::from_secs(300))
            .try_preload()
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "security headers: hsts.max_age: is 300 seconds, preloading asks for at least 31536000; \
             hsts.include_subdomains: is off, preloading asks for it"
        );
        assert_eq!(
            Hsts::default().try_preload().unwrap().value(),
            "max-age=31536000; includeSubDomains; preload"
        );
    }

    #[test]
    fn zero_makes_browsers_forget() {
        assert_eq!(Hsts::new(Duration::ZERO).value(), "max-age=0");
    }

    #[test]
    fn plain_http_is_known_by_what_the_trusted_proxy_wrote() {
        let when = HstsWhen::OverTls(ClientIp::trusting(["10.0.0.0/8"]).unwrap());
        let holds = |peer: &str, proto: Option<&str>, uri: &str| {
            let mut request = Request::get(uri);
            if let Some(proto) = proto {
                request = request.header("x-forwarded-proto", proto);
            }
            let mut request = request.body(()).unwrap();
            request
                .extensions_mut()
                .insert(PeerAddr(peer.parse().unwrap()));
            when.holds(request.uri(), request.headers(), request.extensions())
        };
        assert!(holds("10.0.0.1:1", Some("https"), "/"));
        assert!(holds("10.0.0.1:1", Some("http, HTTPS"), "/"));
        assert!(holds("198.51.100.9:1", None, "https://example.com/"));
        for (peer, proto, uri) in [
            ("198.51.100.9:1", Some("https"), "/"),
            ("10.0.0.1:1", Some("https, http"), "/"),
            ("10.0.0.1:1", None, "/"),
            ("198.51.100.9:1", None, "http://example.com/"),
        ] {
            assert!(!holds(peer, proto, uri), "{peer} {proto:?} {uri}");
        }
    }

    #[test]
    fn a_server_that_ends_tls_says_so_itself() {
        let when = HstsWhen::OverTls(ClientIp::peer());
        let mut request = Request::new(());
        request.extensions_mut().insert(OverTls);
        assert!(when.holds(request.uri(), request.headers(), request.extensions()));
    }
}
