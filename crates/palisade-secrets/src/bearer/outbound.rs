//! The requests that can be signed: those of `http`, and those of reqwest.

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use palisade_core::{
    Code, EventKind, Rejection, RejectionContext, RequestScope, ResponseBody, SecurityEvent,
};

/// A request that can be signed, for a service that answers with `Res`.
///
/// It is implemented for requests of `http`, and for those of reqwest with feature `reqwest`.
pub trait Outbound<Res>: Sized {
    /// The response that the caller gets.
    type Output;

    /// The fields of the request.
    fn headers_mut(&mut self) -> &mut HeaderMap;

    /// The answer to a request that is not sent for want of a token: 503.
    fn refuse(self) -> Self::Output;

    /// The status of a response.
    fn status(response: &Res) -> StatusCode;

    /// The response as the caller gets it.
    fn output(response: Res) -> Self::Output;
}

impl<Rq, B> Outbound<Response<B>> for Request<Rq>
where
    B: Body<Data = Bytes>,
{
    type Output = Response<ResponseBody<B>>;

    #[inline]
    fn headers_mut(&mut self) -> &mut HeaderMap {
        Request::headers_mut(self)
    }

    fn refuse(mut self) -> Self::Output {
        RequestScope::enter(self.extensions_mut())
            .record(SecurityEvent::new(EventKind::StoreUnavailable).reason("no_token"));
        Rejection::new(Code::Unavailable).into_response(&RejectionContext::of(&self))
    }

    #[inline]
    fn status(response: &Response<B>) -> StatusCode {
        response.status()
    }

    #[inline]
    fn output(response: Response<B>) -> Self::Output {
        response.map(ResponseBody::inner)
    }
}

#[cfg(feature = "reqwest")]
impl Outbound<reqwest::Response> for reqwest::Request {
    type Output = reqwest::Response;

    fn headers_mut(&mut self) -> &mut HeaderMap {
        reqwest::Request::headers_mut(self)
    }

    /// A request of reqwest shows no extensions, and so has no scope that an event could be recorded in.
    fn refuse(mut self) -> reqwest::Response {
        use reqwest::ResponseBuilderExt;

        let mut request = Request::new(());
        *request.method_mut() = self.method().clone();
        *request.headers_mut() = std::mem::take(reqwest::Request::headers_mut(&mut self));
        let context = RejectionContext::of(&request);
        let mut response = Rejection::new(Code::Unavailable).into_bytes(&context);
        // Without it the response would not know its URL.
        let mut url = http::response::Builder::new().url(self.url().clone());
        if let Some(url) = url.extensions_mut() {
            response.extensions_mut().extend(std::mem::take(url));
        }
        response.into()
    }

    fn status(response: &reqwest::Response) -> StatusCode {
        response.status()
    }

    fn output(response: reqwest::Response) -> reqwest::Response {
        response
    }
}
