//! One connection of a server, and what its requests know about its peer.

use std::any::Any;
use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use ::axum::extract::{ConnectInfo, Request};
use ::axum::response::Response;
use ::axum::serve::{IncomingStream, Listener};
use http::Extensions;
use tower_service::Service;

use super::{ProtectedRouter, ResponseFuture};

impl ProtectedRouter {
    /// Runs a closure on every connection; what it inserts into the extensions is cloned into every request of the
    /// connection.
    ///
    /// It gives peers an address whose listener knows none, by [`PeerAddr`](crate::PeerAddr); says of a listener for
    /// TLS that its requests came over TLS, by `palisade::headers::security::OverTls`; and hands credentials of the peer to handlers, in
    /// a type of the user's own or in axum's `ConnectInfo`. A `PeerAddr` counts for more than the address of the
    /// listener.
    ///
    /// # Example
    ///
    /// A proxy on the same machine that speaks through a Unix socket counts as `127.0.0.1`, and as a trusted proxy:
    ///
    /// ```
    /// use std::net::{Ipv4Addr, SocketAddr};
    ///
    /// use axum::serve::IncomingStream;
    /// use palisade::axum::protect;
    /// use palisade::{ClientIp, PeerAddr, Stack};
    /// use tokio::net::UnixListener;
    ///
    /// # async fn serve(router: axum::Router) -> Result<(), Box<dyn std::error::Error>> {
    /// let stack = Stack::new().client_ip(ClientIp::trusting(["127.0.0.1"])?);
    /// let router = protect(router, stack).on_connect(|_: &IncomingStream<'_, UnixListener>, extensions| {
    ///     extensions.insert(PeerAddr(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))));
    /// });
    /// axum::serve(UnixListener::bind("/run/app.sock")?, router).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Security
    ///
    /// Whoever may open the socket may then forge the address of a client: let its permissions admit the proxy alone.
    pub fn on_connect<L, F>(self, on_connect: F) -> ProtectedConnections<L, F>
    where
        L: Listener,
        F: Fn(&IncomingStream<'_, L>, &mut Extensions),
    {
        ProtectedConnections {
            router: self,
            on_connect,
            listener: PhantomData,
        }
    }
}

impl<L: Listener> Service<IncomingStream<'_, L>> for ProtectedRouter {
    type Response = Connection;
    type Error = Infallible;
    type Future = Ready<Result<Connection, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, stream: IncomingStream<'_, L>) -> Self::Future {
        ready(Ok(Connection {
            router: self.clone(),
            peer: socket_addr(stream.remote_addr()),
            extensions: None,
        }))
    }
}

#[cfg(feature = "serve")]
impl ProtectedRouter {
    /// The service of one connection.
    pub(super) fn connection(
        &self,
        peer: Option<SocketAddr>,
        extensions: Extensions,
    ) -> Connection {
        Connection {
            router: self.clone(),
            peer,
            extensions: (!extensions.is_empty()).then_some(extensions),
        }
    }
}

/// The address of a peer, where the listener knows it as one.
pub(super) fn socket_addr<A: 'static>(addr: &A) -> Option<SocketAddr> {
    (addr as &dyn Any).downcast_ref().copied()
}

/// A [`ProtectedRouter`] with a closure that every connection runs; made by [`ProtectedRouter::on_connect`].
pub struct ProtectedConnections<L, F> {
    router: ProtectedRouter,
    on_connect: F,
    listener: PhantomData<fn(L)>,
}

impl<L, F: Clone> Clone for ProtectedConnections<L, F> {
    fn clone(&self) -> Self {
        Self {
            router: self.router.clone(),
            on_connect: self.on_connect.clone(),
            listener: PhantomData,
        }
    }
}

impl<L, F> fmt::Debug for ProtectedConnections<L, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProtectedConnections")
            .finish_non_exhaustive()
    }
}

impl<L, F> Service<IncomingStream<'_, L>> for ProtectedConnections<L, F>
where
    L: Listener,
    F: Fn(&IncomingStream<'_, L>, &mut Extensions),
{
    type Response = Connection;
    type Error = Infallible;
    type Future = Ready<Result<Connection, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, stream: IncomingStream<'_, L>) -> Self::Future {
        let mut extensions = Extensions::new();
        (self.on_connect)(&stream, &mut extensions);
        ready(Ok(Connection {
            router: self.router.clone(),
            peer: socket_addr(stream.remote_addr()),
            extensions: (!extensions.is_empty()).then_some(extensions),
        }))
    }
}

/// A protected router on one connection, which tells every request who the peer is.
#[derive(Debug, Clone)]
pub struct Connection {
    router: ProtectedRouter,
    peer: Option<SocketAddr>,
    /// The extensions that the closure of the user has set for the connection.
    extensions: Option<Extensions>,
}

impl Service<Request> for Connection {
    type Response = Response;
    type Error = Infallible;
    type Future = ResponseFuture;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request>::poll_ready(&mut self.router, cx)
    }

    #[inline]
    fn call(&mut self, mut request: Request) -> ResponseFuture {
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        if let Some(extensions) = &self.extensions {
            request.extensions_mut().extend(extensions.clone());
        }
        self.router.call(request)
    }
}
