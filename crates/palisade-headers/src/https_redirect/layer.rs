use std::net::IpAddr;
use std::num::NonZeroU16;

use http::uri::Authority;
use http::{Method, Request, StatusCode, header};
use palisade_core::{ClientIp, Handle, PathSet, Problems, peer_addr, sent_path};

use crate::HeadersError;
use crate::security::is_over_tls;

/// Sends clients that come over plain HTTP to HTTPS; see [the rules](crate::https_redirect).
///
/// # Example
///
/// ```
/// use palisade_headers::HttpsRedirectLayer;
/// use tower::{Layer, ServiceExt};
///
/// # tokio_test::block_on(async {
/// let service = HttpsRedirectLayer::new().layer(tower::service_fn(|_: http::Request<()>| async {
///     Ok::<_, std::convert::Infallible>(http::Response::new(http_body_util::Empty::<bytes::Bytes>::new()))
/// }));
/// let request = http::Request::get("/a?b=c").header("host", "shop.example:80").body(())?;
/// let response = service.oneshot(request).await?;
/// assert_eq!(response.status(), 301);
/// assert_eq!(response.headers()["location"], "https://shop.example/a?b=c");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct HttpsRedirectLayer(pub(super) Option<Handle<Rules>>);

#[derive(Debug, Clone)]
pub(super) struct Rules {
    proxies: ClientIp,
    port: Option<u16>,
    hosts: Vec<String>,
    exempt: PathSet,
    temporary: bool,
}

/// The decision about a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Pass,
    Redirect(StatusCode, String),
    /// It names no host that it could be sent to.
    NoHost,
}

/// Below it lie the tokens by which a certificate authority checks a host (RFC 8555, section 8.3).
const ACME: &str = "/.well-known/acme-challenge/";

impl HttpsRedirectLayer {
    /// A layer that trusts no proxy and sends every host to port 443.
    pub fn new() -> Self {
        Self(Some(Handle::new(Rules {
            proxies: ClientIp::peer(),
            port: None,
            hosts: Vec::new(),
            exempt: PathSet::operational(),
            temporary: false,
        })))
    }

    /// Switched off: every request passes.
    pub const fn off() -> Self {
        Self(None)
    }

    /// Whether the layer is switched off.
    #[must_use]
    pub const fn is_off(&self) -> bool {
        self.0.is_none()
    }

    fn change(self, change: impl FnOnce(&mut Rules)) -> Self {
        Self(self.0.map(|rules| {
            let mut rules = (*rules).clone();
            change(&mut rules);
            Handle::new(rules)
        }))
    }

    /// Believes the `X-Forwarded-Proto` of peers that are proxies by this setting; default nobody's. Of several values
    /// the last counts, which the nearest proxy wrote.
    pub fn trust_proxies(self, proxies: ClientIp) -> Self {
        self.change(|rules| rules.proxies = proxies)
    }

    /// Sets the port of HTTPS; default 443, which addresses leave out.
    pub fn port(self, port: NonZeroU16) -> Self {
        self.change(|rules| rules.port = Some(port.get()).filter(|port| *port != 443))
    }

    /// Sends these hosts alone to HTTPS, and refuses requests for others with 400; default every host that a client
    /// names. Without it a cache between could be made to keep a redirect to a host of an attacker's choice.
    ///
    /// # Errors
    ///
    /// Names every text that is no host; a host has no scheme, no port and no wildcard.
    pub fn hosts<T: AsRef<str>>(
        self,
        hosts: impl IntoIterator<Item = T>,
    ) -> Result<Self, HeadersError> {
        let mut problems = Problems::none();
        let mut names = Vec::new();
        for host in hosts {
            let host = host.as_ref().to_ascii_lowercase();
            match host.parse::<Authority>() {
                Ok(authority) if authority.host() == host && !host.contains('*') => {
                    names.push(host);
                }
                _ => problems.push(format!("hosts {host:?}"), "is not a host"),
            }
        }
        if names.is_empty() && problems.iter().next().is_none() {
            problems.push("hosts", "are none, so that every request would be refused");
        }
        problems
            .into_result(())
            .map_err(HeadersError::HttpsRedirect)?;
        Ok(self.change(|rules| rules.hosts = names))
    }

    /// Sets the paths that pass over plain HTTP, beside that of ACME; default `/healthz`, `/readyz` and `/metrics`.
    pub fn exempt(self, paths: PathSet) -> Self {
        self.change(|rules| rules.exempt = paths)
    }

    /// Answers 307 in place of 301 and 308, which browsers remember for good; for a roll-out.
    pub fn temporary(self) -> Self {
        self.change(|rules| rules.temporary = true)
    }

    /// Keeps the rules for the rest of the process; see [`Handle::leak`].
    pub fn leak(self) -> Self {
        Self(self.0.map(Handle::leak))
    }
}

impl Default for HttpsRedirectLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl Rules {
    #[inline]
    pub(super) fn decide<B>(&self, request: &Request<B>) -> Decision {
        let (uri, extensions) = (request.uri(), request.extensions());
        if is_over_tls(&self.proxies, uri, request.headers(), extensions) {
            return Decision::Pass;
        }
        let path = sent_path(extensions, uri);
        if self.exempt.contains(path) || is_challenge(path) {
            return Decision::Pass;
        }
        self.redirect(request, path)
    }

    #[cold]
    fn redirect<B>(&self, request: &Request<B>, path: &str) -> Decision {
        let Some(authority) = authority(request) else {
            return Decision::NoHost;
        };
        let host = authority.host().to_ascii_lowercase();
        let peer = peer_addr(request.extensions());
        if is_local(&host) && peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback()) {
            return Decision::Pass;
        }
        if !self.hosts.is_empty() && !self.hosts.contains(&host) {
            return Decision::NoHost;
        }
        let port = self.port.map_or(String::new(), |port| format!(":{port}"));
        // `*` of `OPTIONS *`, and the target of a `CONNECT`, are no paths.
        let path = if path.starts_with('/') { path } else { "/" };
        let query = request.uri().query();
        let query = query.map_or(String::new(), |query| format!("?{query}"));
        let status = match *request.method() {
            _ if self.temporary => StatusCode::TEMPORARY_REDIRECT,
            Method::GET | Method::HEAD => StatusCode::MOVED_PERMANENTLY,
            _ => StatusCode::PERMANENT_REDIRECT,
        };
        Decision::Redirect(status, format!("https://{host}{port}{path}{query}"))
    }
}

/// Whether it is the path of one ACME token, of letters, digits, `-` and `_` (RFC 8555, section 8.3).
fn is_challenge(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    path.strip_prefix(ACME)
        .is_some_and(|token| !token.is_empty() && token.bytes().all(plain))
}

/// The host that was asked for, if it is one alone and without a user name.
fn authority<B>(request: &Request<B>) -> Option<Authority> {
    let authority = match request.uri().authority() {
        Some(authority) => authority.clone(),
        None => {
            let mut hosts = request.headers().get_all(header::HOST).iter();
            match (hosts.next(), hosts.next()) {
                (Some(host), None) => host.as_bytes().try_into().ok()?,
                _ => return None,
            }
        }
    };
    let is_plain = !authority.as_str().contains('@') && !authority.host().is_empty();
    is_plain.then_some(authority)
}

/// Whether the host is this machine.
fn is_local(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.ends_with(".localhost")
        || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
