use std::borrow::Cow;
use std::fmt;

use http::{HeaderName, Request};

/// Says which breaker a request belongs to; [`key_fn`] makes one of a closure.
pub trait ExtractKey<Req> {
    /// The key; `None` leaves the request unguarded.
    fn extract<'a>(&self, request: &'a Req) -> Option<Cow<'a, str>>;
}

/// One breaker for each authority of the request's URI, or else of its `Host` header: the host in lower case and the port.
///
/// Port 443 is left out, and the usual port of the scheme (443 for `https` and `wss`, 80 for `http` and `ws`) is taken
/// where none is written: `https://h` and `https://h:443` are `h`, `http://h` and `http://h:80` are `h:80`. A `Host`
/// without a port is taken as it is, because nothing says which scheme it was meant for. A key that does not stand in the
/// request as it is, such as `h:80` for `http://h`, costs an allocation.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct ByAuthority;

impl ByAuthority {
    /// A key by authority.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl<B> ExtractKey<Request<B>> for ByAuthority {
    fn extract<'a>(&self, request: &'a Request<B>) -> Option<Cow<'a, str>> {
        let authority = match request.uri().authority() {
            Some(authority) => authority.as_str(),
            None => request.headers().get(http::header::HOST)?.to_str().ok()?,
        };
        let usual = match request.uri().scheme_str() {
            Some("http" | "ws") => Some(80),
            _ => None,
        };
        Some(server(authority, usual))
    }
}

/// The server that is meant, with the port that is meant where none is written.
fn server(authority: &str, usual: Option<u16>) -> Cow<'_, str> {
    // Who a call is made as, and how a name is spelled, makes no other server.
    let whole = authority
        .rsplit_once('@')
        .map_or(authority, |(_, whole)| whole);
    let is_digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let (host, port) = match whole.rsplit_once(':') {
        Some((host, port)) if is_digits(port) => (host, Some(port)),
        // What has another end is an address of IPv6, or has no port.
        _ => (whole, None),
    };
    let number = match port {
        None | Some("") => usual,
        // What is no port is none that is usual, and stays as it is written.
        Some(port) => match port.parse::<u16>() {
            Ok(number) => Some(number),
            Err(_) => return lower(whole),
        },
    };
    match number {
        None | Some(443) => lower(host),
        Some(_) if port.is_some_and(|port| !port.is_empty() && !port.starts_with('0')) => {
            lower(whole)
        }
        Some(number) => Cow::Owned(format!("{}:{number}", lower(host))),
    }
}

fn lower(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(feature = "reqwest")]
impl ExtractKey<reqwest::Request> for ByAuthority {
    fn extract<'a>(&self, request: &'a reqwest::Request) -> Option<Cow<'a, str>> {
        // Lower case already.
        let host = request.url().host_str()?;
        Some(match request.url().port_or_known_default() {
            None | Some(443) => Cow::Borrowed(host),
            Some(port) => Cow::Owned(format!("{host}:{port}")),
        })
    }
}

/// One breaker for each value of a header.
#[derive(Debug, Clone)]
pub struct ByHeader(pub HeaderName);

impl<B> ExtractKey<Request<B>> for ByHeader {
    fn extract<'a>(&self, request: &'a Request<B>) -> Option<Cow<'a, str>> {
        let value = request.headers().get(&self.0)?;
        value.to_str().ok().map(Cow::Borrowed)
    }
}

#[cfg(feature = "reqwest")]
impl ExtractKey<reqwest::Request> for ByHeader {
    fn extract<'a>(&self, request: &'a reqwest::Request) -> Option<Cow<'a, str>> {
        let value = request.headers().get(&self.0)?;
        value.to_str().ok().map(Cow::Borrowed)
    }
}

/// The key of a closure, made by [`key_fn`].
#[derive(Clone, Copy)]
pub struct KeyFn<F>(F);

/// Makes a key of a closure over the request.
pub const fn key_fn<F, Req>(extract: F) -> KeyFn<F>
where
    F: Fn(&Req) -> Option<String>,
{
    KeyFn(extract)
}

impl<F, Req> ExtractKey<Req> for KeyFn<F>
where
    F: Fn(&Req) -> Option<String>,
{
    fn extract<'a>(&self, request: &'a Req) -> Option<Cow<'a, str>> {
        (self.0)(request).map(Cow::Owned)
    }
}

impl<F> fmt::Debug for KeyFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyFn")
    }
}
