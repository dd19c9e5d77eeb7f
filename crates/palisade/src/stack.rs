#[cfg(not(all(
    feature = "audit",
    feature = "auth",
    feature = "crypto",
    feature = "headers",
    feature = "ratelimit"
)))]
mod absent;
mod stations;

use std::fmt;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use palisade_core::{ClientIp, Renderer, ScopeLayer};
use tower_layer::Layer;
use tower_service::Service;

use self::stations::*;

/// All layers in the one order that is right; see [the guide](https://docs.rs/palisade) for why.
///
/// A new stack has every layer off, which costs next to nothing; switch on what you have. A later call for the same
/// layer replaces the earlier one. The order of the calls does not matter.
///
/// # Example
///
/// ```
/// use palisade::{ClientIp, Stack};
/// use tower::{Layer, ServiceExt};
///
/// # tokio_test::block_on(async {
/// let stack = Stack::new().client_ip(ClientIp::trusting(["10.0.0.0/8"])?);
/// let service = stack.layer(tower::service_fn(|_: http::Request<()>| async {
///     Ok::<_, std::convert::Infallible>(http::Response::new(http_body_util::Empty::<bytes::Bytes>::new()))
/// }));
/// assert_eq!(service.oneshot(http::Request::new(())).await?.status(), 200);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
#[must_use = "a stack does nothing until it wraps a service"]
pub struct Stack {
    scope: ScopeLayer,
    request_id: RequestIdLayer,
    security_headers: SecurityHeadersLayer,
    audit: AuditLayer,
    cors: CorsLayer,
    cross_origin: CrossOriginGuardLayer,
    clients: RateLimitLayer,
    auth: AuthLayer,
    principals: RateLimitLayer,
    field_crypto: FieldCryptoLayer,
}

impl Stack {
    /// A stack with every layer off, in which the client's address is the peer's.
    pub fn new() -> Self {
        Self {
            scope: ScopeLayer::default(),
            request_id: RequestIdLayer::off(),
            security_headers: SecurityHeadersLayer::off(),
            audit: AuditLayer::off(),
            cors: CorsLayer::off(),
            cross_origin: CrossOriginGuardLayer::off(),
            clients: RateLimitLayer::off(),
            auth: AuthLayer::off(),
            principals: RateLimitLayer::off(),
            field_crypto: FieldCryptoLayer::off(),
        }
    }

    /// Decides the client's address this way, once for all layers; default the peer's address.
    pub fn client_ip(mut self, client_ip: ClientIp) -> Self {
        self.scope = self.scope.client_ip(client_ip);
        self
    }

    /// Replaces the form of every rejection inside the stack.
    pub fn renderer(mut self, renderer: Renderer) -> Self {
        self.scope = self.scope.renderer(renderer);
        self
    }

    /// Gives every request an id.
    #[cfg(feature = "headers")]
    pub fn request_id(mut self, layer: RequestIdLayer) -> Self {
        self.request_id = layer;
        self
    }

    /// Puts security headers on every response.
    #[cfg(feature = "headers")]
    pub fn security_headers(mut self, layer: SecurityHeadersLayer) -> Self {
        self.security_headers = layer;
        self
    }

    /// Records every request and what happened in it.
    #[cfg(feature = "audit")]
    pub fn audit(mut self, layer: AuditLayer) -> Self {
        self.audit = layer;
        self
    }

    /// Says which pages of other origins may read the answers.
    #[cfg(feature = "headers")]
    pub fn cors(mut self, layer: CorsLayer) -> Self {
        self.cors = layer;
        self
    }

    /// Refuses requests with effects that pages of other origins make, but for what the stack's CORS policy allows.
    #[cfg(feature = "headers")]
    pub fn cross_origin_guard(mut self, layer: CrossOriginGuardLayer) -> Self {
        self.cross_origin = layer;
        self
    }

    /// Limits clients by address, before anything is known of them.
    #[cfg(feature = "ratelimit")]
    pub fn limit_clients(mut self, layer: RateLimitLayer) -> Self {
        self.clients = layer;
        self
    }

    /// Finds out who is calling.
    #[cfg(feature = "auth")]
    pub fn auth(mut self, layer: AuthLayer) -> Self {
        self.auth = layer;
        self
    }

    /// Limits principals by who they are and what tier they have.
    #[cfg(feature = "ratelimit")]
    pub fn limit_principals(mut self, layer: RateLimitLayer) -> Self {
        self.principals = layer;
        self
    }

    /// Seals named fields of responses.
    #[cfg(feature = "crypto")]
    pub fn field_crypto(mut self, layer: FieldCryptoLayer) -> Self {
        self.field_crypto = layer;
        self
    }

    /// Keeps the state of every layer for the rest of the process, so that a clone of the service counts nothing.
    ///
    /// Servers clone the service for every request; with a counted layer each clone writes to a counter that all
    /// threads fight over. Call it once at start-up. [`axum::protect`](crate::axum::protect) does.
    pub fn leak(self) -> Self {
        Self {
            scope: self.scope.leak(),
            request_id: self.request_id.leak(),
            security_headers: self.security_headers.leak(),
            audit: self.audit.leak(),
            cors: self.cors.leak(),
            cross_origin: self.cross_origin.leak(),
            clients: self.clients.leak(),
            auth: self.auth.leak(),
            principals: self.principals.leak(),
            field_crypto: self.field_crypto.leak(),
        }
    }
}

impl Default for Stack {
    fn default() -> Self {
        Self::new()
    }
}

/// The services of all stations, from the outermost to `S`.
type Stations<S> = Station<
    ScopeLayer,
    Station<
        RequestIdLayer,
        Station<
            SecurityHeadersLayer,
            Station<
                AuditLayer,
                Station<
                    CorsLayer,
                    Station<
                        CrossOriginGuardLayer,
                        Station<
                            RateLimitLayer,
                            Station<
                                AuthLayer,
                                Station<RateLimitLayer, Station<FieldCryptoLayer, S>>,
                            >,
                        >,
                    >,
                >,
            >,
        >,
    >,
>;

type Station<L, S> = <L as Layer<S>>::Service;

impl<S> Layer<S> for Stack {
    type Service = Protected<S>;

    fn layer(&self, inner: S) -> Protected<S> {
        let inner = self.field_crypto.layer(inner);
        let inner = self.principals.layer(inner);
        let inner = self.auth.layer(inner);
        let inner = self.clients.layer(inner);
        #[cfg(feature = "headers")]
        let inner = self
            .cross_origin
            .clone()
            .trust_cors(&self.cors)
            .layer(inner);
        #[cfg(not(feature = "headers"))]
        let inner = self.cross_origin.layer(inner);
        let inner = self.cors.layer(inner);
        let inner = self.audit.layer(inner);
        let inner = self.security_headers.layer(inner);
        let inner = self.request_id.layer(inner);
        Protected {
            stations: self.scope.layer(inner),
        }
    }
}

/// The service made by [`Stack`].
pub struct Protected<S> {
    stations: Stations<S>,
}

impl<S> Clone for Protected<S>
where
    Stations<S>: Clone,
{
    fn clone(&self) -> Self {
        Self {
            stations: self.stations.clone(),
        }
    }
}

impl<S> fmt::Debug for Protected<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Protected").finish_non_exhaustive()
    }
}

impl<S, Rq, B> Service<Request<Rq>> for Protected<S>
where
    // `Clone`, because authentication may have to ask a store while the ready service waits.
    S: Service<Request<Rq>, Response = Response<B>> + Clone,
    B: Body<Data = Bytes>,
{
    type Response = <Stations<S> as Service<Request<Rq>>>::Response;
    type Error = S::Error;
    type Future = <Stations<S> as Service<Request<Rq>>>::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.stations.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<Rq>) -> Self::Future {
        self.stations.call(request)
    }
}
