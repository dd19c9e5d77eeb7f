//! A limited service as its clients see it.

use std::time::Duration;

use crate::support::*;
use palisade_core::time::{UnixTime, WallClock};
use palisade_core::{EventKind, Principal, RequestScope};
use palisade_ratelimit::{
    HOUR, Headers, KeyChain, Limit, MINUTE, Policy, RateLimitBuilder, RateLimitLayer, burst,
    per_minute, per_second,
};
use tower::Layer;

const A: &str = "203.0.113.7";
const B: &str = "203.0.113.8";

fn limited(limit: Limit) -> RateLimitBuilder {
    RateLimitLayer::builder().policy(Policy::new("api").limit(limit))
}

fn ten_a_second() -> RateLimitBuilder {
    limited(Limit::token_bucket(per_second(10), burst(20)))
}

fn one_an_hour() -> RateLimitBuilder {
    limited(Limit::exact(1, HOUR))
}

#[tokio::test(start_paused = true)]
async fn ten_a_second_with_a_burst_of_twenty_admits_twenty_at_once_and_then_ten_a_second() {
    let service = serve(&ten_a_second().build().unwrap());
    assert_eq!(passed(&service, 50, || from(A)).await, 20);
    for _ in 0..30 {
        advance(100).await;
        assert_eq!(passed(&service, 5, || from(A)).await, 1);
    }
    advance(10_000).await;
    assert_eq!(
        passed(&service, 50, || from(A)).await,
        20,
        "a rest saves up no more than the burst"
    );
}

#[tokio::test(start_paused = true)]
async fn keys_do_not_share_a_limit() {
    let service = serve(&one_an_hour().build().unwrap());
    assert_eq!(passed(&service, 2, || from(A)).await, 1);
    assert_eq!(passed(&service, 2, || from(B)).await, 1);
}

#[tokio::test]
async fn of_25_parallel_requests_with_one_track_id_20_pass() {
    let chain = KeyChain::new()
        .claimed_header("x-track-id")
        .authorization()
        .client_ip();
    let layer = limited(Limit::token_bucket(per_minute(1), burst(20)))
        .key(chain)
        .build()
        .unwrap();
    let service = serve(&layer);
    let calls = (0..25_u8).map(|host| {
        let service = service.clone();
        let request = with(from(&format!("203.0.113.{host}")), "x-track-id", "device-1");
        tokio::spawn(async move { status(&service, request).await })
    });
    let mut passed = 0;
    for call in calls.collect::<Vec<_>>() {
        passed += usize::from(call.await.unwrap() == 200);
    }
    assert_eq!(passed, 20);
}

#[tokio::test(start_paused = true)]
async fn the_first_source_of_the_chain_that_answers_wins() {
    let chain = KeyChain::new()
        .principal()
        .claimed_header("x-track-id")
        .authorization()
        .client_ip();
    let service = serve(&one_an_hour().key(chain).build().unwrap());
    let alice = |issuer: &str| by(from(A), Principal::user(issuer, "alice"));
    assert_eq!(
        passed(&service, 2, || with(alice("iss"), "x-track-id", "t")).await,
        1
    );
    assert_eq!(
        passed(&service, 2, || alice("other")).await,
        1,
        "another issuer's alice is somebody else"
    );
    assert_eq!(
        passed(&service, 2, || with(
            with(from(A), "x-track-id", "t"),
            "authorization",
            "x"
        ))
        .await,
        1
    );
    assert_eq!(
        passed(&service, 2, || with(from(A), "authorization", "Bearer t")).await,
        1
    );
    assert_eq!(
        passed(&service, 2, || with(from(A), "x-track-id", "")).await,
        1,
        "an empty header is no answer"
    );
    assert_eq!(
        passed(&service, 1, || from(A)).await,
        0,
        "the address was used by the one before"
    );
}

#[tokio::test(start_paused = true)]
async fn rotating_a_claimed_header_runs_into_the_backstop_of_the_address() {
    for name in ["x-track-id", "authorization"] {
        let chain = KeyChain::new()
            .claimed_header("x-track-id")
            .authorization()
            .client_ip();
        let backstop = Limit::token_bucket(per_second(1), burst(5));
        let service = serve(
            &one_an_hour()
                .key(chain)
                .ip_backstop(backstop)
                .build()
                .unwrap(),
        );
        let mut passed = 0;
        for rotation in 0..100 {
            let request = with(from(A), name, &format!("made-up-{rotation}"));
            passed += usize::from(status(&service, request).await == 200);
        }
        assert_eq!(passed, 5, "{name}");
        assert_eq!(
            status(&service, with(from(B), name, "other")).await,
            200,
            "another address is not held back"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_backstop_refuses_is_not_charged_to_the_key() {
    let chain = KeyChain::new().claimed_header("x-track-id").client_ip();
    let layer = limited(Limit::exact(3, HOUR))
        .key(chain)
        .ip_backstop(Limit::exact(1, MINUTE))
        .build()
        .unwrap();
    let service = serve(&layer);
    let track = || with(from(A), "x-track-id", "t");
    assert_eq!(passed(&service, 10, track).await, 1);
    advance(60_000).await;
    assert_eq!(passed(&service, 10, track).await, 1);
    advance(60_000).await;
    assert_eq!(
        passed(&service, 10, track).await,
        1,
        "27 refusals have not used up the 3"
    );
    advance(60_000).await;
    assert_eq!(passed(&service, 10, track).await, 0);
    assert_eq!(
        passed(&service, 1, || with(from(A), "x-track-id", "u")).await,
        1,
        "nor did these use the backstop"
    );
}

#[tokio::test(start_paused = true)]
async fn several_limits_charge_all_or_nothing() {
    let policy = Policy::new("api")
        .limit(Limit::exact(1, MINUTE))
        .limit(Limit::fixed(3, HOUR));
    let service = serve(&RateLimitLayer::builder().policy(policy).build().unwrap());
    for _ in 0..3 {
        assert_eq!(passed(&service, 20, || from(A)).await, 1);
        advance(60_000).await;
    }
    assert_eq!(
        passed(&service, 20, || from(A)).await,
        0,
        "the hour is used up by what passed, and by no refusal"
    );
}

#[tokio::test(start_paused = true)]
async fn both_families_of_headers_are_written() {
    let clock =
        WallClock::from_fn(|| UnixTime::from_duration(Duration::from_millis(1_700_000_000_250)));
    let service = serve(&ten_a_second().wall_clock(clock).build().unwrap());
    let response = send(&service, from(A)).await;
    // One of 20 tokens is gone; it is back after 0.1 s, at 1,700,000,000.35.
    assert_eq!(header(&response, "x-ratelimit-limit"), Some("10"));
    assert_eq!(header(&response, "x-ratelimit-remaining"), Some("19"));
    assert_eq!(header(&response, "x-ratelimit-reset"), Some("1700000001"));
    assert_eq!(
        header(&response, "ratelimit-policy"),
        Some("\"api\";q=10;w=1")
    );
    assert_eq!(header(&response, "ratelimit"), Some("\"api\";r=19;t=1"));
    assert_eq!(header(&response, "retry-after"), None);
}

#[tokio::test(start_paused = true)]
async fn each_family_of_headers_can_be_turned_off() {
    for (headers, x_family, ietf_family) in [
        (Headers::XRateLimit, true, false),
        (Headers::RateLimit, false, true),
        (Headers::Off, false, false),
    ] {
        let service = serve(&one_an_hour().headers(headers).build().unwrap());
        for status in [200, 429] {
            let response = send(&service, from(A)).await;
            assert_eq!(response.status(), status);
            assert_eq!(header(&response, "x-ratelimit-limit").is_some(), x_family);
            assert_eq!(header(&response, "x-ratelimit-reset").is_some(), x_family);
            assert_eq!(header(&response, "ratelimit-policy").is_some(), ietf_family);
            assert_eq!(header(&response, "ratelimit").is_some(), ietf_family);
            assert_eq!(
                header(&response, "retry-after").is_some(),
                status == 429,
                "this one is always said"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_headers_speak_of_the_limit_with_the_fewest_requests_left() {
    let policy = Policy::new("api")
        .limit(Limit::fixed(100, HOUR))
        .limit(Limit::fixed(5, MINUTE))
        .limit(Limit::token_bucket(per_second(10), burst(20)));
    let service = serve(&RateLimitLayer::builder().policy(policy).build().unwrap());
    let response = send(&service, from(A)).await;
    assert_eq!(
        header(&response, "ratelimit-policy"),
        Some("\"api\";q=5;w=60")
    );
    assert_eq!(header(&response, "ratelimit"), Some("\"api\";r=4;t=60"));
}

#[tokio::test(start_paused = true)]
async fn of_two_layers_the_one_closest_to_its_limit_writes_the_headers() {
    let wide = || ten_a_second().build().unwrap();
    let narrow = || {
        RateLimitLayer::builder()
            .policy(Policy::new("few").limit(Limit::fixed(5, MINUTE)))
            .build()
            .unwrap()
    };
    for (outer, inner) in [(wide(), narrow()), (narrow(), wide())] {
        for scoped in [false, true] {
            let service = outer.layer(inner.layer(Handler::default()));
            let mut request = from(if scoped { A } else { B });
            if scoped {
                RequestScope::enter(request.extensions_mut());
            }
            let response = send(&service, request).await;
            assert_eq!(
                header(&response, "ratelimit-policy"),
                Some("\"few\";q=5;w=60"),
                "scope: {scoped}"
            );
            assert_eq!(
                header(&response, "x-ratelimit-remaining"),
                Some("4"),
                "scope: {scoped}"
            );
            assert_eq!(
                response
                    .headers()
                    .get_all("x-ratelimit-limit")
                    .iter()
                    .count(),
                1
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_a_problem_that_names_the_policy() {
    let service = serve(&one_an_hour().build().unwrap());
    assert_eq!(status(&service, from(A)).await, 200);
    advance(1_500).await;
    let response = send(&service, from(A)).await;
    assert_eq!(response.status(), 429);
    // 3600 - 1.5 seconds, rounded up.
    assert_eq!(header(&response, "retry-after"), Some("3599"));
    assert_eq!(header(&response, "x-ratelimit-remaining"), Some("0"));
    let body = json(response).await;
    assert_eq!(
        body["type"],
        "https://iana.org/assignments/http-problem-types#quota-exceeded"
    );
    assert_eq!(body["violated-policies"], serde_json::json!(["api"]));
    assert_eq!(body["error"]["code"], "RATE_LIMIT_EXCEEDED");
    assert_eq!(
        body["error"]["message"],
        "Rate limit exceeded. Try again in 3599 seconds"
    );
    assert_eq!(body["error"]["details"]["retry_after"], 3599);
}

#[tokio::test(start_paused = true)]
async fn retrying_exactly_when_told_succeeds() {
    let limits = [
        Limit::token_bucket(per_minute(7), burst(3)),
        Limit::fixed(3, MINUTE),
        Limit::sliding(3, MINUTE),
        Limit::exact(3, MINUTE),
    ];
    for limit in limits {
        let service = serve(&limited(limit).build().unwrap());
        for _ in 0..40 {
            let response = send(&service, from(A)).await;
            if response.status() == 429 {
                let seconds: u64 = header(&response, "retry-after").unwrap().parse().unwrap();
                assert!(seconds >= 1);
                advance(seconds * 1_000).await;
                assert_eq!(status(&service, from(A)).await, 200, "{limit:?}");
            }
            advance(700).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_never_reaches_the_service() {
    let handler = Handler::default();
    let service = one_an_hour().build().unwrap().layer(handler.clone());
    assert_eq!(passed(&service, 5, || from(A)).await, 1);
    assert_eq!(handler.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_an_event_in_the_scope() {
    let service = serve(&one_an_hour().build().unwrap());
    let mut request = from(A);
    let scope = RequestScope::enter(request.extensions_mut());
    assert_eq!(status(&service, request).await, 200);
    assert!(scope.close().is_empty());
    let mut request = from(A);
    let scope = RequestScope::enter(request.extensions_mut());
    assert_eq!(status(&service, request).await, 429);
    let events = scope.close();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].kind(), EventKind::ExcessRateLimit);
    assert_eq!(events[0].policy_name().unwrap().as_str(), "api");
    assert_eq!(events[0].reason_code(), Some("limited"));
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_is_off_limits_nothing() {
    let service = serve(&RateLimitLayer::off().leak());
    let response = send(&service, http::Request::new(())).await;
    assert_eq!(
        (response.status().as_u16(), response.headers().len()),
        (200, 0)
    );
}
