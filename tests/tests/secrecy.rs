//! Canaries: secrets that go into the whole stack come out nowhere, be it a log, a record, an answer or a `Debug`.
//!
//! A binary of its own, because it listens to all threads of the process.

#![allow(missing_docs, reason = "tests")]

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fmt::{Debug, Write};
use std::net::SocketAddr;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use palisade::Stack;
use palisade_audit::{Audit, AuditLayer, MemorySink};
use palisade_auth::{AuthLayer, HmacKeys, Issuer, JwtVerifier, ServiceToken};
use palisade_breaker::BreakerLayer;
use palisade_core::PeerAddr;
use palisade_crypto::{FieldCipher, FieldCryptoLayer, Fields, Key, Keyring};
use palisade_headers::{CorsLayer, CrossOriginGuardLayer, RequestIdLayer, SecurityHeadersLayer};
use palisade_ratelimit::{KeyChain, Limit, Policy, RateLimitLayer, burst, per_hour};
use palisade_secrets::{BearerLayer, EnvVars, Environment, Secrets};
use tower::{Layer, ServiceExt, service_fn};
use tracing::field::{Field, Visit};

// Made for this test with `openssl rand -base64 32` and the like. None may ever be seen again.
const SERVICE_TOKEN: &str = "yvR3JmUq0x5cQf1sZ8kT7dWnB2aLhG9oEi4pXuYw";
const HMAC_SECRET: &str = "N0cT3vJq8sYwK5rZ1uXbE7mPfL2hGdA9iOkWzQyD";
const WRONG_TOKEN: &str = "Zk4uR9wXeB1tYqLs0VnHcM6jGfDa3oP8iKxT2yNb";
const API_KEY: &str = "pk_Qm3nXz81_vB6yLw0sTqRfJ2hKe9UdGoA4iPcN7xZm_kk31";
const PASSWORD: &str = "correct-horse-9931-battery-staple";
const COOKIE: &str = "s3ss1on-Yt7Lk2Qw9RxZb4Vn";
const TRACK: &str = "claimed-key-Uq8Zr5Lx2Wn";
const CARD: &str = "4111111111111111";
const EMAIL: &str = "canary.bird@coal-mine.example";

const CANARIES: [&str; 9] = [
    SERVICE_TOKEN,
    HMAC_SECRET,
    WRONG_TOKEN,
    API_KEY,
    PASSWORD,
    COOKIE,
    TRACK,
    CARD,
    EMAIL,
];

/// Every event and span of every thread: its target, and its fields as text.
#[derive(Default)]
struct Heard {
    targets: BTreeSet<String>,
    text: String,
}

fn heard() -> &'static Mutex<Heard> {
    static HEARD: OnceLock<Mutex<Heard>> = OnceLock::new();
    HEARD.get_or_init(Mutex::default)
}

struct Listener;

struct Writer<'a>(&'a mut String);

impl Visit for Writer<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = writeln!(self.0, "{field}={value:?}");
    }
}

impl tracing::Subscriber for Listener {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        let mut heard = heard().lock().unwrap_or_else(PoisonError::into_inner);
        span.record(&mut Writer(&mut heard.text));
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, values: &tracing::span::Record<'_>) {
        let mut heard = heard().lock().unwrap_or_else(PoisonError::into_inner);
        values.record(&mut Writer(&mut heard.text));
    }

    fn event(&self, event: &tracing::Event<'_>) {
        let mut heard = heard().lock().unwrap_or_else(PoisonError::into_inner);
        heard.targets.insert(event.metadata().target().to_owned());
        event.record(&mut Writer(&mut heard.text));
    }

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

fn stack(sink: &MemorySink) -> (Stack, palisade_audit::Guard) {
    let (audit, guard) = Audit::builder("canary")
        .sink(sink.clone())
        .headers(["authorization", "cookie", "x-api-key", "referer"])
        .open()
        .unwrap();
    let keys = HmacKeys::current(HMAC_SECRET).unwrap();
    let jwt = JwtVerifier::builder()
        .issuer(Issuer::hmac("bookings", keys).audience("api://bookings"))
        .build()
        .unwrap();
    let auth = AuthLayer::new()
        .bearer(jwt)
        .service(ServiceToken::new("crm", SERVICE_TOKEN).unwrap())
        .unwrap();
    let key = KeyChain::new()
        .claimed_header("x-track-id")
        .authorization()
        .client_ip();
    let limits = RateLimitLayer::builder()
        .key(key)
        .policy(Policy::new("canary").limit(Limit::token_bucket(per_hour(1), burst(3))))
        .build()
        .unwrap();
    let cipher = FieldCipher::new(Keyring::single(Key::generate().unwrap()).unwrap());
    let stack = Stack::new()
        .request_id(RequestIdLayer::new())
        .security_headers(SecurityHeadersLayer::api())
        .audit(AuditLayer::new(audit))
        .cors(CorsLayer::api())
        .cross_origin_guard(CrossOriginGuardLayer::new())
        .limit_clients(limits)
        .auth(auth)
        .field_crypto(FieldCryptoLayer::new(cipher).encrypt_response(Fields::DEFAULT_SENSITIVE));
    (stack, guard)
}

fn request(authorization: &str, track: &str) -> Request<Full<Bytes>> {
    let query =
        format!("/rooms?password={PASSWORD}&token={SERVICE_TOKEN}&api_key={API_KEY}&email={EMAIL}");
    let mut request = Request::post(query)
        .body(Full::new(Bytes::from(PASSWORD)))
        .unwrap();
    let referer = format!("https://user:{PASSWORD}@app.example/?token={WRONG_TOKEN}");
    for (name, value) in [
        ("authorization", authorization),
        ("cookie", &format!("session={COOKIE}")),
        ("x-api-key", API_KEY),
        ("x-track-id", track),
        ("referer", &referer),
    ] {
        if !value.is_empty() {
            request
                .headers_mut()
                .append(name, HeaderValue::from_str(value).unwrap());
        }
    }
    let peer: SocketAddr = "203.0.113.7:4433".parse().unwrap();
    request.extensions_mut().insert(PeerAddr(peer));
    request
}

async fn answer(stack: &Stack, request: Request<Full<Bytes>>) -> (u16, String) {
    let handler = service_fn(async |_: Request<Full<Bytes>>| {
        let body = format!(
            r#"{{"id":7,"email":"{EMAIL}","credit_card":"{CARD}","password_hash":"{PASSWORD}"}}"#
        );
        let mut response = Response::new(Full::new(Bytes::from(body)));
        response
            .headers_mut()
            .insert("content-type", HeaderValue::from_static("application/json"));
        Ok::<_, Infallible>(response)
    });
    let Ok(response) = stack.layer(handler).oneshot(request).await;
    let (head, body) = response.into_parts();
    let Ok(body) = body.collect().await;
    let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    (head.status.as_u16(), format!("{:?}\n{body}", head.headers))
}

#[track_caller]
fn no_canary_in(place: &str, text: &str) {
    for canary in CANARIES {
        assert!(!text.contains(canary), "{canary} in {place}:\n{text}");
    }
}

#[tokio::test]
async fn no_secret_that_goes_in_comes_out_anywhere() {
    tracing::subscriber::set_global_default(Listener).unwrap();
    let sink = MemorySink::new();
    let (stack, guard) = stack(&sink);

    let mut statuses = Vec::new();
    for (authorization, track) in [
        (format!("Bearer {SERVICE_TOKEN}"), ""),
        (format!("Bearer {WRONG_TOKEN}"), TRACK),
        (format!("Bearer {WRONG_TOKEN} {SERVICE_TOKEN}"), TRACK),
        (format!("Basic {PASSWORD}"), TRACK),
        // The fourth under one claimed key is over the limit.
        (format!("Bearer {SERVICE_TOKEN}"), TRACK),
        (String::new(), ""),
    ] {
        let (status, shown) = answer(&stack, request(&authorization, track)).await;
        no_canary_in("an answer", &shown);
        statuses.push(status);
    }
    assert_eq!(statuses[0], 200);
    assert!(
        statuses[1..4]
            .iter()
            .all(|status| [400, 401].contains(status)),
        "{statuses:?}"
    );
    assert_eq!(statuses[4..], [429, 401], "{statuses:?}");

    guard.shutdown(Duration::from_secs(5));
    let lines = sink.lines();
    assert!(
        lines
            .iter()
            .filter(|line| line.contains("http_request"))
            .count()
            >= 6,
        "{lines:#?}"
    );
    no_canary_in("the trail", &lines.join("\n"));

    let variables = EnvVars::from_fn(|name| (name == "TOKEN").then(|| SERVICE_TOKEN.to_owned()));
    let secrets = Secrets::builder(Environment::Production)
        .provider(variables)
        .build()
        .await
        .unwrap();
    let token = secrets.secret("TOKEN").await.unwrap();
    let keys = HmacKeys::current(HMAC_SECRET).unwrap();
    let shown = format!(
        "{stack:?} {:?} {secrets:?} {token:?} {:?} {keys:?} {:?} {:?}",
        stack.layer(()),
        BearerLayer::fixed(SERVICE_TOKEN).unwrap(),
        ServiceToken::new("crm", SERVICE_TOKEN).unwrap(),
        HmacKeys::current(PASSWORD).err(),
    );
    no_canary_in("a Debug", &shown);

    trip_a_breaker().await;
    let heard = heard().lock().unwrap();
    no_canary_in("a log", &heard.text);
    // Each crate speaks under its own name and no other.
    let known = [
        "palisade_audit",
        "palisade_auth",
        "palisade_breaker",
        "palisade_core",
        "palisade_crypto",
        "palisade_headers",
        "palisade_ratelimit",
        "palisade_secrets",
    ];
    let ours: Vec<&String> = heard
        .targets
        .iter()
        .filter(|target| target.starts_with("palisade"))
        .collect();
    assert!(
        ours.iter().all(|target| known.contains(&target.as_str())),
        "{ours:?}"
    );
    for expected in ["palisade_auth", "palisade_breaker", "palisade_ratelimit"] {
        assert!(
            heard.targets.contains(expected),
            "{expected} said nothing: {ours:?}"
        );
    }
}

async fn trip_a_breaker() {
    let layer = BreakerLayer::new("canary").failure_threshold(1);
    let failing = service_fn(async |_: ()| Err::<(), _>(std::io::ErrorKind::ConnectionRefused));
    assert!(layer.layer(failing).oneshot(()).await.is_err());
}
