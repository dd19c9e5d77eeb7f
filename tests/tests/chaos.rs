//! One stack whose limits and revocations lie in one Redis, under load, while that is killed, started again and hung.

#![allow(missing_docs, reason = "tests")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use palisade::Stack;
use palisade_audit::{Audit, AuditLayer, MemorySink};
use palisade_auth::revocation::RedisRevocation;
use palisade_auth::{AuthLayer, HmacKeys, Issuer, JwtVerifier};
use palisade_core::PeerAddr;
use palisade_ratelimit::{Limit, Outage, Policy, RateLimitLayer, burst, per_second};
use palisade_tests::redis::Redis;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use tokio::time::{Instant, timeout};
use tower::{Layer, ServiceExt, service_fn};

const SECRET: &str = "N0cT3vJq8sYwK5rZ1uXbE7mPfL2hGdA9iOkWzQyD";

/// No answer may take longer, whatever Redis does. The stores give up after some 25 ms each; the rest is for a machine
/// that is busy with other tests.
const LONGEST: Duration = Duration::from_secs(5);
/// By then a change of Redis must have been noticed.
const PATIENCE: Duration = Duration::from_secs(60);

#[allow(
    clippy::disallowed_methods,
    reason = "the verifier under test reads the system's clock"
)]
fn token(subject: &str) -> String {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let claims = format!(
        r#"{{"iss":"bookings","sub":"{subject}","aud":"api://bookings","iat":{now},"exp":{},"jti":"{subject}-1"}}"#,
        now + 600
    );
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"at+jwt"}"#),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    format!(
        "{signed}.{}",
        URL_SAFE_NO_PAD.encode(ring::hmac::sign(&key, signed.as_bytes()))
    )
}

struct House {
    redis: Redis,
    stack: Stack,
    revocation: RedisRevocation,
    sink: MemorySink,
    trail: Option<palisade_audit::Guard>,
    asked: usize,
}

impl House {
    async fn build() -> Self {
        let redis = Redis::start();
        let client = redis::Client::open(redis.url()).unwrap();
        let config = ConnectionManagerConfig::new()
            .set_max_delay(Duration::from_millis(200))
            .set_number_of_retries(1)
            .set_connection_timeout(Some(Duration::from_millis(200)))
            .set_response_timeout(Some(Duration::from_millis(200)));
        let connection = ConnectionManager::new_with_config(client, config)
            .await
            .unwrap();

        let plenty = Limit::token_bucket(per_second(1_000_000), burst(1_000_000));
        let limits = RateLimitLayer::builder()
            .policy(
                Policy::new("clients")
                    .limit(plenty)
                    .on_outage(Outage::LocalFallback {
                        grace: Duration::from_secs(60),
                    }),
            )
            .store(palisade_ratelimit::Redis::new(connection.clone()))
            .build()
            .unwrap();
        let revocation = RedisRevocation::new(connection);
        let jwt = JwtVerifier::builder()
            .issuer(
                Issuer::hmac("bookings", HmacKeys::current(SECRET).unwrap())
                    .audience("api://bookings"),
            )
            .revocation(revocation.clone())
            .build()
            .unwrap();
        let sink = MemorySink::new();
        let (audit, trail) = Audit::builder("chaos")
            .sink(sink.clone())
            .capacity(100_000)
            .open()
            .unwrap();
        let stack = Stack::new()
            .audit(AuditLayer::new(audit))
            .limit_clients(limits)
            .auth(AuthLayer::new().bearer(jwt));
        Self {
            redis,
            stack,
            revocation,
            sink,
            trail: Some(trail),
            asked: 0,
        }
    }

    /// One request as this subject, and its status; never an error, never late.
    async fn ask(&mut self, token: &str) -> u16 {
        self.asked += 1;
        let handler = service_fn(async |_: Request<()>| {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"hello"))))
        });
        let mut request = Request::new(());
        let bearer = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
        request.headers_mut().insert("authorization", bearer);
        let peer: SocketAddr = "203.0.113.7:4433".parse().unwrap();
        request.extensions_mut().insert(PeerAddr(peer));
        let call = self.stack.layer(handler).oneshot(request);
        let Ok(response) = timeout(LONGEST, call).await.expect("an answer in time");
        let status = response.status().as_u16();
        let Ok(_) = response.into_body().collect().await;
        assert!([200, 401, 503].contains(&status), "{status}");
        status
    }

    /// Asks until this is the answer so often in a row.
    async fn until(&mut self, token: &str, wanted: u16, often: usize) {
        let deadline = Instant::now() + PATIENCE;
        let mut in_a_row = 0;
        while in_a_row < often {
            let status = self.ask(token).await;
            in_a_row = if status == wanted { in_a_row + 1 } else { 0 };
            assert!(
                Instant::now() < deadline,
                "{wanted} was not reached, last {status}"
            );
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn redis_comes_and_goes_and_every_request_is_answered_and_recorded() {
    let mut house = House::build().await;
    let (alice, mallory) = (token("alice"), token("mallory"));
    house.until(&alice, 200, 200).await;

    // Killed: nobody can say whether a token is revoked, so nobody passes; the limits go on by themselves.
    house.redis.crash();
    house.until(&alice, 503, 100).await;
    house.redis.restart();
    house.until(&alice, 200, 100).await;

    // Hung: a token that was revoked before does not pass, neither meanwhile nor afterwards.
    house
        .revocation
        .revoke_subject("bookings", "mallory")
        .await
        .unwrap();
    house.until(&mallory, 401, 20).await;
    house.redis.hang();
    house.until(&alice, 503, 50).await;
    assert_eq!(house.ask(&mallory).await, 503);
    house.redis.go_on();
    house.until(&alice, 200, 100).await;
    for _ in 0..100 {
        assert_ne!(house.ask(&mallory).await, 200);
    }

    let (asked, sink) = (house.asked, house.sink.clone());
    let end = house
        .trail
        .take()
        .unwrap()
        .shutdown(Duration::from_secs(30));
    let recorded = sink
        .lines()
        .iter()
        .filter(|line| line.contains(r#""event":"http_request""#))
        .count();
    assert_eq!(
        (recorded as u64 + end.lost, end.complete),
        (asked as u64, true)
    );
}
