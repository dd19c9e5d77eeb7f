use std::fmt;

use http::{HeaderMap, Response};
use tower_http::classify::{ClassifiedResponse, ClassifyEos, ClassifyResponse};

use super::Classify;
use crate::{GuardedBody, Permit};

/// Judges by a classifier of tower-http, such as `ServerErrorsAsFailures` or `GrpcErrorsAsFailures`: what it calls a
/// failure is one, and what it does not is a success. Where it asks for the end of the stream the permit waits for
/// that; a stream that the caller drops before is cancelled.
///
/// # Example
///
/// ```
/// use palisade_breaker::{BreakerLayer, TowerHttp};
/// use tower_http::classify::ServerErrorsAsFailures;
///
/// let layer = BreakerLayer::new("search").classify(TowerHttp(ServerErrorsAsFailures::new()));
/// # let _ = layer;
/// ```
#[derive(Debug, Clone, Copy)]
pub struct TowerHttp<T>(pub T);

impl<T, Req, B, Err> Classify<Req, Response<B>, Err> for TowerHttp<T>
where
    T: ClassifyResponse + Clone,
    T::ClassifyEos: Send + Sync + 'static,
    Err: fmt::Display + 'static,
{
    type Seen = ();
    type Output = Response<GuardedBody<B>>;

    fn see(&self, _: &Req) {}

    fn settle(
        &self,
        (): (),
        result: Result<Response<B>, Err>,
        permit: Permit,
    ) -> Result<Self::Output, Err> {
        let response = match result {
            Ok(response) => response,
            Err(error) => {
                // Whatever class it has, an error is a failure.
                permit.failure();
                return Err(error);
            }
        };
        match self.0.clone().classify_response(&response) {
            ClassifiedResponse::Ready(judged) => settle(permit, judged.is_ok()),
            ClassifiedResponse::RequiresEos(eos) => {
                let watch = EosWatch {
                    permit,
                    judge: Box::new(move |trailers| eos.classify_eos(trailers).is_ok()),
                };
                return Ok(response.map(|body| GuardedBody::until_end(body, watch)));
            }
        }
        Ok(response.map(GuardedBody::free))
    }
}

fn settle(permit: Permit, well: bool) {
    if well {
        permit.success();
    } else {
        permit.failure();
    }
}

/// A call whose stream has not ended yet.
pub(crate) struct EosWatch {
    permit: Permit,
    judge: Box<JudgeEnd>,
}

type JudgeEnd = dyn FnOnce(Option<&HeaderMap>) -> bool + Send + Sync;

impl EosWatch {
    pub(crate) fn ended(self, trailers: Option<&HeaderMap>) {
        settle(self.permit, (self.judge)(trailers));
    }

    pub(crate) fn broke_off(self) {
        self.permit.failure();
    }
}
