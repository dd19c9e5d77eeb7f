//! The number of times that a request is sent.

use std::fmt;

use http::Request;

/// Copies a request, so that it can be sent a second time after a 401.
pub trait Repeat<Req> {
    /// A copy of the request; `None` when it is sent once.
    fn copy(&self, request: &Req) -> Option<Req>;
}

/// Sends every request once: the default.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Once;

impl<Req> Repeat<Req> for Once {
    #[inline]
    fn copy(&self, _: &Req) -> Option<Req> {
        None
    }
}

/// Copies the body of a request by a function; see
/// [`BearerLayer::repeat_unauthorized`](super::BearerLayer::repeat_unauthorized).
#[derive(Clone, Copy)]
pub struct Replay<F>(F);

impl<F> Replay<F> {
    pub(super) const fn new(copy: F) -> Self {
        Self(copy)
    }
}

impl<F> fmt::Debug for Replay<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Replay")
    }
}

impl<F, Rq> Repeat<Request<Rq>> for Replay<F>
where
    F: Fn(&Rq) -> Option<Rq>,
{
    fn copy(&self, request: &Request<Rq>) -> Option<Request<Rq>> {
        let mut copy = Request::new((self.0)(request.body())?);
        *copy.method_mut() = request.method().clone();
        *copy.uri_mut() = request.uri().clone();
        *copy.version_mut() = request.version();
        *copy.headers_mut() = request.headers().clone();
        *copy.extensions_mut() = request.extensions().clone();
        Some(copy)
    }
}

/// Copies a request of reqwest, unless its body is a stream; see
/// [`BearerLayer::repeat_unauthorized_reqwest`](super::BearerLayer::repeat_unauthorized_reqwest).
#[cfg(feature = "reqwest")]
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ReplayReqwest;

#[cfg(feature = "reqwest")]
impl Repeat<reqwest::Request> for ReplayReqwest {
    fn copy(&self, request: &reqwest::Request) -> Option<reqwest::Request> {
        request.try_clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_everything_of_the_request() {
        let replay = Replay::new(|body: &u8| Some(*body));
        let mut request = Request::put("/a?b=1").header("x", "y").body(7_u8).unwrap();
        *request.version_mut() = http::Version::HTTP_2;
        request.extensions_mut().insert(9_u16);
        let copy = replay.copy(&request).unwrap();
        assert_eq!(copy.method(), http::Method::PUT);
        assert_eq!(copy.uri(), "/a?b=1");
        assert_eq!(copy.version(), http::Version::HTTP_2);
        assert_eq!(copy.headers()["x"], "y");
        assert_eq!(copy.extensions().get::<u16>(), Some(&9));
        assert_eq!(*copy.body(), 7);
        assert!(Replay::new(|_: &u8| None).copy(&request).is_none());
        assert_eq!(format!("{replay:?}"), "Replay");
    }
}
