#[cfg(not(all(
    feature = "audit",
    feature = "auth",
    feature = "crypto",
    feature = "headers",
    feature = "ratelimit"
)))]
mod absent;
mod filter;
mod reload;
mod stations;

use std::fmt;

use palisade_core::filter::Filtered;
use palisade_core::{ClientIp, Renderer};
use tower_layer::Layer;

use self::filter::Current;
pub use self::reload::Reload;
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
///
/// The stack is one service around the router, and one future: the layers in it are
/// [filters](palisade_core::filter).
#[derive(Clone)]
#[must_use = "a stack does nothing until it wraps a service"]
pub struct Stack(Source);

#[derive(Clone)]
enum Source {
    /// Layers that are still being chosen.
    Open(Box<Stations>),
    /// Layers behind one pointer.
    Shut(Current),
}

impl Stack {
    /// A stack with every layer off, which does nothing at all: not even a scope is made.
    pub fn new() -> Self {
        Self(Source::Open(Box::default()))
    }

    fn change(mut self, change: impl FnOnce(&mut Stations)) -> Self {
        match &mut self.0 {
            Source::Open(stations) => change(stations),
            Source::Shut(current) => {
                let mut stations = filter::stations_of(current);
                change(&mut stations);
                self.0 = Source::Open(Box::new(stations));
            }
        }
        self
    }

    /// Decides the client's address this way, once for all layers; default the peer's address.
    pub fn client_ip(self, client_ip: ClientIp) -> Self {
        self.change(|stations| stations.scope = stations.scope.clone().client_ip(client_ip))
    }

    /// Replaces the form of every rejection inside the stack.
    pub fn renderer(self, renderer: Renderer) -> Self {
        self.change(|stations| stations.scope = stations.scope.clone().renderer(renderer))
    }

    /// Gives every request an id.
    #[cfg(feature = "headers")]
    pub fn request_id(self, layer: RequestIdLayer) -> Self {
        self.change(|stations| stations.request_id = layer)
    }

    /// Puts security headers on every response.
    #[cfg(feature = "headers")]
    pub fn security_headers(self, layer: SecurityHeadersLayer) -> Self {
        self.change(|stations| stations.security_headers = layer)
    }

    /// Records every request and what happened in it.
    #[cfg(feature = "audit")]
    pub fn audit(self, layer: AuditLayer) -> Self {
        self.change(|stations| stations.audit = layer)
    }

    /// Adds `Secure`, `HttpOnly` and `SameSite` to the cookies that are set inside.
    #[cfg(feature = "headers")]
    pub fn cookies(self, layer: CookieLayer) -> Self {
        self.change(|stations| stations.cookies = layer)
    }

    /// Sends clients that come over plain HTTP to HTTPS.
    #[cfg(feature = "headers")]
    pub fn https_redirect(self, layer: HttpsRedirectLayer) -> Self {
        self.change(|stations| stations.https_redirect = layer)
    }

    /// Says which pages of other origins may read the answers.
    #[cfg(feature = "headers")]
    pub fn cors(self, layer: CorsLayer) -> Self {
        self.change(|stations| stations.cors = layer)
    }

    /// Refuses requests with effects that pages of other origins make, but for what the stack's CORS policy allows.
    #[cfg(feature = "headers")]
    pub fn cross_origin_guard(self, layer: CrossOriginGuardLayer) -> Self {
        self.change(|stations| stations.cross_origin = layer)
    }

    /// Limits clients by address, before anything is known of them.
    #[cfg(feature = "ratelimit")]
    pub fn limit_clients(self, layer: RateLimitLayer) -> Self {
        self.change(|stations| stations.clients = layer)
    }

    /// Finds out who is calling.
    #[cfg(feature = "auth")]
    pub fn auth(self, layer: AuthLayer) -> Self {
        self.change(|stations| stations.auth = layer)
    }

    /// Limits principals by who they are and what tier they have.
    #[cfg(feature = "ratelimit")]
    pub fn limit_principals(self, layer: RateLimitLayer) -> Self {
        self.change(|stations| stations.principals = layer)
    }

    /// Seals named fields of responses.
    #[cfg(feature = "crypto")]
    pub fn field_crypto(self, layer: FieldCryptoLayer) -> Self {
        self.change(|stations| stations.field_crypto = layer)
    }

    /// Keeps the state of every layer for the rest of the process, so that a clone of the service counts nothing.
    ///
    /// Servers clone the service for every request; with a counted stack each clone writes to a counter that all
    /// threads fight over. Call it once at start-up. [`axum::protect`](crate::axum::protect) does.
    pub fn leak(self) -> Self {
        Self(Source::Shut(match self.0 {
            Source::Open(stations) => filter::fixed(stations.leak()).leak(),
            Source::Shut(current) => current.leak(),
        }))
    }

    fn into_stations(self) -> Stations {
        match self.0 {
            Source::Open(stations) => *stations,
            Source::Shut(current) => filter::stations_of(&current),
        }
    }
}

impl Default for Stack {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Open(stations) => f.debug_tuple("Stack").field(stations).finish(),
            Source::Shut(current) => {
                let stations = filter::stations_of(current);
                f.debug_tuple("Stack").field(&stations).finish()
            }
        }
    }
}

impl<S> Layer<S> for Stack {
    type Service = Protected<S>;

    fn layer(&self, inner: S) -> Protected<S> {
        let current = match &self.0 {
            Source::Open(stations) => filter::fixed((**stations).clone()),
            Source::Shut(current) => current.clone(),
        };
        Filtered::new(FieldCryptoLayer::by_request().layer(inner), current)
    }
}

/// The service made by [`Stack`]: one around the service that field encryption needs, which costs next to nothing while
/// it is off.
pub type Protected<S> = Filtered<<FieldCryptoLayer as Layer<S>>::Service, Current>;
