//! The choice of a policy, and the cost of a request.

mod support;

use std::time::Duration;

use palisade_core::{Principal, RequestScope};
use palisade_ratelimit::{
    Decision, HOUR, Key, KeyChain, Limit, Memory, NoKey, Outcome, Policy, RateLimitBuilder,
    RateLimitLayer, Selection, burst, per_second,
};
use support::*;
use tower::{Layer, ServiceExt};

const A: &str = "203.0.113.7";

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

    let expensive = send(&service, costing("11")).await;
    assert_eq!(expensive.status(), 429);
    assert_eq!(
        header(&expensive, "retry-after"),
        None,
        "no wait would help"
    );
    assert_eq!(
        json(expensive).await["detail"],
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
    // From one end of a /48 to the other, so that no smaller site would hold them all.
    for network in (0..0x1_0000).step_by(0x0fff) {
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
    let first = build(5).unwrap();
    assert!(build(5).is_ok());
    let error = build(6).unwrap_err().to_string();
    assert!(
        error.contains("policies.api: another layer on the same store"),
        "{error}"
    );
    drop(first);
    assert!(build(6).is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_shipped_policies_have_their_numbers() {
    let shipped = [
        (Policy::public(), 100, 3_600),
        (Policy::authenticated(), 500, 3_600),
        (Policy::admin(), 1_000, 3_600),
        (Policy::strict(), 10, 60),
        (Policy::login(), 5, 60),
        (Policy::standard(), 10, 60),
        (Policy::clients(), 400, 1),
    ];
    for (policy, at_once, window) in shipped {
        let name = policy.name();
        let service = serve(&RateLimitLayer::builder().policy(policy).build().unwrap());
        assert_eq!(
            passed(&service, at_once + 10, || from(A)).await,
            at_once,
            "{name}"
        );
        let refused = send(&service, from(A)).await;
        let described = header(&refused, "ratelimit-policy").unwrap();
        assert!(
            described.starts_with(&format!("\"{name}\";q=")),
            "{described}"
        );
        assert!(described.ends_with(&format!(";w={window}")), "{described}");
    }
}

#[tokio::test(start_paused = true)]
async fn standard_holds_by_the_minute_the_hour_and_the_day() {
    let service = serve(
        &RateLimitLayer::builder()
            .policy(Policy::standard())
            .build()
            .unwrap(),
    );
    let mut passed_in = Vec::new();
    for _ in 0..24 {
        let mut hour = 0;
        for _ in 0..3_600 / 6 {
            hour += passed(&service, 6, || from(A)).await;
            advance(6_000).await;
        }
        passed_in.push(hour);
    }
    assert_eq!(passed_in[0], 1_000, "the hour's quota, at one a second");
    let day: usize = passed_in.iter().sum();
    assert_eq!(day, 10_000);
}

#[tokio::test(start_paused = true)]
async fn without_http_keys_are_checked_seen_reset_and_refunded() {
    let layer = limited(Limit::exact(2, HOUR)).build().unwrap();
    let (limiter, account) = (layer.limiter(), Key::text("alice"));
    let receipt = limiter.charge("api", account, 1).await.unwrap();
    let first = *receipt.decision();
    assert_eq!((first.limit, first.remaining, first.window), (2, 1, HOUR));
    assert_eq!((first.reset_after, first.retry_after), (HOUR, None));
    advance(60_000).await;
    assert!(limiter.check("api", account, 1).await.is_allowed());
    let refused = limiter.check("api", account, 1).await;
    assert_eq!(refused.outcome, Outcome::Limited);
    assert_eq!(refused.retry_after, Some(Duration::from_secs(3_540)));
    assert_eq!(
        limiter.check("api", account, 3).await.outcome,
        Outcome::CostOverCapacity
    );
    receipt.refund().await;
    assert_eq!(limiter.peek("api", account).await.remaining, 1);
    limiter.reset("api", account).await.unwrap();
    assert_eq!(limiter.peek("api", account).await.remaining, 2);
    assert!(
        limiter
            .check("api", A.parse::<std::net::IpAddr>().unwrap(), 2)
            .await
            .is_allowed()
    );
    assert_eq!(
        status(&serve(&layer), from(A)).await,
        429,
        "the layer has the same counts"
    );
    assert_eq!(
        limiter.check("apj", account, 1).await.outcome,
        Outcome::UnknownPolicy
    );
    assert!(limiter.reset("apj", account).await.is_err());
    assert_eq!(
        RateLimitLayer::off()
            .limiter()
            .check("api", account, 1)
            .await
            .outcome,
        Outcome::UnknownPolicy
    );
}
