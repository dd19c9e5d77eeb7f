//! Every layer around the hostile service.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::Body;
use http_body_util::BodyExt;
use palisade_tests::hostile::{Hostile, Odd, Readiness, SAID, Unknown};
use tower::{Layer, Service, ServiceExt};

use crate::layers;

fn request() -> http::Request<Unknown> {
    layers::request(Unknown::new())
}

/// Returns the result of `work`, unless it waits for something that never happens: paused time then runs on by itself.
async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(600), work)
        .await
        .expect("the call hangs")
}

/// Polls so often, and then drops.
fn drop_after<F: Future>(polls: usize, future: F) -> Poll<F::Output> {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    let mut outcome = Poll::Pending;
    for _ in 0..polls {
        outcome = future.as_mut().poll(&mut cx);
        if outcome.is_ready() {
            break;
        }
    }
    outcome
}

/// The text and the trailers of a response.
async fn said<B>(response: Response<B>) -> (String, Option<HeaderMap>)
where
    B: Body<Data = Bytes, Error: std::fmt::Debug>,
{
    let body = response.into_body().collect().await.unwrap();
    let trailers = body.trailers().cloned();
    (
        String::from_utf8(body.to_bytes().to_vec()).unwrap(),
        trailers,
    )
}

macro_rules! contract {
    ($($name:ident: $layer:expr;)+) => {$(
        mod $name {
            use super::*;

            #[tokio::test(start_paused = true)]
            async fn it_waits_until_the_service_is_ready() {
                let inner = Hostile::scripted([Readiness::Pending, Readiness::Pending, Readiness::Ready]);
                let log = inner.log();
                let mut service = $layer.layer(inner);
                let mut polls = 0;
                let ready = poll_fn(|cx| {
                    polls += 1;
                    Service::<http::Request<Unknown>>::poll_ready(&mut service, cx)
                });
                in_time(ready).await.unwrap();
                assert_eq!(polls, 3, "it said that it was ready before the service was");
                let response = in_time(service.call(request())).await.unwrap();
                assert_eq!(response.status(), 200);
                assert_eq!(log.calls.get(), 1);
            }

            #[tokio::test(start_paused = true)]
            async fn it_passes_on_an_error_of_readiness() {
                let inner = Hostile::scripted([Readiness::Fails]);
                let log = inner.log();
                let mut service = $layer.layer(inner);
                let failed = in_time(ServiceExt::<http::Request<Unknown>>::ready(&mut service)).await;
                assert_eq!(failed.err(), Some(Odd::new("readiness")));
                assert_eq!(log.calls.get(), 0);
            }

            #[tokio::test(start_paused = true)]
            async fn it_calls_the_very_service_that_was_ready() {
                // Ready once: whoever asks a second time, or asks a clone, waits for ever.
                let inner = Hostile::scripted([Readiness::Ready]);
                let log = inner.log();
                let mut service = $layer.layer(inner);
                let response = in_time(async { service.ready().await.unwrap().call(request()).await });
                assert_eq!(response.await.unwrap().status(), 200);
                assert_eq!((log.calls.get(), log.answered.get()), (1, 1));
            }

            #[tokio::test(start_paused = true)]
            async fn its_clones_ask_for_themselves() {
                let inner = Hostile::scripted([Readiness::Ready, Readiness::Pending, Readiness::Ready]);
                let mut service = $layer.layer(inner);
                in_time(ServiceExt::<http::Request<Unknown>>::ready(&mut service)).await.unwrap();
                let mut clone = service.clone();
                assert_eq!(in_time(service.call(request())).await.unwrap().status(), 200);
                let later = in_time(async { clone.ready().await.unwrap().call(request()).await });
                assert_eq!(later.await.unwrap().status(), 200);
            }

            #[tokio::test(start_paused = true)]
            async fn asking_whether_it_is_ready_takes_nothing() {
                let layer = $layer;
                let inner = Hostile::willing();
                for _ in 0..1_000 {
                    let mut service = layer.layer(inner.clone());
                    for _ in 0..3 {
                        in_time(ServiceExt::<http::Request<Unknown>>::ready(&mut service)).await.unwrap();
                    }
                }
                let response = in_time(layer.layer(inner).oneshot(request())).await.unwrap();
                assert_eq!(response.status(), 200);
            }

            #[tokio::test(start_paused = true)]
            async fn it_passes_on_an_error_of_a_call() {
                let service = $layer.layer(Hostile::willing().failing());
                let failed = in_time(service.oneshot(request())).await;
                assert_eq!(failed.err(), Some(Odd::new("call")));
            }

            #[tokio::test(start_paused = true)]
            async fn it_passes_on_the_body_and_its_trailers() {
                let inner = Hostile::willing().pausing(2);
                let log = inner.log();
                let response = in_time($layer.layer(inner).oneshot(request())).await.unwrap();
                let (text, trailers) = in_time(said(response)).await;
                assert_eq!(text, SAID);
                assert_eq!(trailers.unwrap()["x-trailer"], "kept");
                assert_eq!(log.bodies_dropped.get(), 1);
            }

            #[tokio::test(start_paused = true)]
            async fn cancelled_at_any_await_it_loses_nothing() {
                const PAUSES: usize = 3;
                let layer = $layer;
                let inner = Hostile::willing().pausing(PAUSES);
                let log = inner.log();
                for round in 0..1_000 {
                    let mut service = layer.layer(inner.clone());
                    in_time(ServiceExt::<http::Request<Unknown>>::ready(&mut service)).await.unwrap();
                    let outcome = drop_after(round % (PAUSES + 1), service.call(request()));
                    assert!(outcome.is_pending());
                }
                assert_eq!(log.calls.get(), log.dropped.get(), "a call was kept after it was dropped");
                let response = in_time(layer.layer(inner).oneshot(request())).await.unwrap();
                assert_eq!(in_time(said(response)).await.0, SAID);
            }

            #[tokio::test(start_paused = true)]
            async fn a_body_that_is_dropped_midway_loses_nothing() {
                let layer = $layer;
                let inner = Hostile::willing();
                let log = inner.log();
                for frames in 0..100 {
                    let response = in_time(layer.layer(inner.clone()).oneshot(request())).await.unwrap();
                    let mut body = Box::pin(response.into_body());
                    for _ in 0..frames % 3 {
                        in_time(body.frame()).await.unwrap().unwrap();
                    }
                }
                assert_eq!(log.bodies_dropped.get(), 100);
                let response = in_time(layer.layer(inner).oneshot(request())).await.unwrap();
                assert_eq!(in_time(said(response)).await.0, SAID);
            }
        }
    )+};
}

contract! {
    scope: layers::scope();
    scope_leaked: layers::scope().leak();
    request_id: layers::request_id();
    request_id_off: palisade_headers::RequestIdLayer::off();
    propagate_request_id: layers::propagate_request_id();
    propagate_request_id_off: palisade_headers::PropagateRequestIdLayer::off();
    security_headers: layers::security_headers();
    security_headers_off: palisade_headers::SecurityHeadersLayer::off();
    cors: layers::cors();
    cors_off: palisade_headers::CorsLayer::off();
    cookies: layers::cookies();
    cookies_off: palisade_headers::CookieLayer::off();
    https_redirect: layers::https_redirect();
    https_redirect_leaked: layers::https_redirect().leak();
    https_redirect_off: palisade_headers::HttpsRedirectLayer::off();
    origin_lookup: layers::origin_lookup();
    origin_lookup_off: palisade_headers::OriginLookupLayer::off();
    cross_origin_guard: layers::cross_origin_guard();
    cross_origin_guard_off: palisade_headers::CrossOriginGuardLayer::off();
    rate_limit: layers::rate_limit();
    rate_limit_leaked: layers::rate_limit().leak();
    rate_limit_off: palisade_ratelimit::RateLimitLayer::off();
    auth: layers::auth();
    auth_leaked: layers::auth().leak();
    auth_off: palisade_auth::AuthLayer::off();
    require_scope: layers::require_scope();
    require_role: layers::require_role();
    audit: layers::audit();
    audit_off: palisade_audit::AuditLayer::off();
    field_crypto: layers::field_crypto();
    field_crypto_off: palisade_crypto::FieldCryptoLayer::off();
    breaker: layers::breaker();
    breaker_leaked: layers::breaker().leak();
    breaker_off: layers::breaker().off();
    retry: layers::retry();
    secrets: layers::secrets().await;
    secrets_leaked: layers::secrets().await.leak();
    secrets_off: palisade_secrets::SecretsLayer::off();
    bearer_fixed: layers::bearer_fixed();
    bearer_rotating: layers::bearer_rotating().await;
    bearer_off: palisade_secrets::BearerLayer::off();
    stack: layers::stack();
    stack_leaked: layers::stack().leak();
    stack_off: palisade::Stack::new();
}
