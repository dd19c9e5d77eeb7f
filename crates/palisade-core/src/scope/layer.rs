use std::convert::Infallible;
use std::fmt;

use http::{Request, Response};
use tower_layer::Layer;

use crate::filter::{Exchange, Filter, Filtered, ReplaceBody, Step};
use crate::{ClientIp, Handle, Rejection, Renderer, peer_addr};

/// Gives every request its [`RequestScope`](crate::RequestScope) and decides the client's address once, for all layers inside.
///
/// On the way out it finishes the rejections that handlers returned: it gives them the request's id and the form that
/// the caller reads. Put it outermost; a `Stack` does so by itself.
///
/// # Example
///
/// ```
/// use palisade_core::{ClientIp, ScopeLayer};
///
/// // Behind one load balancer in 10.0.0.0/8, whose X-Forwarded-For may be believed.
/// let layer = ScopeLayer::new(ClientIp::trusting(["10.0.0.0/8"])?);
/// # Ok::<(), palisade_core::ClientIpError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ScopeLayer(Option<Handle<Config>>);

#[derive(Clone)]
struct Config {
    client_ip: ClientIp,
    renderer: Option<Renderer>,
}

impl ScopeLayer {
    /// A layer that decides the client's address this way.
    #[must_use]
    pub fn new(client_ip: ClientIp) -> Self {
        Self(Some(Handle::new(Config {
            client_ip,
            renderer: None,
        })))
    }

    /// Switched off: no scope, and the rejections of handlers are finished all the same.
    #[must_use]
    pub const fn off() -> Self {
        Self(None)
    }

    /// Whether the layer is switched off.
    #[must_use]
    pub const fn is_off(&self) -> bool {
        self.0.is_none()
    }

    /// Returns how it decides the client's address; by the peer's where it is off.
    #[must_use]
    pub fn decides_by(&self) -> ClientIp {
        self.0
            .as_ref()
            .map_or_else(ClientIp::peer, |config| config.client_ip.clone())
    }

    /// Decides the client's address this way, and switches the layer on.
    #[must_use]
    pub fn client_ip(self, client_ip: ClientIp) -> Self {
        self.change(|config| config.client_ip = client_ip)
    }

    /// Replaces the form of every rejection inside this layer, and switches the layer on.
    ///
    /// The renderer decides head and body; `HEAD` requests still get no body.
    #[must_use]
    pub fn renderer(self, renderer: Renderer) -> Self {
        self.change(|config| config.renderer = Some(renderer))
    }

    /// Keeps the configuration for the rest of the process; see [`Handle::leak`].
    #[must_use]
    pub fn leak(self) -> Self {
        Self(self.0.map(Handle::leak))
    }

    fn change(self, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = match &self.0 {
            Some(config) => (**config).clone(),
            None => Config {
                client_ip: ClientIp::peer(),
                renderer: None,
            },
        };
        change(&mut config);
        Self(Some(Handle::new(config)))
    }
}

impl Default for ScopeLayer {
    /// Takes the address of the peer for the client's.
    fn default() -> Self {
        Self::new(ClientIp::peer())
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("client_ip", &self.client_ip)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for ScopeLayer {
    type Service = Filtered<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        Filtered::new(inner, self.clone())
    }
}

impl Filter for ScopeLayer {
    type Kept = ();
    type Wait = Infallible;
    type Watch = ();

    #[inline]
    fn on_request<B>(&self, exchange: &mut Exchange, request: &mut Request<B>) -> Step<Self> {
        exchange.note_form(request);
        let Some(config) = &self.0 else {
            return Step::Pass(());
        };
        let peer = peer_addr(request.extensions()).map(|addr| addr.ip());
        let client = config.client_ip.resolve(peer, request.headers());
        let is_new = exchange.begin_scope(request.extensions_mut(), client);
        let scope = exchange.enter(request.extensions_mut());
        if let (Some(client), false) = (client, is_new) {
            scope.set_client(client);
        }
        if let Some(renderer) = &config.renderer {
            scope.set_renderer(renderer.clone());
        }
        Step::Pass(())
    }

    #[inline]
    fn on_response<B: ReplaceBody>(
        &self,
        exchange: &mut Exchange,
        (): (),
        response: &mut Response<B>,
    ) {
        Rejection::finish(response, || exchange.noted_context());
    }
}
