use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use ::axum::serve::Listener;
use http::Extensions;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use palisade_core::time;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval_at, timeout};

use super::exchange::Exchanges;
use super::io::CountedIo;
use super::places::{Place, Places};
use super::settings::Settings;
use super::traffic::Traffic;
use super::watch::{Overdue, Watch};
use crate::axum::ProtectedRouter;
use crate::axum::connection::socket_addr;

/// The longest head of HTTP/1, which is also the buffer of a connection.
const LONGEST_HEAD: usize = 64 * 1024;

/// HTTP/2 pings a client that is silent, so that one that is gone does not keep its requests.
const PING_EVERY: Duration = Duration::from_secs(20);

/// The orders of the server to its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Serve,
    /// End when the requests under way have ended.
    Drain,
    /// End now.
    Close,
}

pub(super) type OnConnect<L> = Arc<
    dyn Fn(&<L as Listener>::Io, &<L as Listener>::Addr, &mut Extensions) + Send + Sync + 'static,
>;
pub(super) type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The end of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// Connections that were still open when the time to drain was over, upgraded ones included.
    pub cut_off: usize,
}

pub(super) async fn run<L>(
    mut listener: L,
    router: ProtectedRouter,
    settings: Settings,
    on_connect: Option<OnConnect<L>>,
    stop: Option<Stop>,
) -> Drained
where
    L: Listener,
    L::Addr: 'static,
{
    let places = Arc::new(Places::new(
        settings.connections,
        settings.per_address(),
        router.proxies.clone(),
    ));
    let http = Arc::new(http());
    let settings = Arc::new(settings);
    let (orders, order) = watch::channel(Order::Serve);
    // A server that is dropped closes its connections: the sender goes with it.
    let mut stop = pin!(async move {
        match stop {
            Some(stop) => stop.await,
            None => std::future::pending().await,
        }
    });
    loop {
        let accepted = async {
            let permit = places.wait().await?;
            let (io, addr) = listener.accept().await;
            Some((permit, io, addr))
        };
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = accepted => accepted,
        };
        let Some((permit, io, addr)) = accepted else {
            break;
        };
        let peer = socket_addr(&addr);
        let Some(place) = places.take(permit, peer.map(|peer| peer.ip())) else {
            tracing::debug!(target: "palisade", reason = "connections_per_address", "connection closed");
            continue;
        };
        let mut extensions = Extensions::new();
        if let Some(on_connect) = &on_connect {
            on_connect(&io, &addr, &mut extensions);
        }
        let peer = Peer {
            router: router.clone(),
            addr: peer,
            extensions,
            http: Arc::clone(&http),
            settings: Arc::clone(&settings),
            places: Arc::clone(&places),
            order: order.clone(),
        };
        tokio::spawn(peer.serve(io, place));
    }
    drop(listener);
    orders.send_replace(Order::Drain);
    let _ = timeout(settings.drain, places.all_free()).await;
    let cut_off = places.taken();
    orders.send_replace(Order::Close);
    Drained { cut_off }
}

fn http() -> Builder<TokioExecutor> {
    let mut http = Builder::new(TokioExecutor::new());
    http.http1()
        .max_buf_size(LONGEST_HEAD)
        // The watch of a connection does it, from its first byte on.
        .header_read_timeout(None);
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_EVERY)
        .max_concurrent_streams(200)
        .max_header_list_size(16 * 1024)
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(1024);
    http
}

/// One connection and what it takes to serve it.
struct Peer {
    router: ProtectedRouter,
    addr: Option<SocketAddr>,
    extensions: Extensions,
    http: Arc<Builder<TokioExecutor>>,
    settings: Arc<Settings>,
    places: Arc<Places>,
    order: watch::Receiver<Order>,
}

impl Peer {
    async fn serve<I>(self, io: I, place: Place)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let traffic = Arc::new(Traffic::default());
        let io = CountedIo::new(io, Arc::clone(&traffic), place);
        self.shake_hands(io, traffic).await;
    }

    #[cfg(feature = "tls")]
    async fn shake_hands<I>(mut self, io: I, traffic: Arc<Traffic>)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Some(config) = self.settings.tls.clone() else {
            return self.drive(io, traffic).await;
        };
        let within = self.settings.header;
        let mut order = self.order.clone();
        tokio::select! {
            shaken = super::tls::accept(config, io, within, &mut self.extensions) => match shaken {
                Ok(io) => self.drive(io, traffic).await,
                Err(reason) => tracing::debug!(target: "palisade", reason, "connection closed"),
            },
            // Nothing is under way yet.
            _ = order.changed() => {}
        }
    }

    #[cfg(not(feature = "tls"))]
    async fn shake_hands<I>(self, io: I, traffic: Arc<Traffic>)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.drive(io, traffic).await;
    }

    async fn drive<I>(mut self, io: I, traffic: Arc<Traffic>)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let exchanges = Exchanges {
            connection: self.router.connection(self.addr, self.extensions),
            traffic: Arc::clone(&traffic),
            settings: Arc::clone(&self.settings),
        };
        let served = self
            .http
            .serve_connection_with_upgrades(TokioIo::new(io), exchanges);
        let mut served = pin!(served);
        let every = self.settings.check_every();
        let now = time::now();
        let mut watch = Watch::new(now);
        let mut checks = interval_at(now + every, every);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                ended = served.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(target: "palisade", error = error.as_ref(), "connection failed");
                    }
                    return;
                }
                changed = self.order.changed() => {
                    match *self.order.borrow_and_update() {
                        Order::Drain if changed.is_ok() => served.as_mut().graceful_shutdown(),
                        _ => return,
                    }
                }
                now = checks.tick() => {
                    let is_full = self.places.is_full();
                    let reading = traffic.reading();
                    if let Some(overdue) = watch.check(&self.settings, is_full, now, reading) {
                        return closed(overdue);
                    }
                }
            }
        }
    }
}

fn closed(overdue: Overdue) {
    tracing::debug!(target: "palisade", reason = overdue.as_str(), "connection closed");
}
