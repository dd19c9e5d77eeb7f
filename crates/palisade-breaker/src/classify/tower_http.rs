use std::fmt;

use http::{HeaderMap, Response};
use tower_http::classify::{ClassifiedResponse, ClassifyEos, ClassifyResponse};

use super::{Classify, Streaming};
use crate::state::grant::Verdict;
use crate::{GuardedBody, Permit};

/// Judges by a classifier of tower-http, such as `ServerErrorsAsFailures` or `GrpcErrorsAsFailures`: what it calls a
/// failure is one, and what it does not is a success. Where it asks for the end of the stream the permit waits for
/// that, with messages, trials and dropped streams as for [`GrpcHealth`](crate::GrpcHealth).
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
    type RequestInfo = ();
    type Output = Response<GuardedBody<B>>;

    fn inspect(&self, _: &Req) {}

    fn settle(
        &self,
        (): (),
        result: Result<Response<B>, Err>,
        mut permit: Permit,
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
            ClassifiedResponse::Ready(judged) => permit.end(verdict(judged.is_ok())),
            ClassifiedResponse::RequiresEos(eos) => {
                let watch = EosWatch {
                    call: Streaming::new(permit),
                    judge: Box::new(move |trailers| eos.classify_eos(trailers).is_ok()),
                };
                return Ok(response.map(|body| GuardedBody::until_end(body, watch)));
            }
        }
        Ok(response.map(GuardedBody::free))
    }
}

const fn verdict(well: bool) -> Verdict {
    if well {
        Verdict::Success
    } else {
        Verdict::Failure(None)
    }
}

/// A call whose stream has not ended yet.
pub(crate) struct EosWatch {
    call: Streaming,
    judge: Box<JudgeEnd>,
}

type JudgeEnd = dyn FnOnce(Option<&HeaderMap>) -> bool + Send + Sync;

impl EosWatch {
    pub(crate) fn message(&mut self) {
        self.call.message();
    }

    pub(crate) fn ended(mut self, trailers: Option<&HeaderMap>) {
        self.call.end(verdict((self.judge)(trailers)));
    }

    pub(crate) fn broke_off(mut self) {
        self.call.end(Verdict::Failure(None));
    }
}
