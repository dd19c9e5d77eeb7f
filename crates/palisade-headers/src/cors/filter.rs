use std::convert::Infallible;

use http::{HeaderValue, Request, Response, header};
use palisade_core::filter::{Exchange, Filter, Filtered, ReplaceBody, Step};
use palisade_core::{Code, EventKind, Rejection, SecurityEvent};
use tower_layer::Layer;

use super::CorsLayer;
use super::policy::{Access, Kind, Policy};

/// The service made by [`CorsLayer`].
pub type Cors<S> = Filtered<S, CorsLayer>;

impl<S> Layer<S> for CorsLayer {
    type Service = Cors<S>;

    fn layer(&self, inner: S) -> Cors<S> {
        Filtered::new(inner, self.clone())
    }
}

impl Filter for CorsLayer {
    /// The origin that may read the response; nothing where the layer is off.
    type Kept = Option<Access>;
    type Wait = Infallible;
    type Watch = ();

    fn response_fields(&self) -> usize {
        self.0.as_ref().map_or(0, |policy| policy.fields())
    }

    #[inline]
    fn on_request<B>(&self, exchange: &mut Exchange, request: &mut Request<B>) -> Step<Self> {
        let Some(policy) = &self.0 else {
            return Step::Pass(None);
        };
        match policy.classify(request) {
            Kind::Actual(access) => Step::Pass(Some(access)),
            Kind::Preflight(origin) => Step::answer(policy.preflight(origin, request.headers())),
            Kind::DeniedPreflight => {
                policy.denied.cors_denied();
                refuse(exchange, request)
            }
        }
    }

    #[inline]
    fn needs_response(&self, access: &Option<Access>) -> bool {
        access.is_some()
    }

    #[inline]
    fn on_response<B: ReplaceBody>(
        &self,
        _: &mut Exchange,
        access: Option<Access>,
        response: &mut Response<B>,
    ) {
        if let (Some(policy), Some(access)) = (&self.0, access) {
            policy.apply(access, response.headers_mut());
        }
    }
}

#[cold]
fn refuse<B>(exchange: &mut Exchange, request: &mut Request<B>) -> Step<CorsLayer> {
    exchange
        .enter(request.extensions_mut())
        .record(SecurityEvent::new(EventKind::MaliciousCors).reason("origin_not_allowed"));
    let origin = request.headers().get(header::ORIGIN);
    tracing::info!(
        target: crate::TARGET,
        origin = %origin.map_or_else(Default::default, shown),
        "preflight from an origin that is not allowed"
    );
    let rejection = Rejection::new(Code::Authorization)
        .message("This origin is not allowed")
        .header(header::VARY, Policy::VARY_PREFLIGHT);
    exchange.reject(request, rejection)
}

/// The start of what a client sent, without anything that could change a line of a log.
fn shown(value: &HeaderValue) -> String {
    let start = &value.as_bytes()[..value.len().min(128)];
    start.escape_ascii().to_string()
}
