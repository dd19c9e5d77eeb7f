use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::Request;
use palisade_core::Principal;
use palisade_core::filter::{Exchange, Filter, Filtered, Park, Step, Wait};
use tower_layer::Layer;

use crate::Refusal;
use crate::challenge::refuse;
use crate::credential::says_dpop;
use crate::decide::{Config, Decision};
use crate::layer::AuthLayer;
use crate::outcome::Later;

/// The service made by [`AuthLayer`].
pub type AuthService<S> = Filtered<S, AuthLayer>;

impl<S> Layer<S> for AuthLayer {
    type Service = AuthService<S>;

    fn layer(&self, inner: S) -> AuthService<S> {
        Filtered::new(inner, self.clone())
    }
}

impl Filter for AuthLayer {
    type Kept = ();
    type Wait = Lookup;
    type Watch = ();

    #[inline]
    fn on_request<B>(&self, exchange: &mut Exchange, request: &mut Request<B>) -> Step<Self> {
        let Some(config) = &self.0 else {
            return Step::Pass(());
        };
        let decision = config.decide(exchange, request);
        carry_out(config, decision, exchange, request)
    }

    #[inline]
    fn needs_response(&self, (): &()) -> bool {
        false
    }
}

#[inline]
fn carry_out<B>(
    config: &Config,
    decision: Decision,
    exchange: &mut Exchange,
    request: &mut Request<B>,
) -> Step<AuthLayer> {
    match decision {
        Decision::Now(result) => admit(config, result, exchange, request),
        Decision::Anonymous => {
            let anonymous = config.challenges.anonymous();
            request.extensions_mut().insert(anonymous);
            Step::Pass(())
        }
        Decision::Later(lookup) => Step::Wait(Lookup::new(lookup, None)),
        Decision::Session(lookup, origin) => Step::Wait(Lookup::new(lookup, Some(origin))),
    }
}

/// Lets the principal in, or says no.
#[inline]
fn admit<B>(
    config: &Config,
    result: Result<Arc<Principal>, Refusal>,
    exchange: &mut Exchange,
    request: &mut Request<B>,
) -> Step<AuthLayer> {
    match result {
        Ok(principal) => {
            exchange
                .enter(request.extensions_mut())
                .push_principal(principal);
            let offered = config.challenges.offered(|| says_dpop(request.headers()));
            if let Some(offered) = offered {
                request.extensions_mut().insert(offered);
            }
            if config.stripped {
                config.strip(request.headers_mut());
            }
            Step::Pass(())
        }
        Err(refusal) => {
            refuse(exchange, request, refusal, None, &config.counters);
            exchange.reject(request, config.rejection(refusal, request.headers()))
        }
    }
}

/// A credential that a store is asked about.
pub struct Lookup {
    lookup: Later,
    found: Option<Result<Arc<Principal>, Refusal>>,
    /// For a session alone: whether the origin of the request lets its cookie count.
    origin: Option<Result<(), Refusal>>,
}

impl Lookup {
    const fn new(lookup: Later, origin: Option<Result<(), Refusal>>) -> Self {
        Self {
            lookup,
            found: None,
            origin,
        }
    }
}

impl<S: Clone> Park<S> for Lookup {
    fn park(&self, service: &mut S) -> S {
        let clone = service.clone();
        std::mem::replace(service, clone)
    }
}

impl Wait<AuthLayer> for Lookup {
    fn poll_wait(&mut self, _: &AuthLayer, cx: &mut Context<'_>) -> Poll<()> {
        self.found = Some(ready!(self.lookup.as_mut().poll(cx)));
        Poll::Ready(())
    }

    fn resume<B>(
        self,
        layer: &AuthLayer,
        exchange: &mut Exchange,
        request: &mut Request<B>,
    ) -> Step<AuthLayer> {
        let Some(config) = &layer.0 else {
            return Step::Pass(());
        };
        let found = self.found.unwrap_or(Err(Refusal::StoreUnavailable));
        let decision = match self.origin {
            None => Decision::Now(config.admit(found)),
            Some(origin) => config.decide_after_session(request, exchange, origin, found),
        };
        carry_out(config, decision, exchange, request)
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lookup")
    }
}
