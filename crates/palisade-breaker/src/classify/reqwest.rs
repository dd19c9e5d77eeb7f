use http::response::Builder;
use reqwest::{Body, Response, ResponseBuilderExt};

use super::http::verdict_of_error;
use super::{Classify, HttpHealth};
use crate::permit::BodyPermit;
use crate::{GuardedBody, Outcome, Permit};

/// reqwest's own response, with its body guarded.
impl<Req, Err: 'static> Classify<Req, Response, Err> for HttpHealth {
    type RequestInfo = ();
    type Output = Response;

    fn inspect(&self, _: &Req) {}

    fn settle(
        &self,
        (): (),
        result: Result<Response, Err>,
        mut permit: Permit,
    ) -> Result<Response, Err> {
        let response = match result {
            Ok(response) => response,
            Err(error) => {
                permit.end(verdict_of_error(&error));
                return Err(error);
            }
        };
        let outcome = self.outcome(response.status());
        if outcome != Outcome::Success {
            permit.settle(outcome, super::http::retry_after(response.headers()));
            return Ok(response);
        }
        Ok(match permit.success_so_far() {
            Some(body_permit) => guarded(response, body_permit),
            None => response,
        })
    }
}

/// The same response, with its body watched to its end.
fn guarded(response: Response, body_permit: BodyPermit) -> Response {
    // Made of an `http::Response` it would forget its URL, but for an extension that only reqwest's builder can make.
    let mut url = Builder::new().url(response.url().clone());
    let mut response = http::Response::<Body>::from(response);
    if let Some(url) = url.extensions_mut() {
        response.extensions_mut().extend(std::mem::take(url));
    }
    response
        .map(|body| Body::wrap(GuardedBody::until_error(body, Some(body_permit))))
        .into()
}
