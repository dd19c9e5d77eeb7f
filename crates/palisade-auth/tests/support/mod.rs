//! Helpers of the tests of this crate.
#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

#[cfg(feature = "redis")]
pub mod redis;

use std::convert::Infallible;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use palisade_auth::{AuthLayer, HmacKeys, Issuer, JwtVerifier};
use palisade_core::time::{UnixTime, WallClock};
use palisade_core::{Principal, RequestScope, SecurityEvent};
use ring::hmac;
use serde_json::{Value, json};
use tower::{Layer, Service, ServiceExt};

/// 2027-01-15T08:00:00Z.
pub const NOW: u64 = 1_800_000_000;
pub const SECRET: &str = "kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu";
pub const OTHER_SECRET: &str = "Zt9QwL3nVb6YxK1rMd8FpS5gHc2JeU7o";

pub fn clock() -> WallClock {
    WallClock::from_fn(|| UnixTime::from_secs(NOW))
}

/// A clock that the test moves, in seconds after [`NOW`].
#[derive(Default, Clone)]
pub struct Clock(Arc<std::sync::atomic::AtomicU64>);

impl Clock {
    pub fn wall(&self) -> WallClock {
        let read = Arc::clone(&self.0);
        WallClock::from_fn(move || {
            UnixTime::from_secs(NOW + read.load(std::sync::atomic::Ordering::Relaxed))
        })
    }

    pub fn pass(&self, seconds: u64) {
        self.0
            .fetch_add(seconds, std::sync::atomic::Ordering::Relaxed);
    }
}

/// The cookie that a browser sends back of a `Set-Cookie`.
pub fn sent_back(set_cookie: &http::HeaderValue) -> String {
    let text = set_cookie.to_str().unwrap();
    text.split(';').next().unwrap().to_owned()
}

pub fn with_cookie(cookie: &str) -> Request<()> {
    Request::get("/").header("cookie", cookie).body(()).unwrap()
}

pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn unb64(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// Signs whatever it is given, with a key made without the crate under test.
pub fn hs256(header: &str, payload: &str, secret: &str) -> String {
    let input = format!("{}.{}", b64(header), b64(payload));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, input.as_bytes());
    format!("{input}.{}", b64(tag))
}

pub const HEADER: &str = r#"{"alg":"HS256","typ":"at+jwt"}"#;

pub fn claims() -> Value {
    json!({
        "iss": "bookings", "sub": "alice", "aud": "api://bookings",
        "iat": NOW, "exp": NOW + 600, "jti": "t-1", "scope": "read write", "roles": ["user"],
    })
}

#[expect(clippy::needless_pass_by_value, reason = "a literal in every call")]
pub fn claims_with(changes: Value) -> String {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.to_string()
}

pub fn claims_without(name: &str) -> String {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims.to_string()
}

pub fn good_token() -> String {
    hs256(HEADER, &claims().to_string(), SECRET)
}

pub fn issuer() -> Issuer {
    Issuer::hmac("bookings", HmacKeys::current(SECRET).unwrap()).audience("api://bookings")
}

pub fn verifier() -> JwtVerifier {
    JwtVerifier::builder()
        .issuer(issuer())
        .clock(clock())
        .build()
        .unwrap()
}

pub type Handled = Response<Full<Bytes>>;

fn described(principal: &Principal) -> String {
    format!(
        "{} {} of {}",
        principal.kind().as_str(),
        principal.subject(),
        principal.issuer()
    )
}

pub struct Answered {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: String,
    pub events: Vec<SecurityEvent>,
}

impl Answered {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn reason(&self) -> &'static str {
        let [event] = &*self.events else {
            panic!("one event, not {:?}", self.events)
        };
        event.reason_code().unwrap()
    }
}

/// Sends one request through a layer to a handler that answers with who called.
pub async fn through<L>(layer: &L, mut request: Request<()>) -> Answered
where
    L: Layer<BoxedHandler>,
    L::Service: Service<Request<()>, Error = Infallible> + Clone,
    <L::Service as Service<Request<()>>>::Response: IntoAnswer,
{
    let scope = RequestScope::enter(request.extensions_mut());
    let inner = BoxedHandler::new(whoami());
    let response = layer.layer(inner).oneshot(request).await.unwrap();
    let (parts, body) = response.into_answer().await;
    Answered {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body,
        events: scope.close(),
    }
}

pub type BoxedHandler = tower::util::BoxCloneSyncService<Request<()>, Handled, Infallible>;

/// A handler that answers with who called.
fn whoami() -> impl Service<
    Request<()>,
    Response = Handled,
    Error = Infallible,
    Future = impl Future<Output = Result<Handled, Infallible>> + Send + 'static,
> + Clone
+ Send
+ Sync
+ 'static {
    tower::service_fn(|request: Request<()>| async move {
        let principal =
            RequestScope::current(request.extensions()).and_then(RequestScope::principal);
        let name = principal.map_or_else(|| "nobody".to_owned(), |known| described(&known));
        Ok(Response::new(Full::new(Bytes::from(name))))
    })
}

pub trait IntoAnswer {
    fn into_answer(self) -> impl Future<Output = (http::response::Parts, String)>;
}

impl<B> IntoAnswer for Response<B>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    async fn into_answer(self) -> (http::response::Parts, String) {
        let (parts, body) = self.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        (parts, String::from_utf8(bytes.to_vec()).unwrap())
    }
}

pub fn get(path: &str) -> Request<()> {
    Request::get(path).body(()).unwrap()
}

pub fn with_token(token: &str) -> Request<()> {
    Request::get("/")
        .header("authorization", format!("Bearer {token}"))
        .body(())
        .unwrap()
}

pub fn grpc(mut request: Request<()>) -> Request<()> {
    *request.method_mut() = http::Method::POST;
    request
        .headers_mut()
        .insert("content-type", "application/grpc".parse().unwrap());
    request
}

pub fn layer() -> AuthLayer {
    AuthLayer::new().bearer(verifier())
}

pub type Shared<T> = Arc<std::sync::Mutex<T>>;
