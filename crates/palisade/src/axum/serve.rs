//! A server for a protected router that clients cannot exhaust by being slow.

mod body;
mod exchange;
mod io;
mod places;
mod run;
mod settings;
#[cfg(feature = "tls")]
mod tls;
mod traffic;
mod watch;

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ::axum::serve::Listener;
use http::Extensions;

pub use self::run::Drained;
use self::run::{OnConnect, Stop};
use self::settings::Settings;
use super::ProtectedRouter;

/// Serves a protected router over HTTP/1 and HTTP/2, with limits on the time and the number of connections.
///
/// `axum::serve` waits without end for a client that has sent half of a request, and lets one client open as many
/// connections as there are file descriptors. This server takes the same listeners and closes such connections.
///
/// | limit | default | reason |
/// |---|---|---|
/// | [`header_timeout`](Server::header_timeout) | 10 s | a head fits into a few packets, also over a slow link |
/// | [`idle_timeout`](Server::idle_timeout) | 75 s | longer than the 60 s after which common load balancers close their side, so that they never send a request into a connection that is being closed |
/// | [`transfer_timeout`](Server::transfer_timeout) | 30 s | a client that lost its network for a moment recovers within it |
/// | [`least_rate`](Server::least_rate) | 500 bytes a second | slower than any network in use |
/// | [`max_connections`](Server::max_connections) | 10,000 | about 100 MB of buffers at worst |
/// | [`max_connections_per_address`](Server::max_connections_per_address) | a quarter of all | a client cannot keep the others out, and a proxy still has room |
/// | [`drain`](Server::drain) | 30 s | as long as orchestrators wait by default before they kill |
///
/// Beyond these, a head of more than 64 KiB or 100 fields is refused (HTTP/1), a header list of more than 16 KiB and
/// more than 200 streams at once too (HTTP/2), and a connection whose client resets streams faster than they are taken
/// up is closed (CVE-2023-44487), as one that continues a header block without end is.
///
/// Timeouts are enforced by a check that runs at every connection four times within the shortest of them, at least every
/// five seconds: they are exceeded by a quarter of the shortest at most, and cost requests nothing.
///
/// # Example
///
/// ```no_run
/// use axum::{Router, routing::get};
/// use palisade::{Stack, axum::{protect, serve}};
///
/// # async fn main_() -> std::io::Result<()> {
/// let router = Router::new().route("/", get(|| async { "hello" }));
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
/// serve(listener, protect(router, Stack::new()))
///     .with_graceful_shutdown(async { tokio::signal::ctrl_c().await.unwrap_or(()) })
///     .await;
/// # Ok(())
/// # }
/// ```
///
/// # Behind a proxy
///
/// Peers that the stack's [`ClientIp`](crate::ClientIp) trusts are not limited by address. Time limits hold for them as
/// for everyone: a proxy that buffers requests never meets them.
#[must_use = "a server does nothing unless it is awaited"]
pub fn serve<L: Listener>(listener: L, router: ProtectedRouter) -> Server<L> {
    Server {
        listener,
        router,
        settings: Settings::default(),
        on_connect: None,
        stop: None,
    }
}

/// A server that is being set up; see [`serve`]. Awaiting it runs it.
///
/// # Cancel safety
///
/// Dropping the future closes the listener and every connection at once, but for those that were upgraded, as WebSockets
/// are: these belong to the tasks of their handlers.
pub struct Server<L: Listener> {
    listener: L,
    router: ProtectedRouter,
    settings: Settings,
    on_connect: Option<OnConnect<L>>,
    stop: Option<Stop>,
}

impl<L: Listener> Server<L> {
    /// Sets the longest time from the first byte of a request to the end of its head, from a new connection to the end
    /// of its first head, and of a TLS handshake; default 10 s. At least a millisecond.
    #[must_use]
    pub fn header_timeout(mut self, timeout: Duration) -> Self {
        self.settings.header = settings::at_least_a_milli(timeout);
        self
    }

    /// Sets the longest time that a connection is kept without a request; default 75 s. At least a millisecond.
    ///
    /// While every place for a connection is taken it is a second at most.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.settings.idle = settings::at_least_a_milli(timeout);
        self
    }

    /// Sets the longest time that a transfer of a body may stand still, in either direction; default 30 s. At least a
    /// millisecond.
    ///
    /// Only waiting for the client counts: neither a handler that takes its time, nor a stream that has nothing to send.
    #[must_use]
    pub fn transfer_timeout(mut self, timeout: Duration) -> Self {
        self.settings.transfer = settings::at_least_a_milli(timeout);
        self
    }

    /// Sets the least rate of a transfer in bytes a second, 1 to 4,294,967,295; default 500. `None` asks for a few
    /// bytes (64 of a response, one of a request) within every [`transfer_timeout`](Self::transfer_timeout) and no more,
    /// which streams of messages with long pauses need, such as those that clients send over gRPC.
    ///
    /// A transfer has its `transfer_timeout` and a second for each so many bytes.
    #[must_use]
    pub fn least_rate(mut self, bytes_per_second: Option<u32>) -> Self {
        self.settings.least_rate = bytes_per_second.unwrap_or(0);
        self
    }

    /// Sets the most connections at once, upgraded ones included; default 10,000. At least 1.
    ///
    /// One more waits in the listener's backlog until a place is free, and idle connections are closed after a second
    /// meanwhile. Keep it below the limit of open files.
    #[must_use]
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.settings.connections = connections.clamp(1, settings::MOST_CONNECTIONS);
        self
    }

    /// Sets the most connections at once from one IPv4 address or IPv6 /64; default a quarter of
    /// [`max_connections`](Self::max_connections). At least 1.
    ///
    /// One more is closed as soon as it is accepted. Peers without an IP address, and trusted proxies, are not limited.
    #[must_use]
    pub fn max_connections_per_address(mut self, connections: usize) -> Self {
        self.settings.per_address = Some(connections.max(1));
        self
    }

    /// Sets the time that requests under way get once the server is told to stop; default 30 s.
    #[must_use]
    pub fn drain(mut self, time: Duration) -> Self {
        self.settings.drain = time;
        self
    }

    /// Stops when the future ends: accepts no connection any more, closes idle ones, lets requests under way end, and
    /// closes what is left after the time of [`drain`](Self::drain).
    #[must_use]
    pub fn with_graceful_shutdown<F>(mut self, stop: F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.stop = Some(Box::pin(stop));
        self
    }

    /// Runs a closure on every connection, before its TLS handshake; what it inserts into the extensions is cloned into
    /// every request of the connection. See [`ProtectedRouter::on_connect`].
    #[must_use]
    pub fn on_connect<F>(mut self, on_connect: F) -> Self
    where
        F: Fn(&L::Io, &L::Addr, &mut Extensions) + Send + Sync + 'static,
    {
        self.on_connect = Some(Arc::new(on_connect));
        self
    }

    /// Speaks TLS, by rustls.
    ///
    /// The handshake has the time of [`header_timeout`](Self::header_timeout) and holds up no other connection. Requests
    /// are known to have come over TLS (`palisade::headers::security::OverTls`, feature `headers`), and carry the
    /// client's [`PeerCertificates`] where the configuration asks for them. HTTP/2 takes
    /// `config.alpn_protocols = vec![b"h2".into(), b"http/1.1".into()]`.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, config: Arc<tokio_rustls::rustls::ServerConfig>) -> Self {
        self.settings.tls = Some(config);
        self
    }
}

#[cfg(feature = "tls")]
pub use self::tls::PeerCertificates;

impl<L> IntoFuture for Server<L>
where
    L: Listener,
    L::Addr: 'static,
{
    type Output = Drained;
    type IntoFuture = Pin<Box<dyn Future<Output = Drained> + Send>>;

    /// Serves until the server is told to stop, and for ever without [`with_graceful_shutdown`](Self::with_graceful_shutdown).
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(run::run(
            self.listener,
            self.router,
            self.settings,
            self.on_connect,
            self.stop,
        ))
    }
}

impl<L: Listener> fmt::Debug for Server<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
