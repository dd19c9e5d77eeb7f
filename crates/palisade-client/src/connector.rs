use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower_service::Service;

use crate::error::ConnectTimeout;
use crate::proxy::Proxies;

type BoxError = Box<dyn Error + Send + Sync>;
type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;
/// A connection to the server or to its proxy, which may itself speak TLS.
type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Connects within a time that includes the proxy's answer and the handshake of TLS.
#[derive(Clone)]
pub(crate) struct Connector {
    https: HttpsConnector<Route>,
    limit: Duration,
}

impl Connector {
    pub(crate) fn new(tls: &Arc<ClientConfig>, proxies: Proxies, limit: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        // Shared out over the addresses of a name, so that the first one cannot use it up.
        tcp.set_connect_timeout(Some(limit));
        let route = Route {
            to_proxy: HttpsConnector::from((tcp.clone(), Arc::clone(tls))),
            tcp,
            proxies: Arc::new(proxies),
        };
        Self {
            https: HttpsConnector::from((route, Arc::clone(tls))),
            limit,
        }
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<Stream>;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(cx)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let (connecting, limit) = (self.https.call(target), self.limit);
        Box::pin(async move {
            match timeout(limit, connecting).await {
                Ok(connected) => connected,
                Err(_) => Err(ConnectTimeout(limit).into()),
            }
        })
    }
}

/// Connects to the server, or asks its proxy to.
#[derive(Clone)]
struct Route {
    tcp: HttpConnector,
    to_proxy: HttpsConnector<HttpConnector>,
    proxies: Arc<Proxies>,
}

impl Service<Uri> for Route {
    type Response = Stream;
    type Error = BoxError;
    type Future = Connecting<Stream>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // Both connectors are always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let Some(proxy) = self.proxies.of_connection(&target) else {
            let connecting = self.tcp.call(target);
            return Box::pin(async move { Ok(MaybeHttpsStream::Http(connecting.await?)) });
        };
        let mut tunnel = Tunnel::new(proxy.uri().clone(), self.to_proxy.clone());
        if let Some(credentials) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(credentials.clone());
        }
        let connecting = tunnel.call(target);
        Box::pin(async move { Ok(connecting.await?) })
    }
}
