//! What clients of a limited service see.

mod support;

use std::time::Duration;

use palisade_core::time::{UnixTime, WallClock};
use palisade_core::{EventKind, Principal, RequestScope};
use palisade_ratelimit::{
    Decision, HOUR, Headers, KeyChain, Limit, MINUTE, Memory, NoKey, Policy, RateLimitBuilder,
    RateLimitLayer, Selection, burst, per_minute, per_second,
};
use support::*;
use tower::{Layer, ServiceExt};

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
async fn clones_and_repeated_layer_calls_count_together() {
    let layer = limited(Limit::exact(5, HOUR)).build().unwrap();
    let (first, second) = (serve(&layer), serve(&layer.clone().leak()));
    assert_eq!(
        passed(&first, 4, || from(A)).await + passed(&second, 4, || from(A)).await,
        5
    );
}

#[tokio::test(start_paused = true)]
async fn layers_on_one_store_count_policies_of_one_name_together() {
    let store = Memory::with_capacity(1_000);
    let layer = |name: &'static str| {
        let policy = Policy::new(name).limit(Limit::exact(5, HOUR));
        serve(
            &RateLimitLayer::builder()
                .policy(policy)
                .store(store.clone())
                .build()
                .unwrap(),
        )
    };
    let (first, second, other) = (layer("api"), layer("api"), layer("other"));
    assert_eq!(
        passed(&first, 4, || from(A)).await + passed(&second, 4, || from(A)).await,
        5
    );
    assert_eq!(passed(&other, 10, || from(A)).await, 5);
}

#[tokio::test(start_paused = true)]
async fn a_route_has_its_policy_whatever_the_request_claims() {
    let layer = ten_a_second()
        .key(KeyChain::new().claimed_header("x-track-id").client_ip())
        .policy(Policy::login())
        .route("POST /auth/token", "login")
        .build()
        .unwrap();
    let service = serve(&layer);
    let mut passed = 0;
    for attempt in 0..50 {
        let login = to(
            with(from(A), "x-track-id", &attempt.to_string()),
            "POST",
            "/auth/token",
        );
        passed += usize::from(status(&service, login).await == 200);
    }
    assert_eq!(
        passed, 5,
        "5 a minute by address: a made-up track id buys no more"
    );
    assert_eq!(
        status(&service, to(from(A), "GET", "/auth/token")).await,
        200,
        "another method is not a sign-in"
    );
    advance(60_000).await;
    assert_eq!(
        status(&service, to(from(A), "POST", "/auth/token")).await,
        200
    );
}

#[tokio::test(start_paused = true)]
async fn a_closure_chooses_the_policy_and_the_quota() {
    let layer = RateLimitLayer::builder()
        .key(KeyChain::new().principal().client_ip())
        .policy(Policy::new("public").limit(Limit::fixed(2, HOUR)))
        .policy(Policy::new("user").limit(Limit::fixed(4, HOUR)))
        .select(|request| match request.principal() {
            Some(principal) => match principal.claims_as::<u32>() {
                Some(contract) => Selection::policy("user").quota(*contract),
                None => Selection::policy("user"),
            },
            None if request.path() == "/free" => Selection::exempt(),
            None => Selection::first(),
        })
        .build()
        .unwrap();
    let service = serve(&layer);
    let user = |name: &str| Principal::user("iss", name);
    assert_eq!(passed(&service, 20, || from(A)).await, 2);
    assert_eq!(
        passed(&service, 20, || to(from(A), "GET", "/free")).await,
        20
    );
    assert_eq!(passed(&service, 20, || by(from(A), user("alice"))).await, 4);
    assert_eq!(
        passed(&service, 20, || by(from(A), user("bob").claims(7_u32))).await,
        7
    );
}

#[tokio::test(start_paused = true)]
async fn an_unknown_policy_falls_back_to_the_first() {
    let layer = limited(Limit::fixed(2, HOUR))
        .select(|_| "no-such-policy")
        .build()
        .unwrap();
    assert_eq!(passed(&serve(&layer), 20, || from(A)).await, 2);
}

#[tokio::test(start_paused = true)]
async fn probes_preflights_and_what_the_closure_names_are_not_counted() {
    let layer = limited(Limit::exact(1, HOUR))
        .exempt_if(|request| request.headers().contains_key("x-internal"))
        .build()
        .unwrap();
    let service = serve(&layer);
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(passed(&service, 5, || to(from(A), "GET", path)).await, 5);
    }
    let preflight = || {
        let request = with(to(from(A), "OPTIONS", "/"), "origin", "https://app.example");
        with(request, "access-control-request-method", "PUT")
    };
    assert_eq!(passed(&service, 5, preflight).await, 5);
    assert_eq!(
        passed(&service, 5, || with(from(A), "x-internal", "1")).await,
        5
    );
    assert_eq!(
        header(&send(&service, preflight()).await, "x-ratelimit-limit"),
        None
    );
    assert_eq!(
        passed(&service, 5, || to(from(A), "OPTIONS", "/")).await,
        1,
        "OPTIONS alone is no preflight"
    );

    let counting = serve(
        &limited(Limit::exact(1, HOUR))
            .count_preflight()
            .build()
            .unwrap(),
    );
    assert_eq!(passed(&counting, 5, preflight).await, 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_peer_address_the_configured_outcome_applies() {
    let anonymous = || http::Request::new(());
    let service = |outcome| {
        serve(
            &limited(Limit::exact(3, HOUR))
                .no_key(outcome)
                .build()
                .unwrap(),
        )
    };
    assert_eq!(passed(&service(NoKey::Share), 9, anonymous).await, 3);
    assert_eq!(passed(&service(NoKey::Pass), 9, anonymous).await, 9);
    let refusing = service(NoKey::Refuse);
    assert_eq!(status(&refusing, anonymous()).await, 503);
    assert_eq!(status(&refusing, from(A)).await, 200);
    let default = serve(&limited(Limit::exact(3, HOUR)).build().unwrap());
    assert_eq!(passed(&default, 9, anonymous).await, 3);
}

#[tokio::test(start_paused = true)]
async fn a_claimed_key_without_an_address_is_charged_to_a_shared_backstop() {
    let layer = one_an_hour()
        .key(KeyChain::new().claimed_header("x-track-id").client_ip())
        .ip_backstop(Limit::exact(3, HOUR))
        .build()
        .unwrap();
    let service = serve(&layer);
    let mut passed = 0;
    for rotation in 0..20 {
        let request = with(http::Request::new(()), "x-track-id", &rotation.to_string());
        passed += usize::from(status(&service, request).await == 200);
    }
    assert_eq!(passed, 3);
}

#[tokio::test(start_paused = true)]
async fn a_request_costs_what_the_closure_says() {
    let layer = limited(Limit::token_bucket(per_second(1), burst(10)))
        .cost(|request| {
            request
                .headers()
                .get("cost")
                .map_or(1, |cost| cost.to_str().unwrap().parse().unwrap())
        })
        .build()
        .unwrap();
    let service = serve(&layer);
    let costing = |cost: &str| with(from(A), "cost", cost);
    assert_eq!(status(&service, costing("7")).await, 200);
    assert_eq!(status(&service, costing("4")).await, 429);
    assert_eq!(status(&service, costing("3")).await, 200);
    assert_eq!(
        status(&service, costing("0")).await,
        200,
        "what costs nothing passes"
    );
    assert_eq!(status(&service, costing("1")).await, 429);

    let dear = send(&service, costing("11")).await;
    assert_eq!(dear.status(), 429);
    assert_eq!(header(&dear, "retry-after"), None, "no wait would help");
    assert_eq!(
        json(dear).await["detail"],
        "This request costs more than the limit allows at once"
    );
}

#[tokio::test(start_paused = true)]
async fn a_response_can_give_its_charge_back() {
    let refunding = Policy::login().refund_when(|status| status.is_success());
    let service = serve(&RateLimitLayer::builder().policy(refunding).build().unwrap());
    assert_eq!(
        passed(&service, 50, || from(A)).await,
        50,
        "sign-ins that succeed are free"
    );
    let failing = || with(from(A), "want", "401");
    for _ in 0..5 {
        assert_eq!(status(&service, failing()).await, 401);
    }
    assert_eq!(status(&service, failing()).await, 429);
}

#[tokio::test(start_paused = true)]
async fn shadow_mode_marks_and_refuses_nothing() {
    let shadow = Policy::new("api").limit(Limit::exact(2, HOUR)).shadow();
    let layer = RateLimitLayer::builder().policy(shadow).build().unwrap();
    let service = layer.layer(tower::service_fn(|request: http::Request<()>| async move {
        let marked = request.extensions().get::<Decision>().is_some();
        Ok::<_, std::convert::Infallible>(http::Response::new(
            http_body_util::Full::<bytes::Bytes>::from(if marked { "marked" } else { "plain" }),
        ))
    }));
    let mut seen = Vec::new();
    for _ in 0..4 {
        let mut request = from(A);
        let scope = RequestScope::enter(request.extensions_mut());
        let response = service.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        let body = http_body_util::BodyExt::collect(response.into_body())
            .await
            .unwrap()
            .to_bytes();
        let events = scope.close();
        seen.push((
            body == "marked",
            events
                .first()
                .and_then(palisade_core::SecurityEvent::reason_code),
            scope.limits()[0].allowed,
        ));
    }
    let (pass, mark) = ((false, None, true), (true, Some("shadow"), false));
    assert_eq!(seen, [pass, pass, mark, mark]);
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

#[tokio::test(start_paused = true)]
async fn clients_have_200_a_second_and_bursts_of_400_by_default() {
    let service = serve(&RateLimitLayer::builder().build().unwrap());
    assert_eq!(passed(&service, 500, || from(A)).await, 400);
    advance(1_000).await;
    assert_eq!(passed(&service, 500, || from(A)).await, 200);
}

#[tokio::test(start_paused = true)]
async fn v6_sites_share_a_looser_limit_if_told_so() {
    let layer = limited(Limit::exact(2, HOUR))
        .v6_site_limit(Limit::exact(5, HOUR))
        .build()
        .unwrap();
    let service = serve(&layer);
    let mut passed = 0;
    for network in 0..20 {
        passed +=
            usize::from(status(&service, from(&format!("2001:db8:7:{network:x}::1"))).await == 200);
    }
    assert_eq!(passed, 5);
    assert_eq!(status(&service, from("2001:db8:8::1")).await, 200);
    assert_eq!(status(&service, from(A)).await, 200);
}

#[test]
fn every_mistake_is_reported_at_once() {
    let error = RateLimitLayer::builder()
        .policy(Policy::new("sl ow").limit(Limit::token_bucket(per_second(0), burst(0))))
        .policy(Policy::new("twice").limit(Limit::exact(65, Duration::ZERO)))
        .policy(Policy::new("twice"))
        .route("POST", "twice")
        .route("/x", "missing")
        .key(KeyChain::new().claimed_header("not a header"))
        .build()
        .unwrap_err()
        .to_string();
    for part in [
        "policies.sl ow.name: must be 1 to 64 characters",
        "policies.sl ow.limits[0].rate: is 0, must be at least 1",
        "policies.sl ow.limits[0].burst: is 0, must be at least 1",
        "policies.twice: there are two policies of this name",
        "policies.twice.limits[0].window: is 0ns, must be at least 1 ms",
        "policies.twice.limits[0].quota: is 65, an exact log holds at most 64",
        "policies.twice.limits: there is none",
        "route \"POST\": must be a path",
        "route \"/x\": there is no policy named \"missing\"",
        "key.claimed_header: \"not a header\" is not the name of a header",
    ] {
        assert!(error.contains(part), "{part:?} is missing in: {error}");
    }
}

#[test]
fn one_store_cannot_hold_two_policies_of_one_name() {
    let store = Memory::default();
    let build = |quota| {
        limited(Limit::fixed(quota, HOUR))
            .store(store.clone())
            .build()
    };
    assert!(build(5).is_ok());
    assert!(build(5).is_ok());
    let error = build(6).unwrap_err().to_string();
    assert!(
        error.contains("policies.api: another layer on the same store"),
        "{error}"
    );
}
