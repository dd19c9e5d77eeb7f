//! The choice of a key and of a policy, and who is not counted.

use std::time::Duration;

use crate::support::*;
use palisade_core::Principal;
use palisade_ratelimit::{
    HOUR, KeyChain, Limit, Memory, NoKey, Policy, RateLimitBuilder, RateLimitLayer, Selection,
    burst, per_second,
};

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
