#[cfg(not(all(
    feature = "audit",
    feature = "auth",
    feature = "crypto",
    feature = "headers",
    feature = "ratelimit"
)))]
mod absent;
mod filter;
mod layers;
mod reload;

use std::fmt;

use palisade_core::filter::Filtered;
use palisade_core::{ClientIp, Renderer};
use tower_layer::Layer;

use self::filter::CurrentFilters;
use self::layers::*;
pub use self::reload::Reload;

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
    Building(Box<Layers>),
    /// Layers behind one pointer.
    Built(CurrentFilters),
}

impl Stack {
    /// A stack with every layer off, which does nothing at all: not even a scope is made.
    pub fn new() -> Self {
        Self(Source::Building(Box::default()))
    }

    fn change(mut self, change: impl FnOnce(&mut Layers)) -> Self {
        match &mut self.0 {
            Source::Building(layers) => change(layers),
            Source::Built(current) => {
                let mut layers = filter::layers_of(current);
                change(&mut layers);
                self.0 = Source::Building(Box::new(layers));
            }
        }
        self
    }

    /// Decides the client's address this way, once for all layers; default the peer's address.
    pub fn client_ip(self, client_ip: ClientIp) -> Self {
        self.change(|layers| layers.scope = layers.scope.clone().client_ip(client_ip))
    }

    /// Replaces the form of every rejection inside the stack.
    pub fn renderer(self, renderer: Renderer) -> Self {
        self.change(|layers| layers.scope = layers.scope.clone().renderer(renderer))
    }

    /// Gives every request an id.
    #[cfg(feature = "headers")]
    pub fn request_id(self, layer: RequestIdLayer) -> Self {
        self.change(|layers| layers.request_id = layer)
    }

    /// Puts security headers on every response.
    #[cfg(feature = "headers")]
    pub fn security_headers(self, layer: SecurityHeadersLayer) -> Self {
        self.change(|layers| layers.security_headers = layer)
    }

    /// Records every request and what happened in it.
    #[cfg(feature = "audit")]
    pub fn audit(self, layer: AuditLayer) -> Self {
        self.change(|layers| layers.audit = layer)
    }

    /// Adds `Secure`, `HttpOnly` and `SameSite` to the cookies that are set inside.
    #[cfg(feature = "headers")]
    pub fn cookies(self, layer: CookieLayer) -> Self {
        self.change(|layers| layers.cookies = layer)
    }

    /// Sends clients that come over plain HTTP to HTTPS.
    #[cfg(feature = "headers")]
    pub fn https_redirect(self, layer: HttpsRedirectLayer) -> Self {
        self.change(|layers| layers.https_redirect = layer)
    }

    /// Asks an async closure about origins, for a CORS policy built with
    /// [`CorsBuilder::origins_by_lookup`](palisade_headers::CorsBuilder::origins_by_lookup).
    #[cfg(feature = "headers")]
    pub fn origin_lookup(self, layer: OriginLookupLayer) -> Self {
        self.change(|layers| layers.origin_lookup = layer)
    }

    /// Allows pages of other origins to read the responses.
    #[cfg(feature = "headers")]
    pub fn cors(self, layer: CorsLayer) -> Self {
        self.change(|layers| layers.cors = layer)
    }

    /// Refuses requests with effects that pages of other origins make, but for what the stack's CORS policy allows.
    #[cfg(feature = "headers")]
    pub fn cross_origin_guard(self, layer: CrossOriginGuardLayer) -> Self {
        self.change(|layers| layers.cross_origin = layer)
    }

    /// Limits clients by address, before anything is known of them.
    #[cfg(feature = "ratelimit")]
    pub fn limit_clients(self, layer: RateLimitLayer) -> Self {
        self.change(|layers| layers.clients = layer)
    }

    /// Authenticates the caller.
    #[cfg(feature = "auth")]
    pub fn auth(self, layer: AuthLayer) -> Self {
        self.change(|layers| layers.auth = layer)
    }

    /// Limits principals by who they are and what tier they have.
    #[cfg(feature = "ratelimit")]
    pub fn limit_principals(self, layer: RateLimitLayer) -> Self {
        self.change(|layers| layers.principals = layer)
    }

    /// Seals named fields of responses.
    #[cfg(feature = "crypto")]
    pub fn field_crypto(self, layer: FieldCryptoLayer) -> Self {
        self.change(|layers| layers.field_crypto = layer)
    }

    /// Keeps the state of every layer for the rest of the process, so that a clone of the service counts nothing.
    ///
    /// Servers clone the service for every request; with a counted stack each clone writes to a counter that all
    /// threads fight over. Call it once at start-up. [`axum::protect`](crate::axum::protect) does.
    pub fn leak(self) -> Self {
        Self(Source::Built(match self.0 {
            Source::Building(layers) => filter::fixed(layers.leak()).leak(),
            Source::Built(current) => current.leak(),
        }))
    }

    /// The proxies that are trusted, for the server that serves what the stack wraps.
    #[cfg(feature = "serve")]
    pub(crate) fn proxies(&self) -> ClientIp {
        match &self.0 {
            Source::Building(layers) => layers.scope.decides_by(),
            Source::Built(current) => filter::layers_of(current).scope.decides_by(),
        }
    }

    fn into_layers(self) -> Layers {
        match self.0 {
            Source::Building(layers) => *layers,
            Source::Built(current) => filter::layers_of(&current),
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
            Source::Building(layers) => f.debug_tuple("Stack").field(layers).finish(),
            Source::Built(current) => {
                let layers = filter::layers_of(current);
                f.debug_tuple("Stack").field(&layers).finish()
            }
        }
    }
}

impl<S> Layer<S> for Stack {
    type Service = Protected<S>;

    fn layer(&self, inner: S) -> Protected<S> {
        let current = match &self.0 {
            Source::Building(layers) => filter::fixed((**layers).clone()),
            Source::Built(current) => current.clone(),
        };
        Filtered::new(FieldCryptoLayer::by_request().layer(inner), current)
    }
}

/// The service made by [`Stack`]: one around the service that field encryption needs, which costs next to nothing while
/// it is off.
pub type Protected<S> = Filtered<<FieldCryptoLayer as Layer<S>>::Service, CurrentFilters>;
