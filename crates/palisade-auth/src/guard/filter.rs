use std::convert::Infallible;

use http::Request;
use palisade_core::filter::{Exchange, Filter, Filtered, Step};
use tower_layer::Layer;

use super::Guard;
use crate::challenge::refuse;

/// The service made by [`Guard`].
pub type Guarded<S> = Filtered<S, Guard>;

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Filtered::new(inner, self.clone())
    }
}

impl Filter for Guard {
    type Kept = ();
    type Wait = Infallible;
    type Watch = ();

    #[inline]
    fn on_request<B>(&self, exchange: &mut Exchange, request: &mut Request<B>) -> Step<Self> {
        let Some(config) = &self.0 else {
            return Step::Pass(());
        };
        let scope = exchange.find_scope(request.extensions());
        let Err((refusal, principal)) = config.decide(scope, request) else {
            return Step::Pass(());
        };
        let rejection = config.rejection(request, refusal);
        let subject = principal.as_ref().map(|principal| principal.subject());
        refuse(exchange, request, refusal, subject, &config.counters);
        exchange.reject(request, rejection)
    }

    #[inline]
    fn needs_response(&self, (): &()) -> bool {
        false
    }
}
