//! The sites that the browser and the graders see, over TLS with a certificate of a private authority.

use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{any, get};
use http::StatusCode;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use palisade_headers::security::{Csp, Source};
use palisade_headers::{CspNonce, HeaderOverrides, SecurityHeadersLayer};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tower::ServiceExt;

use crate::policies::policy;

/// Every host that the scripts ask for, below `.test`; no wildcard counts directly below a top-level domain.
const HOSTS: [&str; 10] = [
    "api",
    "page",
    "target",
    "cdn",
    "attacker",
    "app",
    "evil",
    "tenant",
    "a.tenant",
    "a.b.tenant",
];

/// Both servers; they stop when this is dropped.
pub(crate) struct Servers {
    pub(crate) https: u16,
    pub(crate) http: u16,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Servers {
    /// The servers, and the certificate of their authority in PEM.
    pub(crate) fn start() -> (Self, String) {
        let (acceptor, authority) = tls();
        let bind = || {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.set_nonblocking(true).unwrap();
            let port = listener.local_addr().unwrap().port();
            (listener, port)
        };
        let ((secure, https), (plain, http)) = (bind(), bind());
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let sites = Arc::new(Sites::new());
                let secure = serve(secure, Some(acceptor), Arc::clone(&sites));
                let plain = serve(plain, None, sites);
                tokio::select! {
                    () = secure => {}
                    () = plain => {}
                    _ = stopped => {}
                }
            });
        });
        let servers = Self {
            https,
            http,
            stop: Some(stop),
            thread: Some(thread),
        };
        (servers, authority)
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn tls() -> (TlsAcceptor, String) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // With the name of the leaf it would look as if the leaf had signed itself.
    authority
        .distinguished_name
        .push(DnType::CommonName, "authority of the browser suite");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let hosts = HOSTS.map(|host| format!("{host}.test"));
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(hosts)
        .unwrap()
        .signed_by(&key, &authority)
        .unwrap();
    let chain: Vec<CertificateDer<'static>> = vec![leaf.der().clone(), authority.der().clone()];
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = tokio_rustls::rustls::crypto::ring::default_provider();
    let config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), authority.pem())
}

async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, sites: Arc<Sites>) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let (tls, sites) = (tls.clone(), Arc::clone(&sites));
        tokio::spawn(async move {
            match tls {
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        connection(stream, sites, true).await;
                    }
                }
                None => connection(stream, sites, false).await,
            }
        });
    }
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin, sites: Arc<Sites>, secure: bool) {
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let site = sites.of(&request, secure);
        async move { Ok::<Response, Infallible>(site.oneshot(request.map(Body::new)).await.unwrap()) }
    });
    let http = hyper::server::conn::http1::Builder::new();
    // A browser that closes a connection early is none of our business.
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}

struct Sites {
    api: Router,
    page: Router,
    target: Router,
    script: Router,
    blank: Router,
    redirect: Router,
}

impl Sites {
    fn new() -> Self {
        Self {
            api: Router::new()
                .route(
                    "/",
                    get(|| async { axum::Json(serde_json::json!({ "pong": true })) }),
                )
                .layer(SecurityHeadersLayer::api()),
            page: Router::new()
                .route("/", get(page))
                .route("/attacked", get(attacked_page))
                .layer(SecurityHeadersLayer::page())
                .merge(stored_pages()),
            target: target(),
            script: Router::new().route("/{name}", get(script)),
            blank: Router::new().fallback(|| async { Html("<!doctype html><title>page</title>") }),
            redirect: Router::new().fallback(|request: Request| async move {
                let host = host(&request).to_owned();
                Redirect::permanent(&format!("https://{host}{}", request.uri().path()))
            }),
        }
    }

    fn of(&self, request: &hyper::Request<Incoming>, secure: bool) -> Router {
        let site = match (host(request), secure) {
            ("app.test", false) => &self.blank,
            (_, false) => &self.redirect,
            ("api.test", true) => &self.api,
            ("page.test", true) => &self.page,
            ("target.test", true) => &self.target,
            ("cdn.test" | "attacker.test", true) => &self.script,
            (_, true) => &self.blank,
        };
        site.clone()
    }
}

fn host<B>(request: &http::Request<B>) -> &str {
    let host = request
        .headers()
        .get("host")
        .and_then(|host| host.to_str().ok());
    host.and_then(|host| host.split(':').next())
        .unwrap_or_default()
}

/// One place for each policy of the matrix, and one that tells which cells reached it.
fn target() -> Router {
    let reached = Arc::new(Mutex::new(Vec::<String>::new()));
    let mut router = Router::new();
    for name in ["api", "list", "cookie", "off"] {
        let reached = Arc::clone(&reached);
        let handler = move |method: http::Method, Path(cell): Path<String>| async move {
            // Where CORS is off a preflight reaches the handler too; it is not the request.
            if method != http::Method::OPTIONS {
                reached.lock().unwrap().push(cell);
            }
            "answer"
        };
        let place = Router::new()
            .route("/{cell}", any(handler))
            .layer(policy(name));
        router = router.nest(&format!("/{name}"), place);
    }
    router.route(
        "/reached",
        get(move || async move { axum::Json(reached.lock().unwrap().clone()) }),
    )
}

async fn page(nonce: CspNonce) -> Html<String> {
    Html(format!(
        "<!doctype html><title>page</title><style nonce=\"{nonce}\">p {{ color: red }}</style>\
         <p>hello</p><script nonce=\"{nonce}\">document.title = 'changed'</script>"
    ))
}

/// Pages that the browser stores and asks about again, and how often their answer was 304. One has the policy of its
/// layer, the other one of its own.
fn stored_pages() -> Router {
    let strict = Csp::new().script_src([Source::Nonce]);
    let validations = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&validations);
    let handler = move |Path(kind): Path<String>, nonce: CspNonce, headers: http::HeaderMap| {
        let count = Arc::clone(&count);
        async move {
            let mut overrides = HeaderOverrides::new();
            if kind == "route" {
                overrides = overrides.csp(&Csp::new().script_src([Source::Nonce]));
            }
            let stored = [("cache-control", "no-cache"), ("etag", "\"1\"")];
            let page = Html(format!(
                "<!doctype html><title>stored</title>\
                 <script nonce=\"{nonce}\">document.documentElement.dataset.own = 'ran'</script>\
                 <script>document.documentElement.dataset.injected = 'ran'</script>"
            ));
            if headers.contains_key("if-none-match") {
                count.fetch_add(1, Ordering::Relaxed);
                return (overrides, stored, StatusCode::NOT_MODIFIED).into_response();
            }
            (overrides, stored, page).into_response()
        }
    };
    Router::new()
        .route("/stored/{kind}", get(handler))
        .layer(SecurityHeadersLayer::page().csp_report_only(&strict))
        .route(
            "/validations",
            get(move || async move { axum::Json(validations.load(Ordering::Relaxed)) }),
        )
}

/// Every mark that a script leaves on the root element is one that ran.
async fn attacked_page(nonce: CspNonce) -> Html<String> {
    let mark = |name: &str| format!("document.documentElement.dataset.{name} = 'ran'");
    let load = "const load = document.createElement('script'); load.src = 'https://cdn.test/loaded.js'; \
                document.head.append(load)";
    Html(format!(
        "<!doctype html><html><head><title>page</title>\
         <style nonce=\"{nonce}\">p {{ color: rgb(1, 2, 3) }}</style>\
         <style>p {{ background-color: rgb(4, 5, 6) }}</style>\
         <script nonce=\"{nonce}\">{own}; {load}</script></head><body>\
         <p>What a visitor wrote: <script>{inline}</script>\
         <script nonce=\"guessed\">{guessed}</script>\
         <script src=\"https://attacker.test/injected.js\"></script>\
         <img src=\"/nothing\" onerror=\"{handler}\">\
         <base href=\"https://attacker.test/\"></p>\
         <script nonce=\"{nonce}\">{evaluated}</script></body></html>",
        own = mark("own"),
        inline = mark("inline"),
        guessed = mark("guessed"),
        handler = mark("handler"),
        evaluated = "try { eval(\"document.documentElement.dataset.evaluated = 'ran'\") } catch {}",
    ))
}

async fn script(Path(name): Path<String>) -> ([(&'static str, &'static str); 1], String) {
    let name = name.trim_end_matches(".js");
    (
        [("content-type", "text/javascript")],
        format!("document.documentElement.dataset.{name} = 'ran'"),
    )
}
