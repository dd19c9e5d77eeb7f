use std::convert::Infallible;

use http::Request;
use palisade_core::filter::{Exchange, Filter, Filtered, Step};
use palisade_core::{Code, EventKind, Rejection, SecurityEvent};
use tower_layer::Layer;

use super::CrossOriginGuardLayer;
use super::check::CrossOrigin;

/// The service made by [`CrossOriginGuardLayer`].
pub type CrossOriginGuard<S> = Filtered<S, CrossOriginGuardLayer>;

impl<S> Layer<S> for CrossOriginGuardLayer {
    type Service = CrossOriginGuard<S>;

    fn layer(&self, inner: S) -> CrossOriginGuard<S> {
        Filtered::new(inner, self.clone())
    }
}

impl Filter for CrossOriginGuardLayer {
    type Kept = ();
    type Wait = Infallible;
    type Watch = ();

    #[inline]
    fn on_request<B>(&self, exchange: &mut Exchange, request: &mut Request<B>) -> Step<Self> {
        let Some(rules) = &self.0 else {
            return Step::Pass(());
        };
        match rules.check(request) {
            Ok(()) => Step::Pass(()),
            Err(why) => {
                rules.count(why);
                refuse(exchange, request, why)
            }
        }
    }

    #[inline]
    fn needs_response(&self, (): &()) -> bool {
        false
    }
}

#[cold]
fn refuse<B>(
    exchange: &mut Exchange,
    request: &mut Request<B>,
    why: CrossOrigin,
) -> Step<CrossOriginGuardLayer> {
    exchange
        .enter(request.extensions_mut())
        .record(SecurityEvent::new(EventKind::CrossOriginRequest).reason(why.reason()));
    tracing::info!(target: crate::TARGET, reason = why.reason(), "request from another origin");
    let rejection =
        Rejection::new(Code::Authorization).message("Requests from other origins are not allowed");
    exchange.reject(request, rejection)
}
