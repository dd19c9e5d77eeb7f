//! Every status and path through a real axum server: all of them carry the headers of the preset.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::response::{Html, IntoResponse};
use axum::routing::{get, post};
use http::{StatusCode, header};
use palisade_core::{Code, Rejection};
use palisade_headers::{
    CorsLayer, CrossOriginGuardLayer, CspNonce, HeaderOverrides, RequestIdLayer,
    SecurityHeadersLayer,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

/// A server that stops when it is dropped.
struct Server {
    addr: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Answer {
    status: u16,
    headers: BTreeMap<String, Vec<String>>,
    body: String,
}

impl Server {
    async fn start(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { addr, task }
    }

    async fn ask(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
        let mut lines = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n",
            self.addr
        );
        for line in headers {
            lines.push_str(&format!("{line}\r\n"));
        }
        if !body.is_empty() {
            lines.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        stream
            .write_all(format!("{lines}\r\n{body}").as_bytes())
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            headers
                .entry(name.to_owned())
                .or_default()
                .push(value.to_owned());
        }
        Answer {
            status,
            headers,
            body: body.to_owned(),
        }
    }
}

fn routes() -> Router {
    let status = |code: u16| get(move || async move { StatusCode::from_u16(code).unwrap() });
    Router::new()
        .route("/ok", get(|| async { "hello" }))
        .route("/created", status(201))
        .route("/empty", status(204))
        .route(
            "/moved",
            get(|| async { (StatusCode::FOUND, [(header::LOCATION, "/ok")]) }),
        )
        .route(
            "/cached",
            get(|| async { (StatusCode::NOT_MODIFIED, [(header::ETAG, "\"1\"")]) }),
        )
        .route("/bad", status(400))
        .route(
            "/unknown",
            get(|| async { Rejection::new(Code::Authentication) }),
        )
        .route(
            "/upload",
            post(|body: Bytes| async move { body.len().to_string() }),
        )
        .route(
            "/limited",
            get(|| async { Rejection::new(Code::RateLimit).retry_after(Duration::from_secs(2)) }),
        )
        .route("/fail", status(500))
        .route("/down", status(503))
        .route("/slow", get(std::future::pending::<()>))
        .route(
            "/panic",
            get(|| async {
                if true {
                    panic!("on purpose")
                }
            }),
        )
        .layer(DefaultBodyLimit::max(8))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::GATEWAY_TIMEOUT,
            Duration::from_millis(50),
        ))
        .layer(CatchPanicLayer::new())
}

fn protected(headers: SecurityHeadersLayer) -> Router {
    routes()
        .layer(CrossOriginGuardLayer::new())
        .layer(
            CorsLayer::builder()
                .origins(["https://app.example"])
                .try_build()
                .unwrap(),
        )
        .layer(headers)
        .layer(RequestIdLayer::new())
}

const PREFLIGHT: &str = "access-control-request-method: POST";
const APP: &str = "origin: https://app.example";
const EVIL: &str = "origin: https://evil.example";

/// Method, path, headers, body and the status that follows.
const GRID: [(&str, &str, &[&str], &str, u16); 23] = [
    ("GET", "/ok", &[], "", 200),
    ("HEAD", "/ok", &[], "", 200),
    ("GET", "/ok?x=1", &[], "", 200),
    ("GET", "/ok", &[APP], "", 200),
    ("GET", "/ok", &[EVIL], "", 200),
    ("GET", "/created", &[], "", 201),
    ("GET", "/empty", &[], "", 204),
    ("GET", "/moved", &[], "", 302),
    ("GET", "/cached", &[], "", 304),
    ("GET", "/bad", &[], "", 400),
    ("GET", "/unknown", &[], "", 401),
    ("POST", "/upload", &[EVIL], "1", 403),
    ("POST", "/upload", &["sec-fetch-site: cross-site"], "1", 403),
    ("GET", "/nowhere", &[], "", 404),
    ("GET", "//", &[], "", 404),
    ("DELETE", "/ok", &[], "", 405),
    ("OPTIONS", "/ok", &[], "", 405),
    ("OPTIONS", "/ok", &[APP, PREFLIGHT], "", 204),
    ("OPTIONS", "/ok", &[EVIL, PREFLIGHT], "", 403),
    ("POST", "/upload", &[], "123456789", 413),
    ("GET", "/limited", &[], "", 429),
    ("GET", "/panic", &[], "", 500),
    ("GET", "/slow", &[], "", 504),
];

async fn every_answer_carries(headers: SecurityHeadersLayer, expected: &[(&str, &str)]) {
    let server = Server::start(protected(headers)).await;
    for (method, path, sent, body, status) in GRID {
        let answer = server.ask(method, path, sent, body).await;
        let place = format!("{method} {path} {sent:?}");
        assert_eq!(answer.status, status, "{place}");
        for (name, value) in expected {
            let found = answer.headers.get(*name).map(Vec::as_slice);
            // An answer of the service itself may say more about caching than the preset does.
            if *name == "cache-control"
                && [401, 403, 429].contains(&status)
                && found != Some(&[(*value).to_owned()])
            {
                assert_eq!(found, Some(&["no-store".to_owned()][..]), "{place}");
                continue;
            }
            assert_eq!(found, Some(&[(*value).to_owned()][..]), "{place}: {name}");
        }
        assert_eq!(answer.headers["x-request-id"][0].len(), 36, "{place}");
        let vary = answer.headers["vary"].join(", ");
        assert!(vary.contains("Origin"), "{place}: {vary}");
    }
}

#[tokio::test]
async fn every_status_and_path_carries_the_api_preset() {
    let api = SecurityHeadersLayer::api();
    every_answer_carries(
        api,
        &[
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
            (
                "strict-transport-security",
                "max-age=31536000; includeSubDomains",
            ),
            (
                "content-security-policy",
                "default-src 'none'; frame-ancestors 'none'",
            ),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
            ("x-xss-protection", "0"),
        ],
    )
    .await;
}

#[tokio::test]
async fn every_status_and_path_carries_the_page_preset() {
    every_answer_carries(
        SecurityHeadersLayer::page().leak(),
        &[
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
            (
                "strict-transport-security",
                "max-age=31536000; includeSubDomains",
            ),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("origin-agent-cluster", "?1"),
        ],
    )
    .await;
}

#[tokio::test]
async fn every_status_and_path_carries_the_owasp_preset() {
    every_answer_carries(
        SecurityHeadersLayer::owasp(),
        &[
            ("cache-control", "no-store, max-age=0"),
            ("cross-origin-embedder-policy", "require-corp"),
            ("x-permitted-cross-domain-policies", "none"),
            ("x-frame-options", "deny"),
        ],
    )
    .await;
}

#[tokio::test]
async fn every_status_and_path_carries_the_older_presets() {
    let block = ("x-xss-protection", "1; mode=block");
    every_answer_carries(
        SecurityHeadersLayer::classic(),
        &[block, ("content-security-policy", "default-src 'self'")],
    )
    .await;
    every_answer_carries(
        SecurityHeadersLayer::reverse_proxy(),
        &[block, ("x-frame-options", "SAMEORIGIN")],
    )
    .await;
}

async fn page(nonce: CspNonce) -> impl IntoResponse {
    Html(format!("<script nonce=\"{nonce}\">1</script>"))
}

#[tokio::test]
async fn an_axum_handler_takes_its_nonce_and_changes_its_policy() {
    let sandboxed = || async {
        (
            HeaderOverrides::new()
                .omit(header::X_FRAME_OPTIONS)
                .no_store(),
            "framed",
        )
    };
    let router = Router::new()
        .route("/", get(page))
        .route("/framed", get(sandboxed))
        .layer(SecurityHeadersLayer::page());
    let server = Server::start(router).await;
    let first = server.ask("GET", "/", &[], "").await;
    let nonce = first.body.split('"').nth(1).unwrap();
    let policy = &first.headers["content-security-policy"][0];
    assert!(
        policy.contains(&format!("script-src 'nonce-{nonce}' 'strict-dynamic'")),
        "{policy}"
    );
    let second = server.ask("GET", "/", &[], "").await;
    assert_ne!(first.body, second.body);

    let framed = server.ask("GET", "/framed", &[], "").await;
    assert!(!framed.headers.contains_key("x-frame-options"));
    assert_eq!(framed.headers["cache-control"], ["no-store"]);
}

#[tokio::test]
async fn a_handler_that_needs_a_nonce_fails_without_a_policy_for_one() {
    let router = Router::new()
        .route("/", get(page))
        .layer(SecurityHeadersLayer::api());
    let server = Server::start(router).await;
    assert_eq!(server.ask("GET", "/", &[], "").await.status, 500);
}
