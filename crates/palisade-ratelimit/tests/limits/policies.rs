//! Policies: those that are shipped, and what a request costs and gives back.

use std::time::Duration;

use crate::support::*;
use palisade_core::RequestScope;
use palisade_ratelimit::{
    Decision, HOUR, Key, Limit, Memory, Outcome, Policy, RateLimitBuilder, RateLimitLayer, burst,
    per_second,
};
use tower::{Layer, ServiceExt};

const A: &str = "203.0.113.7";

fn limited(limit: Limit) -> RateLimitBuilder {
    RateLimitLayer::builder().policy(Policy::new("api").limit(limit))
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
        let (mut hour, mut left) = (0, 3_600);
        while left > 0 {
            let in_this_step = passed(&service, 6, || from(A)).await;
            hour += in_this_step;
            // Every six seconds while the minute decides, and a look every minute where the hour or the day does.
            let step = if in_this_step == 0 { 60 } else { 6 };
            advance(1_000 * step.min(left)).await;
            left -= step.min(left);
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
