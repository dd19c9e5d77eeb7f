//! A protected router behind every kind of listener, asked by real clients.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::serve::{IncomingStream, Listener, ListenerExt};
use axum::{Extension, Router, routing::get};
use palisade::audit::{Audit, AuditLayer, MemorySink};
use palisade::axum::protect;
use palisade::headers::security::{HstsWhen, OverTls, SecurityHeadersLayer};
use palisade::headers::{
    CookieLayer, CorsLayer, CrossOriginGuardLayer, HttpsRedirectLayer, OriginLookupLayer,
    RequestIdLayer,
};
use palisade::ratelimit::{Limit, NoKey, Policy, RateLimitLayer, burst, per_minute};
use palisade::{ClientIp, PeerAddr, Stack};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_rustls::rustls;
use tokio_rustls::{TlsAcceptor, TlsConnector, server::TlsStream};

/// Answers with the peer's address as a handler sees it.
fn router() -> Router {
    Router::new().route(
        "/",
        get(
            async |peer: Option<Extension<ConnectInfo<SocketAddr>>>| match peer {
                Some(Extension(ConnectInfo(peer))) => peer.ip().to_string(),
                None => "nobody".to_owned(),
            },
        ),
    )
}

/// Two requests a minute for each address.
fn limited(no_key: NoKey) -> RateLimitLayer {
    let policy = Policy::new("clients").limit(Limit::token_bucket(per_minute(1), burst(2)));
    let layer = RateLimitLayer::builder().policy(policy).no_key(no_key);
    layer.build().unwrap()
}

/// A directory with a socket, removed at the end.
struct Socket {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

impl Socket {
    fn new() -> (Self, UnixListener) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let socket = Self {
            _directory: directory,
            path,
        };
        (socket, listener)
    }

    /// The answer to one request with these header lines.
    async fn ask(&self, lines: &str) -> String {
        exchange(UnixStream::connect(&self.path).await.unwrap(), lines).await
    }
}

async fn exchange(mut io: impl AsyncRead + AsyncWrite + Unpin, lines: &str) -> String {
    let request = format!("GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{lines}\r\n");
    io.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A client of TLS need not be told that the stream ends.
    let _ = io.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

#[track_caller]
fn assert_status(answer: &str, status: u16) {
    assert!(
        answer.starts_with(&format!("HTTP/1.1 {status} ")),
        "{answer}"
    );
}

#[tokio::test]
async fn peers_on_a_unix_socket_are_counted_together_and_recorded_without_an_address() {
    let trail = MemorySink::new();
    let (audit, guard) = Audit::builder("unix").sink(trail.clone()).open().unwrap();
    let stack = Stack::new()
        .request_id(RequestIdLayer::new())
        .audit(AuditLayer::new(audit))
        .client_ip(ClientIp::trusting(["127.0.0.1"]).unwrap())
        .limit_clients(limited(NoKey::Share));
    let (socket, listener) = Socket::new();
    tokio::spawn(axum::serve(listener, protect(router(), stack)).into_future());

    // What they forward is not believed: it would give each of them an address of its own.
    let first = socket.ask("x-forwarded-for: 203.0.113.1\r\n").await;
    assert_status(&first, 200);
    assert!(first.ends_with("nobody"), "{first}");
    assert!(first.contains("\r\nx-request-id: "), "{first}");
    assert_status(&socket.ask("x-forwarded-for: 203.0.113.2\r\n").await, 200);
    assert_status(&socket.ask("x-forwarded-for: 203.0.113.3\r\n").await, 429);

    guard.shutdown(Duration::from_secs(5));
    let records = trail.lines();
    let of_requests = records
        .iter()
        .filter(|line| line.contains("\"http_request\""));
    assert_eq!(of_requests.count(), 3, "{records:?}");
    for record in records {
        assert!(!record.contains("client_ip"), "{record}");
        assert!(!record.contains("203.0.113."), "{record}");
    }
}

#[tokio::test]
async fn peers_without_an_address_are_refused_where_a_limit_says_so() {
    let stack = Stack::new().limit_clients(limited(NoKey::Refuse));
    let (socket, listener) = Socket::new();
    tokio::spawn(axum::serve(listener, protect(router(), stack)).into_future());
    assert_status(&socket.ask("").await, 503);
}

#[tokio::test]
async fn a_proxy_on_a_unix_socket_is_trusted_once_it_has_an_address() {
    let stack = Stack::new()
        .client_ip(ClientIp::trusting(["127.0.0.1"]).unwrap())
        .limit_clients(limited(NoKey::Share));
    let (socket, listener) = Socket::new();
    let router = protect(router(), stack).on_connect(
        |stream: &IncomingStream<'_, UnixListener>, extensions| {
            assert!(stream.io().peer_cred().is_ok());
            extensions.insert(PeerAddr(([127, 0, 0, 1], 0).into()));
        },
    );
    tokio::spawn(axum::serve(listener, router).into_future());

    for client in ["203.0.113.1", "203.0.113.2"] {
        let forwarded = format!("x-forwarded-for: {client}\r\n");
        for status in [200, 200, 429] {
            assert_status(&socket.ask(&forwarded).await, status);
        }
    }
}

#[tokio::test]
async fn a_tapped_listener_says_who_the_peer_is() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
    let stack = Stack::new().limit_clients(limited(NoKey::Refuse));
    tokio::spawn(axum::serve(listener, protect(router(), stack)).into_future());
    for status in [200, 200, 429] {
        let answer = exchange(TcpStream::connect(addr).await.unwrap(), "").await;
        assert_status(&answer, status);
        assert_eq!(answer.ends_with("127.0.0.1"), status == 200, "{answer}");
    }
}

/// A listener for TLS as users write one.
struct TlsListener {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            let Ok((stream, addr)) = self.tcp.accept().await else {
                continue;
            };
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, addr);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// A certificate for `localhost`, and a client that knows it.
fn tls() -> (TlsAcceptor, TlsConnector) {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let server = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let client = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server).into(), Arc::new(client).into())
}

#[tokio::test]
async fn a_listener_for_tls_says_who_the_peer_is_and_that_it_is_tls() {
    let (acceptor, connector) = tls();
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = tcp.local_addr().unwrap();
    let headers = SecurityHeadersLayer::api().hsts_when(HstsWhen::OverTls(ClientIp::peer()));
    let stack = Stack::new()
        .security_headers(headers)
        .limit_clients(limited(NoKey::Refuse));
    let router =
        protect(router(), stack).on_connect(|_: &IncomingStream<'_, TlsListener>, extensions| {
            extensions.insert(OverTls);
        });
    tokio::spawn(axum::serve(TlsListener { tcp, acceptor }, router).into_future());

    let stream = TcpStream::connect(addr).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let answer = exchange(connector.connect(name, stream).await.unwrap(), "").await;
    assert_status(&answer, 200);
    assert!(answer.ends_with("127.0.0.1"), "{answer}");
    assert!(
        answer.contains("\r\nstrict-transport-security: "),
        "{answer}"
    );
}

#[tokio::test]
async fn a_redirect_has_headers_id_and_record_and_cookies_are_hardened() {
    let trail = MemorySink::new();
    let (audit, guard) = Audit::builder("web").sink(trail.clone()).open().unwrap();
    let stack = Stack::new()
        .request_id(RequestIdLayer::new())
        .security_headers(SecurityHeadersLayer::api())
        .audit(AuditLayer::new(audit))
        .https_redirect(HttpsRedirectLayer::new())
        .cookies(CookieLayer::new())
        .limit_clients(limited(NoKey::Share));
    let router = Router::new().route("/", get(async || [("set-cookie", "id=1")]));
    let (socket, listener) = Socket::new();
    let router =
        protect(router, stack).on_connect(|_: &IncomingStream<'_, UnixListener>, extensions| {
            extensions.insert(PeerAddr(([127, 0, 0, 1], 0).into()));
        });
    tokio::spawn(axum::serve(listener, router).into_future());

    let mut outside = UnixStream::connect(&socket.path).await.unwrap();
    let request = b"GET /x HTTP/1.1\r\nhost: shop.example\r\nconnection: close\r\n\r\n";
    outside.write_all(request).await.unwrap();
    let mut redirect = String::new();
    outside.read_to_string(&mut redirect).await.unwrap();
    assert_status(&redirect, 301);
    for field in [
        "location: https://shop.example/x\r\n",
        "x-content-type-options: nosniff\r\n",
        "x-request-id: ",
    ] {
        assert!(redirect.contains(field), "{redirect}");
    }
    let inside = socket.ask("").await;
    assert_status(&inside, 200);
    let cookie = "set-cookie: id=1; Secure; HttpOnly; SameSite=Lax\r\n";
    assert!(inside.contains(cookie), "{inside}");

    guard.shutdown(Duration::from_secs(5));
    let records = trail.lines();
    let redirected = |line: &&String| line.contains("\"status\":301");
    assert_eq!(records.iter().filter(redirected).count(), 1, "{records:?}");
}

#[tokio::test]
async fn a_stack_waits_for_the_lookup_of_an_origin() {
    let lookup = OriginLookupLayer::new(async |origin: String| {
        tokio::task::yield_now().await;
        origin == "https://shop.example"
    });
    let cors = CorsLayer::builder().origins_by_lookup().credentials(true);
    let stack = Stack::new()
        .request_id(RequestIdLayer::new())
        .origin_lookup(lookup)
        .cors(cors.try_build().unwrap())
        .cross_origin_guard(CrossOriginGuardLayer::new());
    let (socket, listener) = Socket::new();
    let router = Router::new().route("/", get(async || "read"));
    tokio::spawn(axum::serve(listener, protect(router, stack)).into_future());
    for (origin, allowed) in [
        ("https://shop.example", true),
        ("https://evil.example", false),
    ] {
        let answer = socket.ask(&format!("origin: {origin}\r\n")).await;
        assert_status(&answer, 200);
        let field = format!("access-control-allow-origin: {origin}\r\n");
        assert_eq!(answer.contains(&field), allowed, "{answer}");
        assert!(answer.contains("x-request-id: "), "{answer}");
        // A WebSocket has effects, and so asks the guard.
        let upgrade = format!("origin: {origin}\r\nupgrade: websocket\r\ncookie: session=1\r\n");
        let status = if allowed { 200 } else { 403 };
        assert_status(&socket.ask(&upgrade).await, status);
    }
}
