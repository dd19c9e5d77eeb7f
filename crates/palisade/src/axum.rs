//! A whole axum router behind a [`Stack`], and what a router answers by itself in the one format.

mod connection;
#[cfg(feature = "serve")]
mod serve;

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::axum::Router;
use ::axum::body::Body;
use ::axum::extract::Request;
use ::axum::response::Response;
use palisade_core::{Code, Rejection};
use tower_layer::Layer;
use tower_service::Service;

pub use self::connection::{Connection, ProtectedConnections};
#[cfg(feature = "tls")]
pub use self::serve::PeerCertificates;
#[cfg(feature = "serve")]
pub use self::serve::{Drained, Server, serve};
use crate::{Protected, Stack};

/// Wraps a whole router from outside, so that its fallbacks are covered too.
///
/// The result is no router any more: no route can be added behind the stack's back. It goes straight into
/// `axum::serve`, with every listener that `axum::serve` takes. The layers of the stack are [leaked](Stack::leak), for
/// this is what a process does once, when it starts.
///
/// # Peer addresses
///
/// Where the address of the listener's peers is a [`SocketAddr`](std::net::SocketAddr), as with a `TcpListener`, its
/// `TapIo` and most listeners for TLS, every request carries it. A peer without an IP address, such as one on a Unix
/// socket, has no address: `audit` writes no `client_ip`, a limit by address counts all such peers together or as
/// `RateLimitBuilder::no_key` says, and no [`ClientIp`](crate::ClientIp) and no layer believes what it forwards, since there
/// is no address that is trusted. [`ProtectedRouter::on_connect`] gives such peers an address.
///
/// # Example
///
/// ```no_run
/// use axum::{Router, routing::get};
/// use palisade::{Stack, axum::{method_not_allowed, not_found, protect}};
///
/// # async fn serve() -> std::io::Result<()> {
/// let router = Router::new()
///     .route("/", get(|| async { "hello" }))
///     .fallback(not_found)
///     .method_not_allowed_fallback(method_not_allowed);
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
/// axum::serve(listener, protect(router, Stack::new())).await
/// # }
/// ```
#[must_use]
pub fn protect(router: Router, stack: Stack) -> ProtectedRouter {
    ProtectedRouter {
        #[cfg(feature = "serve")]
        proxies: Box::leak(Box::new(stack.proxies())),
        inner: stack.leak().layer(router),
    }
}

/// 404 in the one format, for [`Router::fallback`].
pub async fn not_found() -> Rejection {
    Rejection::new(Code::NotFound)
}

/// 405 in the one format, for [`Router::method_not_allowed_fallback`]; axum adds `Allow`.
pub async fn method_not_allowed() -> Rejection {
    Rejection::new(Code::MethodNotAllowed)
}

/// A router behind a stack; see [`protect`].
///
/// It is the service of one request, and also what `axum::serve` asks for: the maker of the service of a connection.
#[derive(Clone)]
pub struct ProtectedRouter {
    inner: Protected<Router>,
    /// The proxies that are trusted, which a server does not limit by address.
    #[cfg(feature = "serve")]
    proxies: &'static palisade_core::ClientIp,
}

impl fmt::Debug for ProtectedRouter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProtectedRouter").finish_non_exhaustive()
    }
}

type Inner = <Protected<Router> as Service<Request>>::Future;

impl Service<Request> for ProtectedRouter {
    type Response = Response;
    type Error = Infallible;
    type Future = ResponseFuture;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request>::poll_ready(&mut self.inner, cx)
    }

    #[inline]
    fn call(&mut self, request: Request) -> ResponseFuture {
        ResponseFuture {
            inner: self.inner.call(request),
        }
    }
}

pin_project_lite::pin_project! {
    /// The response future of a [`ProtectedRouter`].
    pub struct ResponseFuture {
        #[pin]
        inner: Inner,
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = ready!(self.project().inner.poll(cx))?;
        // A body that nothing observes needs no box of its own.
        Poll::Ready(Ok(response.map(|body| match body.into_inner() {
            Ok(body) => own_body(body),
            Err(body) => Body::new(body),
        })))
    }
}

/// The body of the router, where field encryption made no other of it.
#[cfg(feature = "crypto")]
fn own_body(body: palisade_core::ResponseBody<Body>) -> Body {
    match body.into_inner() {
        Ok(body) => body,
        Err(body) => Body::new(body),
    }
}

/// The body of the router.
#[cfg(not(feature = "crypto"))]
const fn own_body(body: Body) -> Body {
    body
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
