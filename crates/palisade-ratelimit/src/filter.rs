//! Limits of HTTP requests: which policy and key, what is refused, and the header fields.

pub(crate) mod admit;
pub(crate) mod decide;
#[cfg(feature = "wait")]
pub(crate) mod delay;
pub(crate) mod headers;
pub(crate) mod refusal;
pub(crate) mod ticket;
#[cfg(feature = "wait")]
pub(crate) mod turn;
pub(crate) mod verdict;
pub(crate) mod view;

use std::fmt;
use std::task::{Context, Poll};

use http::{Request, Response};
use palisade_core::filter::{Exchange, Filter, Filtered, Park, ReplaceBody, Step, Wait};
use tower_layer::Layer;

use crate::filter::refusal::refuse;
use crate::filter::ticket::Ticket;
use crate::filter::verdict::Verdict;
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
    type Kept = Ticket;
    type Wait = Query;
    type Watch = ();

    fn response_fields(&self) -> usize {
        self.0.as_ref().map_or(0, |limits| limits.headers.count())
    }

    #[inline]
    fn on_request<B>(&self, exchange: &mut Exchange, request: &mut Request<B>) -> Step<Self> {
        let Some(limits) = &self.0 else {
            return Step::Pass(Ticket::default());
        };
        let now = exchange.now();
        let verdict = {
            let scope = exchange.find_scope(request.extensions());
            let view = RequestView::new(request, scope, &limits.client_ip);
            Limits::admit(limits, &view, now)
        };
        carry_out(verdict, limits, exchange, request)
    }

    #[inline]
    fn needs_response(&self, ticket: &Ticket) -> bool {
        ticket.needs_response()
    }

    #[inline]
    fn on_response<B: ReplaceBody>(
        &self,
        _: &mut Exchange,
        ticket: Ticket,
        response: &mut Response<B>,
    ) {
        if let Some(limits) = &self.0 {
            ticket.settle(limits, response);
        }
    }
}

/// Does what a verdict says.
#[inline]
fn carry_out<B>(
    verdict: Verdict,
    limits: &Limits,
    exchange: &mut Exchange,
    request: &mut Request<B>,
) -> Step<RateLimitLayer> {
    match verdict {
        Verdict::Pass => Step::Pass(Ticket::default()),
        Verdict::Counted(ticket) => Step::Pass(ticket),
        Verdict::Over(ruling) if ruling.shadow => {
            request.extensions_mut().insert(ruling.decision);
            Step::Pass(Ticket::default())
        }
        Verdict::Over(ruling) => Step::answer(refuse(exchange, request, &ruling, limits)),
        #[cfg(feature = "wait")]
        Verdict::Delay(delay) => Step::Wait(Query(Pending::Turn(delay))),
        #[cfg(feature = "redis")]
        Verdict::Ask(question) => Step::Wait(Query(Pending::Answer(question))),
    }
}

/// What a request waits for: the answer of Redis, or its turn.
#[cfg(any(feature = "redis", feature = "wait"))]
pub struct Query(Pending);

#[cfg(any(feature = "redis", feature = "wait"))]
enum Pending {
    #[cfg(feature = "redis")]
    Answer(Box<crate::query::Question>),
    #[cfg(feature = "wait")]
    Turn(Box<crate::filter::delay::Delay>),
}

/// Without a store over the network and without queues there is nothing to wait for.
#[cfg(not(any(feature = "redis", feature = "wait")))]
pub enum Query {}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Query")
    }
}

impl<S: Clone> Park<S> for Query {
    fn park(&self, service: &mut S) -> S {
        let clone = service.clone();
        std::mem::replace(service, clone)
    }
}

#[cfg(any(feature = "redis", feature = "wait"))]
impl Wait<RateLimitLayer> for Query {
    fn poll_wait(&mut self, _: &RateLimitLayer, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            #[cfg(feature = "redis")]
            Pending::Answer(question) => question.poll(cx),
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
            Pending::Answer(question) => {
                let Some(limits) = &layer.0 else {
                    return Step::Pass(Ticket::default());
                };
                let now = exchange.now();
                let verdict = {
                    let scope = exchange.find_scope(request.extensions());
                    let view = RequestView::new(request, scope, &limits.client_ip);
                    Limits::conclude(*question, &view, now)
                };
                carry_out(verdict, limits, exchange, request)
            }
            #[cfg(feature = "wait")]
            Pending::Turn(delay) => {
                let _ = (layer, exchange, request);
                Step::Pass(delay.into_ticket())
            }
        }
    }
}

#[cfg(not(any(feature = "redis", feature = "wait")))]
impl Wait<RateLimitLayer> for Query {
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
