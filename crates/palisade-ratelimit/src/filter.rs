//! Limits of HTTP requests: which policy and key, what is refused, and the header fields.

pub(crate) mod admission;
pub(crate) mod admit;
pub(crate) mod decide;
#[cfg(feature = "wait")]
pub(crate) mod delay;
#[cfg(any(feature = "governor", feature = "redis"))]
pub(crate) mod engine;
pub(crate) mod headers;
pub(crate) mod refusal;
pub(crate) mod response_fields;
#[cfg(feature = "wait")]
pub(crate) mod turn;
pub(crate) mod view;

use std::fmt;
use std::task::{Context, Poll};

use http::{Request, Response};
use palisade_core::filter::{Exchange, Filter, Filtered, Park, ReplaceBody, Step, Wait};
use tower_layer::Layer;

use crate::filter::admission::Admission;
use crate::filter::refusal::refuse;
use crate::filter::response_fields::ResponseFields;
use crate::filter::view::RequestView;
use crate::layer::RateLimitLayer;
use crate::limits::Limits;

/// The service made by [`RateLimitLayer`].
pub type RateLimit<S> = Filtered<S, RateLimitLayer>;

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimit<S>;

    fn layer(&self, inner: S) -> RateLimit<S> {
        Filtered::new(inner, self.clone())
    }
}

impl Filter for RateLimitLayer {
    /// The charge that the response tells of.
    type Kept = ResponseFields;
    type Wait = Waiting;
    type Watch = ();

    fn response_fields(&self) -> usize {
        self.0.as_ref().map_or(0, |limits| limits.headers.count())
    }

    #[inline]
    fn on_request<B>(&self, exchange: &mut Exchange, request: &mut Request<B>) -> Step<Self> {
        let Some(limits) = &self.0 else {
            return Step::Pass(ResponseFields::default());
        };
        let now = exchange.now();
        let admission = {
            let scope = exchange.find_scope(request.extensions());
            let view = RequestView::new(request, scope, &limits.client_ip);
            Limits::admit(limits, &view, now)
        };
        carry_out(admission, limits, exchange, request)
    }

    #[inline]
    fn needs_response(&self, fields: &ResponseFields) -> bool {
        fields.needs_response()
    }

    #[inline]
    fn on_response<B: ReplaceBody>(
        &self,
        _: &mut Exchange,
        fields: ResponseFields,
        response: &mut Response<B>,
    ) {
        if let Some(limits) = &self.0 {
            fields.settle(limits, response);
        }
    }
}

/// Carries out an admission.
#[inline]
fn carry_out<B>(
    admission: Admission,
    limits: &Limits,
    exchange: &mut Exchange,
    request: &mut Request<B>,
) -> Step<RateLimitLayer> {
    match admission {
        Admission::Pass => Step::Pass(ResponseFields::default()),
        Admission::Counted(fields) => Step::Pass(fields),
        Admission::Refused(refusal) if refusal.shadow => {
            request.extensions_mut().insert(refusal.decision);
            Step::Pass(ResponseFields::default())
        }
        Admission::Refused(refusal) => Step::answer(refuse(exchange, request, &refusal, limits)),
        #[cfg(feature = "wait")]
        Admission::Delay(delay) => Step::Wait(Waiting(Pending::Turn(delay))),
        #[cfg(feature = "redis")]
        Admission::Query(query) => Step::Wait(Waiting(Pending::Answer(query))),
    }
}

/// A request's wait for the answer of Redis, or for its turn.
#[cfg(any(feature = "redis", feature = "wait"))]
pub struct Waiting(Pending);

#[cfg(any(feature = "redis", feature = "wait"))]
enum Pending {
    #[cfg(feature = "redis")]
    Answer(Box<crate::query::PendingQuery>),
    #[cfg(feature = "wait")]
    Turn(Box<crate::filter::delay::Delay>),
}

/// Without a store over the network and without queues there is nothing to wait for.
#[cfg(not(any(feature = "redis", feature = "wait")))]
pub enum Waiting {}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waiting")
    }
}

impl<S: Clone> Park<S> for Waiting {
    fn park(&self, service: &mut S) -> S {
        let clone = service.clone();
        std::mem::replace(service, clone)
    }
}

#[cfg(any(feature = "redis", feature = "wait"))]
impl Wait<RateLimitLayer> for Waiting {
    fn poll_wait(&mut self, _: &RateLimitLayer, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            #[cfg(feature = "redis")]
            Pending::Answer(query) => query.poll(cx),
            #[cfg(feature = "wait")]
            Pending::Turn(delay) => delay.poll(cx),
        }
    }

    fn resume<B>(
        self,
        layer: &RateLimitLayer,
        exchange: &mut Exchange,
        request: &mut Request<B>,
    ) -> Step<RateLimitLayer> {
        match self.0 {
            #[cfg(feature = "redis")]
            Pending::Answer(query) => {
                let Some(limits) = &layer.0 else {
                    return Step::Pass(ResponseFields::default());
                };
                let now = exchange.now();
                let admission = {
                    let scope = exchange.find_scope(request.extensions());
                    let view = RequestView::new(request, scope, &limits.client_ip);
                    Limits::conclude_query(*query, &view, now)
                };
                carry_out(admission, limits, exchange, request)
            }
            #[cfg(feature = "wait")]
            Pending::Turn(delay) => {
                let _ = (layer, exchange, request);
                Step::Pass(delay.into_fields())
            }
        }
    }
}

#[cfg(not(any(feature = "redis", feature = "wait")))]
impl Wait<RateLimitLayer> for Waiting {
    fn poll_wait(&mut self, _: &RateLimitLayer, _: &mut Context<'_>) -> Poll<()> {
        match *self {}
    }

    fn resume<B>(
        self,
        _: &RateLimitLayer,
        _: &mut Exchange,
        _: &mut Request<B>,
    ) -> Step<RateLimitLayer> {
        match self {}
    }
}
