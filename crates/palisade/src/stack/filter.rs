//! The filter that a stack is: all layers as one.

use std::task::{Context, Poll};

use http::{HeaderMap, Request, Response};
use palisade_core::ScopeLayer;
use palisade_core::filter::{
    Exchange, Failure, Filter, Park, Reload, ReplaceBody, SharedFilter, Step, Wait,
};

use super::layers::*;

/// The filters of a stack, from the outermost to the innermost.
type All = (
    ScopeLayer,
    (RequestIdLayer, (SecurityHeadersLayer, (CookieLayer, Inner))),
);

/// The filters from the audit inwards.
type Inner = (AuditLayer, (HttpsRedirectLayer, Origins));

/// The filters from the lookup of origins inwards.
type Origins = (
    OriginLookupLayer,
    (CorsLayer, (CrossOriginGuardLayer, Callers)),
);

/// The filters from the limits of clients inwards.
type Callers = (
    RateLimitLayer,
    (AuthLayer, (RateLimitLayer, FieldCryptoLayer)),
);

/// So many fields often find room in what a response brings.
const FEW_FIELDS: usize = 4;

/// The filters of a stack behind one pointer, which may be replaced.
pub(super) type CurrentFilters = SharedFilter<Filters>;

/// The filters of a stack.
#[derive(Debug, Clone)]
pub struct Filters {
    /// Whether no layer is on.
    off: bool,
    /// The most header fields that the layers add to a response.
    fields: usize,
    all: All,
}

impl Filters {
    pub(super) fn of(layers: Layers) -> Self {
        let off = layers.are_off();
        // The others read what the scope decides once for all.
        let scope = match layers.scope.is_off() && !off {
            true => ScopeLayer::default(),
            false => layers.scope,
        };
        #[cfg(feature = "headers")]
        let cross_origin = layers.cross_origin.trust_cors(&layers.cors);
        #[cfg(not(feature = "headers"))]
        let cross_origin = layers.cross_origin;
        let principals = (layers.principals, layers.field_crypto);
        let clients = (layers.clients, (layers.auth, principals));
        let cors = (layers.cors, (cross_origin, clients));
        let origins = (layers.origin_lookup, cors);
        let audit = (layers.audit, (layers.https_redirect, origins));
        let headers = (layers.security_headers, (layers.cookies, audit));
        let all = (scope, (layers.request_id, headers));
        Self {
            off,
            fields: all.response_fields(),
            all,
        }
    }

    /// Makes room for the header fields of all layers at once.
    #[inline]
    fn reserve(&self, headers: &mut HeaderMap) {
        if self.fields > FEW_FIELDS {
            let _ = headers.try_reserve(self.fields);
        }
    }

    pub(super) fn layers(&self) -> Layers {
        let (scope, (request_id, (security_headers, (cookies, inner)))) = self.all.clone();
        let (audit, (https_redirect, (origin_lookup, (cors, (cross_origin, callers))))) = inner;
        let (clients, (auth, (principals, field_crypto))) = callers;
        Layers {
            scope,
            request_id,
            security_headers,
            cookies,
            audit,
            https_redirect,
            origin_lookup,
            cors,
            cross_origin,
            clients,
            auth,
            principals,
            field_crypto,
        }
    }
}

pub(super) fn fixed(layers: Layers) -> CurrentFilters {
    SharedFilter::new(Filters::of(layers))
}

pub(super) fn reloadable(layers: Layers) -> (CurrentFilters, Reload<Filters>) {
    SharedFilter::reloadable(Filters::of(layers))
}

pub(super) fn layers_of(current: &CurrentFilters) -> Layers {
    current.read(Filters::layers)
}

impl Filter for Filters {
    type Kept = Option<<All as Filter>::Kept>;
    type Wait = StackWait;
    type Watch = <All as Filter>::Watch;

    #[inline(always)]
    fn on_request<B>(&self, exchange: &mut Exchange, request: &mut Request<B>) -> Step<Self> {
        match self.off {
            true => Step::Pass(None),
            false => kept(self.all.on_request(exchange, request)),
        }
    }

    #[inline(always)]
    fn needs_response(&self, kept: &Self::Kept) -> bool {
        kept.is_some()
    }

    #[inline(always)]
    fn poll_response<B: ReplaceBody>(
        &self,
        exchange: &mut Exchange,
        kept: &mut Self::Kept,
        response: &mut Response<B>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        match kept {
            Some(kept) => self.all.poll_response(exchange, kept, response, cx),
            None => Poll::Ready(()),
        }
    }

    #[inline(always)]
    fn on_response<B: ReplaceBody>(
        &self,
        exchange: &mut Exchange,
        kept: Self::Kept,
        response: &mut Response<B>,
    ) -> Self::Watch {
        match kept {
            Some(kept) => {
                self.reserve(response.headers_mut());
                self.all.on_response(exchange, kept, response)
            }
            None => Self::Watch::default(),
        }
    }

    fn on_failure(&self, exchange: &mut Exchange, kept: Self::Kept, failure: Failure) {
        if let Some(kept) = kept {
            self.all.on_failure(exchange, kept, failure);
        }
    }
}

#[inline(always)]
fn kept(step: Step<All>) -> Step<Filters> {
    match step {
        Step::Pass(kept) => Step::Pass(Some(kept)),
        Step::Answer(answer, kept) => Step::Answer(answer, kept.map(Some)),
        Step::Wait(wait) => Step::Wait(StackWait(wait)),
    }
}

/// The query of the layer that a request waits for.
#[expect(
    missing_debug_implementations,
    reason = "the state of a filter need not be `Debug`"
)]
pub struct StackWait(<All as Filter>::Wait);

impl Wait<Filters> for StackWait {
    fn poll_wait(&mut self, filters: &Filters, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll_wait(&filters.all, cx)
    }

    fn resume<B>(
        self,
        filters: &Filters,
        exchange: &mut Exchange,
        request: &mut Request<B>,
    ) -> Step<Filters> {
        kept(self.0.resume(&filters.all, exchange, request))
    }
}

impl<S: Clone> Park<S> for StackWait {
    fn park(&self, service: &mut S) -> S {
        self.0.park(service)
    }
}
