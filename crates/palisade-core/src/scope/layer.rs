use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    ClientIp, Handle, Rejection, RejectionContext, Renderer, RequestScope, ResponseBody, peer_addr,
};

/// Gives every request its [`RequestScope`] and decides the client's address once, for all layers inside.
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
pub struct ScopeLayer(Handle<Config>);

#[derive(Clone)]
struct Config {
    client_ip: ClientIp,
    renderer: Option<Renderer>,
}

impl ScopeLayer {
    /// A layer that decides the client's address this way.
    #[must_use]
    pub fn new(client_ip: ClientIp) -> Self {
        Self(Handle::new(Config {
            client_ip,
            renderer: None,
        }))
    }

    /// Decides the client's address this way.
    #[must_use]
    pub fn client_ip(self, client_ip: ClientIp) -> Self {
        Self(Handle::new(Config {
            client_ip,
            ..(*self.0).clone()
        }))
    }

    /// Replaces the form of every rejection inside this layer.
    ///
    /// The renderer decides head and body; `HEAD` requests still get no body.
    #[must_use]
    pub fn renderer(self, renderer: Renderer) -> Self {
        Self(Handle::new(Config {
            renderer: Some(renderer),
            ..(*self.0).clone()
        }))
    }

    /// Keeps the configuration for the rest of the process; see [`Handle::leak`].
    #[must_use]
    pub fn leak(self) -> Self {
        Self(self.0.leak())
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
    type Service = ScopeService<S>;

    fn layer(&self, inner: S) -> ScopeService<S> {
        ScopeService {
            inner,
            config: self.0.clone(),
        }
    }
}

/// The service made by [`ScopeLayer`].
#[derive(Debug, Clone)]
pub struct ScopeService<S> {
    inner: S,
    config: Handle<Config>,
}

impl<S, Rq, B> Service<Request<Rq>> for ScopeService<S>
where
    S: Service<Request<Rq>, Response = Response<B>>,
    B: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Rq>) -> Self::Future {
        let scope = RequestScope::enter(request.extensions_mut());
        let peer = peer_addr(request.extensions()).map(|addr| addr.ip());
        if let Some(client) = self.config.client_ip.resolve(peer, request.headers()) {
            scope.set_client(client);
        }
        if let Some(renderer) = &self.config.renderer {
            scope.set_renderer(renderer.clone());
        }
        let context = RejectionContext::of(&request);
        ResponseFuture {
            inner: self.inner.call(request),
            context,
        }
    }
}

pin_project_lite::pin_project! {
    /// The response future of [`ScopeService`].
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        context: RejectionContext,
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(cx))?;
        Poll::Ready(Ok(Rejection::finish(response, this.context)))
    }
}
