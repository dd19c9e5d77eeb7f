use std::sync::Arc;

use bytes::Bytes;
use http::{Response, header};

use super::{Rejection, RejectionContext, render};
use crate::ResponseBody;
use crate::body::ReplaceBody;
use crate::time::{UnixTime, WallClock};

impl Rejection {
    /// The response, in the form that the caller reads.
    #[must_use]
    pub fn into_response<B>(self, context: &RejectionContext) -> Response<ResponseBody<B>> {
        self.into_bytes(context).map(ResponseBody::full)
    }

    /// The same with its bytes for a body, as filters answer.
    #[must_use]
    pub fn into_bytes(self, context: &RejectionContext) -> Response<Bytes> {
        render::response(&self, context, WallClock::system().now())
    }

    /// The response, as if it were this time.
    #[must_use]
    pub fn into_response_at<B>(
        self,
        context: &RejectionContext,
        now: UnixTime,
    ) -> Response<ResponseBody<B>> {
        render::response(&self, context, now).map(ResponseBody::full)
    }

    /// Gives the response of a handler that returned a rejection its final form, and leaves others as they are.
    #[inline]
    pub(crate) fn finish<B: ReplaceBody>(
        response: &mut Response<B>,
        context: impl FnOnce() -> RejectionContext,
    ) {
        if !response.extensions().is_empty()
            && let Some(Deferred(rejection)) = response.extensions_mut().remove()
        {
            rejection.replace(response, &context());
        }
    }

    #[cold]
    fn replace<B: ReplaceBody>(&self, response: &mut Response<B>, context: &RejectionContext) {
        let rendered = render::response(self, context, WallClock::system().now());
        let (head, body) = rendered.into_parts();
        *response.status_mut() = head.status;
        let headers = response.headers_mut();
        let mut replaced = None;
        for (name, value) in head.headers {
            match (&name, &replaced) {
                (Some(name), _) => {
                    headers.insert(name, value);
                    replaced = Some(name.clone());
                }
                (None, Some(name)) => {
                    headers.append(name, value);
                }
                (None, None) => {}
            }
        }
        if body.is_empty() {
            headers.remove(header::CONTENT_LENGTH);
        }
        response.body_mut().replace(body);
    }
}

/// Travels in the extensions of a handler's response until [`Rejection::finish`] finds it.
#[derive(Debug, Clone)]
pub(super) struct Deferred(pub(super) Arc<Rejection>);
