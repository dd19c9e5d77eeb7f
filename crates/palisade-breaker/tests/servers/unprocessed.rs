//! Retries of what no server has processed, whatever the method. A server that speaks HTTP/2 frame by frame, in real time.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use palisade_breaker::RetryLayer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

/// The behaviour of the server towards a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Answers,
    /// RST_STREAM with this code.
    Resets(u32),
    /// GOAWAY with this code and a last stream below that of the request.
    GoesAwayBefore(u32),
    /// GOAWAY with this code and the request's as the last stream; then the connection ends.
    GoesAwayAfter(u32),
}

/// RFC 9113, section 7.
const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;
const ENHANCE_YOUR_CALM: u32 = 11;

/// RFC 9113, section 6.
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

#[derive(Clone)]
struct Server {
    addr: SocketAddr,
    deeds: Arc<Mutex<VecDeque<Deed>>>,
}

impl Server {
    /// It does all of these, one for each request.
    async fn start(deeds: &[Deed]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            addr: listener.local_addr().unwrap(),
            deeds: Arc::new(Mutex::new(deeds.iter().copied().collect())),
        };
        let accepting = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = accepting.clone();
                // It ends with an error when the client hangs up.
                tokio::spawn(async move { server.serve(stream).await });
            }
        });
        server
    }

    async fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut preface = [0; 24];
        stream.read_exact(&mut preface).await?;
        write(&mut stream, SETTINGS, 0, 0, &[]).await?;
        loop {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await?;
            let [a, b, c, kind, flags, id @ ..] = head;
            let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
            stream.read_exact(&mut payload).await?;
            let id = u32::from_be_bytes(id);
            match kind {
                SETTINGS if flags == 0 => write(&mut stream, SETTINGS, 1, 0, &[]).await?,
                HEADERS => {
                    let deed = self.deeds.lock().unwrap().pop_front();
                    let go_away = |last: u32, code: u32| [last.to_be_bytes(), code.to_be_bytes()];
                    match deed.expect("more requests than deeds") {
                        // `:status: 200` of HPACK's static table (RFC 7541, appendix A), and no body.
                        Deed::Answers => write(&mut stream, HEADERS, 5, id, &[0x88]).await?,
                        Deed::Resets(code) => {
                            write(&mut stream, RST_STREAM, 0, id, &code.to_be_bytes()).await?;
                        }
                        Deed::GoesAwayBefore(code) => {
                            let payload = go_away(id - 1, code);
                            write(&mut stream, GOAWAY, 0, 0, payload.as_flattened()).await?;
                        }
                        Deed::GoesAwayAfter(code) => {
                            let payload = go_away(id, code);
                            write(&mut stream, GOAWAY, 0, 0, payload.as_flattened()).await?;
                            return Ok(());
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn left(&self) -> usize {
        self.deeds.lock().unwrap().len()
    }
}

async fn write(
    stream: &mut TcpStream,
    kind: u8,
    flags: u8,
    id: u32,
    payload: &[u8],
) -> io::Result<()> {
    let [_, a, b, c] = (payload.len() as u32).to_be_bytes();
    let mut frame = vec![a, b, c, kind, flags];
    frame.extend_from_slice(&id.to_be_bytes());
    frame.extend_from_slice(payload);
    stream.write_all(&frame).await
}

fn layer() -> RetryLayer {
    RetryLayer::default()
        .backoff(Duration::from_millis(1), 1.0)
        .budget(10.0, 10)
}

fn request(method: Method, addr: SocketAddr) -> Request<Full<Bytes>> {
    let request = Request::builder()
        .method(method)
        .uri(format!("http://{addr}/orders"));
    request.body(Full::from("one")).unwrap()
}

/// The status of a call of hyper-util's client.
async fn hyper(layer: RetryLayer, method: Method, addr: SocketAddr) -> Option<u16> {
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http();
    let response = layer.layer(client).oneshot(request(method, addr)).await;
    response.ok().map(|response| response.status().as_u16())
}

/// The same behind a breaker, with a boxed error.
async fn boxed(layer: RetryLayer, method: Method, addr: SocketAddr) -> Option<u16> {
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http();
    let service = ServiceBuilder::new()
        .layer(layer.judge(palisade_breaker::HttpRetry::default().boxed()))
        .layer(palisade_breaker::BreakerLayer::http("orders"))
        .map_err(tower::BoxError::from)
        .service(client);
    let response = service.oneshot(request(method, addr)).await;
    response.ok().map(|response| response.status().as_u16())
}

/// The same of a channel of tonic.
async fn tonic(layer: RetryLayer, method: Method, addr: SocketAddr) -> Option<u16> {
    let uri = format!("http://{addr}").parse().unwrap();
    let channel = tonic::transport::Channel::builder(uri).connect_lazy();
    let service = ServiceBuilder::new()
        .layer(layer)
        .map_request(|request: Request<Full<Bytes>>| request.map(tonic::body::Body::new))
        .service(channel);
    let response = service.oneshot(request(method, addr)).await;
    response.ok().map(|response| response.status().as_u16())
}

#[cfg(feature = "reqwest")]
async fn reqwest(layer: RetryLayer, method: Method, addr: SocketAddr) -> Option<u16> {
    // Without its own retries.
    let client = ::reqwest::Client::builder()
        .http2_prior_knowledge()
        .retry(::reqwest::retry::never())
        .build()
        .unwrap();
    let url = format!("http://{addr}/orders").parse().unwrap();
    let mut request = ::reqwest::Request::new(method, url);
    *request.body_mut() = Some("one".into());
    let response = layer.layer(client).oneshot(request).await;
    response.ok().map(|response| response.status().as_u16())
}

#[cfg(not(feature = "reqwest"))]
use hyper as reqwest;

/// Each of the clients against a server that does this: how the call ends, and the deeds that are left.
async fn each_client(
    layer: &RetryLayer,
    method: &Method,
    deeds: &[Deed],
    expected: (Option<u16>, usize),
) {
    macro_rules! check {
        ($($client:ident)*) => {$(
            let server = Server::start(deeds).await;
            let status = $client(layer.clone(), method.clone(), server.addr).await;
            assert_eq!((status, server.left()), expected, "{} {method} {deeds:?}", stringify!($client));
        )*};
    }
    check! { hyper boxed tonic reqwest }
}

#[tokio::test]
async fn what_no_server_has_processed_is_tried_again_whatever_the_method() {
    for method in [Method::POST, Method::PATCH, Method::GET] {
        for unprocessed in [
            Deed::Resets(REFUSED_STREAM),
            Deed::GoesAwayBefore(NO_ERROR),
            Deed::GoesAwayBefore(ENHANCE_YOUR_CALM),
        ] {
            let deeds = [unprocessed, unprocessed, Deed::Answers];
            each_client(&layer(), &method, &deeds, (Some(200), 0)).await;
        }
    }
}

#[tokio::test]
async fn what_a_server_may_have_processed_is_tried_again_where_the_method_allows_it() {
    for processed in [
        Deed::Resets(INTERNAL_ERROR),
        Deed::GoesAwayAfter(NO_ERROR),
        Deed::GoesAwayAfter(REFUSED_STREAM),
    ] {
        let deeds = [processed, Deed::Answers];
        each_client(&layer(), &Method::POST, &deeds, (None, 1)).await;
        each_client(&layer(), &Method::GET, &deeds, (Some(200), 0)).await;
    }
    // As far as it is known: it was cancelled by somebody.
    let deeds = [Deed::Resets(CANCEL), Deed::Answers];
    each_client(&layer(), &Method::POST, &deeds, (None, 1)).await;
}

#[tokio::test]
async fn attempts_bound_what_no_server_has_processed() {
    let deeds = [Deed::Resets(REFUSED_STREAM); 4];
    each_client(&layer(), &Method::POST, &deeds, (None, 1)).await;
    let layer = layer().retry_unprocessed(false);
    each_client(&layer, &Method::POST, &deeds, (None, 3)).await;
    each_client(&layer, &Method::GET, &deeds, (None, 1)).await;
}

#[tokio::test]
async fn a_connection_that_is_refused_is_tried_again_whatever_the_method() {
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    macro_rules! check {
        ($($client:ident)*) => {$(
            let retries = Arc::new(Mutex::new(Vec::new()));
            let told = Arc::clone(&retries);
            let observed = layer().on_retry(move |retry| told.lock().unwrap().push(retry.attempt));
            assert_eq!($client(observed, Method::POST, nobody).await, None);
            assert_eq!(*retries.lock().unwrap(), [2, 3], stringify!($client));
        )*};
    }
    check! { hyper boxed tonic reqwest }
}

#[tokio::test(start_paused = true)]
async fn grpc_counts_only_attempts_that_a_server_may_have_processed() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    let layer = RetryLayer::default()
        .attempts(5)
        .insecure_any_method()
        .budget(10.0, 0);
    let service = layer.layer(service_fn(move |request: Request<String>| {
        let before = request.headers().get("grpc-previous-rpc-attempts");
        let before = before.map(|before| before.to_str().unwrap().to_owned());
        let mut seen = kept.lock().unwrap();
        seen.push(before);
        // Refused, unavailable, refused, unavailable, and then well.
        let answer = match seen.len() {
            1 | 3 => Err(io::Error::from(io::ErrorKind::ConnectionRefused)),
            2 | 4 => Ok("14"),
            _ => Ok("0"),
        };
        let answer = answer.map(|status| {
            let response = Response::builder().header("grpc-status", status);
            response.body(String::new()).unwrap()
        });
        std::future::ready(answer)
    }));
    let request = Request::post("/")
        .header("content-type", "application/grpc")
        .body(String::new())
        .unwrap();
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.headers()["grpc-status"], "0");
    let one = || Some("1".to_owned());
    let expected = [None, None, one(), one(), Some("2".to_owned())];
    assert_eq!(*seen.lock().unwrap(), expected);
}
