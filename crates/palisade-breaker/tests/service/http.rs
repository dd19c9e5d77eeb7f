//! HTTP: what counts as a failure, bodies that break off, and answers in the place of errors.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use palisade_breaker::{BreakerLayer, HttpHealth, Outcome, State};
use palisade_core::{EventKind, RequestScope};
use tower::{Layer, Service, ServiceExt};

use crate::common::{Scripted, advance, secs};

fn status(code: u16) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from("body"));
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    response
}

async fn call<S: Service<Request<()>>>(service: S) -> Result<S::Response, S::Error> {
    service.oneshot(Request::new(())).await
}

#[test]
fn five_hundreds_fail_and_429_is_overload() {
    let health = HttpHealth::default();
    for code in 100..=599 {
        let expected = match code {
            429 => Outcome::Overload,
            500..=599 => Outcome::Failure,
            _ => Outcome::Success,
        };
        let code = StatusCode::from_u16(code).unwrap();
        assert_eq!(health.outcome(code), expected, "{code}");
    }
}

#[test]
fn other_statuses_can_be_made_to_fail() {
    let health = HttpHealth::default()
        .fail_on([401, 99, 1_000])
        .fail_on([403, 429]);
    for (code, expected) in [
        (401, Outcome::Failure),
        (403, Outcome::Failure),
        (429, Outcome::Failure),
        (500, Outcome::Failure),
        (404, Outcome::Success),
        (999, Outcome::Success),
    ] {
        assert_eq!(
            health.outcome(StatusCode::from_u16(code).unwrap()),
            expected
        );
    }
    assert_eq!(
        format!("{health:?}"),
        "HttpHealth { fail_on: [401, 403, 429] }"
    );
}

// tower-resilience 0.14: 1,000 HTTP 500s never trip it.
#[tokio::test(start_paused = true)]
async fn responses_of_500_open_it() {
    let service = Scripted::new((0..5).map(|_| Ok(status(500))));
    let guarded = BreakerLayer::http("x").layer(service);
    for _ in 0..5 {
        assert_eq!(call(guarded.clone()).await.unwrap().status(), 500);
    }
    assert!(call(guarded).await.unwrap_err().rejected().is_some());
}

#[tokio::test(start_paused = true)]
async fn errors_open_it_and_client_errors_do_not() {
    let answers = (0..20).map(|i| {
        if i % 4 == 0 {
            Err("reset")
        } else {
            Ok(status(404))
        }
    });
    let layer = BreakerLayer::http("x");
    let guarded = layer.layer(Scripted::new(answers));
    for _ in 0..16 {
        let _ = call(guarded.clone()).await;
    }
    assert_eq!(layer.handle().metrics().failures, 4);
    let _ = call(guarded).await;
    assert_eq!(layer.handle().state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_token_gone_bad_can_be_a_failure() {
    let layer = BreakerLayer::http("x").failure_threshold(1).fail_on([401]);
    let guarded = layer.layer(Scripted::new([Ok(status(403)), Ok(status(401))]));
    let _ = call(guarded.clone()).await;
    assert_eq!(layer.handle().state(), State::Closed);
    let _ = call(guarded).await;
    assert_eq!(layer.handle().state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn retry_after_lengthens_the_open_time() {
    for (asked, open_for) in [
        ("90", 90),
        ("30", 60),
        // A year, a day that is past, and what is no time at all.
        ("31536000", 600),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 60),
        ("-90", 60),
        ("90.5", 60),
        ("", 60),
        // Beyond 64 bits it is still a long time.
        ("99999999999999999999", 600),
        // The two obsolete forms of a date, which recipients must read (RFC 9110, section 5.6.7): in the year 2045.
        ("Monday, 06-Nov-45 08:49:37 GMT", 600),
        ("Mon Nov  6 08:49:37 2045", 600),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 60),
        ("Sun Nov  6 08:49:37 1994", 60),
    ] {
        let mut response = status(503);
        let headers = response.headers_mut();
        headers.insert("retry-after", asked.parse().unwrap());
        let layer = BreakerLayer::http("x").failure_threshold(1);
        let _ = call(layer.layer(Scripted::new([Ok(response)]))).await;
        assert_eq!(
            layer.handle().retry_after(),
            Some(secs(open_for)),
            "{asked}"
        );
    }
}

type Frames = Vec<Result<http_body::Frame<Bytes>, &'static str>>;

fn streaming(frames: Frames) -> Response<impl http_body::Body<Data = Bytes, Error = &'static str>> {
    Response::new(StreamBody::new(futures_util::stream::iter(frames)))
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_adds_a_failure_once() {
    let layer = BreakerLayer::http("x");
    let data = || Ok(http_body::Frame::data(Bytes::from_static(b"half")));
    let response = streaming(vec![data(), Err("reset"), Err("again")]);
    let guarded = layer.layer(Scripted::new([Ok(response)]));
    let mut body = call(guarded).await.unwrap().into_body();
    assert!(body.frame().await.unwrap().is_ok());
    assert_eq!(layer.handle().metrics().failures, 0);
    assert_eq!(body.frame().await.unwrap().unwrap_err(), "reset");
    assert!(body.frame().await.unwrap().is_err());
    assert_eq!(layer.handle().metrics().failures, 1);
}

#[tokio::test(start_paused = true)]
async fn bodies_read_whole_or_dropped_count_as_nothing_more() {
    let layer = BreakerLayer::http("x").failure_threshold(1);
    let guarded = layer.layer(Scripted::new([Ok(status(200)), Ok(status(200))]));
    let read = call(guarded.clone()).await.unwrap().into_body();
    assert_eq!(read.collect().await.unwrap().to_bytes(), "body");
    drop(call(guarded).await.unwrap());
    assert_eq!(layer.handle().metrics().failures, 0);
}

#[tokio::test(start_paused = true)]
async fn a_trial_settles_at_the_headers_and_its_broken_body_counts_afterwards() {
    let layer = BreakerLayer::http("x").failure_threshold(1);
    let breaker = layer.handle();
    let response = streaming(vec![Err("reset")]);
    let guarded = layer.layer(Scripted::new([Err("down"), Ok(response)]));
    assert!(call(guarded.clone()).await.is_err());
    advance(secs(60)).await;
    let response = call(guarded).await.unwrap();
    assert_eq!(breaker.state(), State::Closed);
    assert!(response.into_body().collect().await.is_err());
    assert_eq!(breaker.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_body_from_before_the_trip_says_nothing_about_now() {
    let layer = BreakerLayer::http("x").failure_threshold(1);
    let breaker = layer.handle();
    let response = streaming(vec![Err("reset")]);
    let early = call(layer.layer(Scripted::new([Ok(response)])))
        .await
        .unwrap();
    breaker.try_acquire().unwrap().failure();
    advance(secs(60)).await;
    breaker.try_acquire().unwrap().success();
    assert!(early.into_body().collect().await.is_err());
    assert_eq!(breaker.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn respond_when_open_keeps_the_error_type_and_answers_503() {
    let layer = BreakerLayer::http("internal-ledger").respond_when_open();
    let handler = tower::service_fn(|_: Request<()>| async { Ok::<_, Infallible>(status(500)) });
    let guarded = layer.layer(handler);
    for _ in 0..5 {
        let _ = guarded.clone().oneshot(Request::new(())).await;
    }
    advance(secs(10)).await;
    let mut request = Request::new(());
    let scope = RequestScope::enter(request.extensions_mut());
    let answer: Result<_, Infallible> = guarded.oneshot(request).await;
    let (head, body) = answer.unwrap().into_parts();
    assert_eq!(head.status, 503);
    assert_eq!(head.headers["retry-after"], "50");
    assert_eq!(head.headers["content-type"], "application/problem+json");
    let body = body.collect().await.unwrap().to_bytes();
    let body = std::str::from_utf8(&body).unwrap();
    assert!(body.contains(r#""code":"SERVICE_UNAVAILABLE""#), "{body}");
    assert!(
        !body.contains("ledger"),
        "an open breaker does not name itself"
    );

    let events = scope.close();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].kind(), EventKind::BreakerRejection);
    assert_eq!(events[0].reason_code(), Some("open"));
    assert_eq!(events[0].policy_name().unwrap().as_str(), "internal-ledger");
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_with_no_time_known_is_told_one_second() {
    let layer = BreakerLayer::http("x").respond_when_open();
    layer.handle().force_open();
    let guarded = layer.layer(Scripted::new([Ok(status(200))]));
    let response = guarded.oneshot(Request::new(())).await.unwrap();
    assert_eq!(response.headers()["retry-after"], "1");
}
