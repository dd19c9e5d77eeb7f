use std::borrow::Cow;
use std::fmt;

use http::{HeaderName, Request};

/// Says which breaker a request belongs to; [`key_fn`] makes one of a closure.
pub trait ExtractKey<Req> {
    /// The key; `None` leaves the request unguarded.
    fn extract<'a>(&self, request: &'a Req) -> Option<Cow<'a, str>>;
}

/// One breaker for each authority (host and port) of the request's URI, or else of its `Host` header.
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
        // Who a call is made as, and how a name is spelled, makes no other server.
        let host = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        Some(if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(host.to_ascii_lowercase())
        } else {
            Cow::Borrowed(host)
        })
    }
}

#[cfg(feature = "reqwest")]
impl ExtractKey<reqwest::Request> for ByAuthority {
    fn extract<'a>(&self, request: &'a reqwest::Request) -> Option<Cow<'a, str>> {
        // Lower case already, and without a port where that is the usual one.
        let host = request.url().host_str()?;
        Some(match request.url().port() {
            Some(port) => Cow::Owned(format!("{host}:{port}")),
            None => Cow::Borrowed(host),
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
