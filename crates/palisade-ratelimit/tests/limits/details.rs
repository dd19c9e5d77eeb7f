//! Details that are easy to get almost right, and that a change could lose unseen: one test for each.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::logged::Logged;
use crate::support::*;
use palisade_core::time::{UnixTime, WallClock};
use palisade_ratelimit::{
    DAY, HOUR, Key, KeyChain, Limit, MINUTE, Memory, NoKey, Outcome, Policy, Rate,
    RateLimitBuilder, RateLimitLayer, SECOND, Selection, burst, per_minute, per_second,
};

const A: &str = "203.0.113.7";
const B: &str = "203.0.113.8";

fn limited(limit: Limit) -> RateLimitBuilder {
    RateLimitLayer::builder().policy(Policy::new("api").limit(limit))
}

fn claims() -> KeyChain {
    KeyChain::new().claimed_header("x-track-id").client_ip()
}

/// A request with a claim that nobody has made before.
fn claiming(ip: &str, number: u32) -> http::Request<()> {
    with(from(ip), "x-track-id", &format!("made-up-{number}"))
}

#[tokio::test(start_paused = true)]
async fn a_v6_client_is_its_64_behind_a_claim_and_without_http_too() {
    let layer = limited(Limit::exact(1, HOUR))
        .key(claims())
        .ip_backstop(Limit::exact(5, HOUR))
        .build()
        .unwrap();
    let service = serve(&layer);
    let mut passed = 0;
    for number in 0..20 {
        let request = claiming(&format!("2001:db8:7:9::{number:x}"), number);
        passed += usize::from(status(&service, request).await == 200);
    }
    assert_eq!(passed, 5, "rotating the claim and the address buys nothing");

    let limiter = layer.limiter();
    let check = async |ip: &str| {
        let key = Key::ip(ip.parse().unwrap());
        limiter.check("api", key, 1).await.is_allowed()
    };
    assert!(check("2001:db8:7:9::1").await);
    assert!(!check("2001:db8:7:9:ffff::2").await);
    assert!(check("2001:db8:7:a::1").await);
}

#[tokio::test(start_paused = true)]
async fn the_backstop_counts_requests_whatever_their_cost() {
    let service = serve(
        &limited(Limit::fixed(100, HOUR))
            .key(claims())
            .ip_backstop(Limit::fixed(3, HOUR))
            .cost(|_| 10)
            .build()
            .unwrap(),
    );
    let mut statuses = Vec::new();
    for number in 0..4 {
        statuses.push(status(&service, claiming(A, number)).await);
    }
    assert_eq!(statuses, [200, 200, 200, 429]);
}

#[tokio::test(start_paused = true)]
async fn a_backstop_that_was_taken_away_holds_nobody() {
    let service = serve(
        &limited(Limit::fixed(1, HOUR))
            .key(claims())
            .insecure_no_ip_backstop()
            .build()
            .unwrap(),
    );
    for number in 0..1_000 {
        assert_eq!(status(&service, claiming(A, number)).await, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_closure_reads_is_believed_as_far_as_it_is_said_to_be() {
    let user = |view: &palisade_ratelimit::RequestView<'_>| {
        let value = view.headers().get("x-user")?;
        Some(value.to_str().ok()?.to_owned())
    };
    let passed = async |chain: KeyChain| {
        let service = serve(
            &limited(Limit::fixed(2, HOUR))
                .key(chain.client_ip())
                .ip_backstop(Limit::fixed(3, HOUR))
                .build()
                .unwrap(),
        );
        let mut passed = 0;
        for number in 0..20 {
            let request = with(from(A), "x-user", &format!("user-{}", number / 4));
            passed += usize::from(status(&service, request).await == 200);
        }
        passed
    };
    assert_eq!(passed(KeyChain::new().verified(user)).await, 5 * 2);
    assert_eq!(passed(KeyChain::new().claimed(user)).await, 3);
}

#[tokio::test(start_paused = true)]
async fn a_whole_layer_can_be_in_shadow_mode() {
    let service = serve(&limited(Limit::exact(1, HOUR)).shadow().build().unwrap());
    assert_eq!(passed(&service, 9, || from(A)).await, 9);
}

#[tokio::test(start_paused = true)]
async fn a_quota_of_its_own_is_given_back_in_its_own_measure() {
    // A token of 10 a second is worth 100 ms of the bucket, and one of 1 a second is worth 1 s.
    let service = serve(
        &RateLimitLayer::builder()
            .policy(
                Policy::new("api")
                    .limit(Limit::token_bucket(per_second(10), burst(20)))
                    .refund_when(|status| status == 304),
            )
            .select(|_| Selection::policy("api").quota(1))
            .build()
            .unwrap(),
    );
    let unchanged = || with(from(A), "want", "304");
    for _ in 0..50 {
        assert_eq!(status(&service, unchanged()).await, 304);
    }
    assert_eq!(
        passed(&service, 9, || from(A)).await,
        2,
        "1/s has bursts of 2"
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_cannot_be_given_back() {
    let limiter = limited(Limit::token_bucket(per_minute(1), burst(2)))
        .build()
        .unwrap()
        .limiter();
    let key = Key::text("alice");
    assert!(limiter.check("api", key, 2).await.is_allowed());
    let refused = limiter.check("api", key, 1).await;
    assert_eq!(refused.outcome, Outcome::Limited);
    let refused = limiter.charge("api", key, 1).await.unwrap_err();
    assert_eq!(refused.outcome, Outcome::Limited);
    let unknown = limiter.charge("missing", key, 1).await.unwrap_err();
    assert_eq!(unknown.outcome, Outcome::UnknownPolicy);
    assert!(!limiter.check("api", key, 1).await.is_allowed());
}

#[tokio::test(start_paused = true)]
async fn a_quota_over_part_of_a_second_is_told_in_whole_seconds() {
    let half = Duration::from_millis(500);
    for (limit, described) in [
        (Limit::fixed(3, 3 * half), "\"api\";q=4;w=2"),
        (Limit::fixed(3, half), "\"api\";q=6;w=1"),
        (
            Limit::token_bucket(Rate::new(1, half / 2), burst(1)),
            "\"api\";q=4;w=1",
        ),
        (Limit::fixed(3, 2 * SECOND), "\"api\";q=3;w=2"),
    ] {
        let service = serve(&limited(limit).build().unwrap());
        let response = send(&service, from(A)).await;
        assert_eq!(header(&response, "ratelimit-policy"), Some(described));
    }
}

#[tokio::test(start_paused = true)]
async fn wall_time_is_read_once_a_second_and_followed_where_it_is_set() {
    let (wall, reads) = (
        Arc::new(AtomicU64::new(1_000)),
        Arc::new(AtomicUsize::new(0)),
    );
    let clock = {
        let (wall, reads) = (Arc::clone(&wall), Arc::clone(&reads));
        WallClock::from_fn(move || {
            reads.fetch_add(1, Ordering::Relaxed);
            UnixTime::from_secs(wall.load(Ordering::Relaxed))
        })
    };
    let service = serve(
        &limited(Limit::fixed(1_000, MINUTE))
            .wall_clock(clock)
            .build()
            .unwrap(),
    );
    let reset = async || {
        let response = send(&service, from(A)).await;
        header(&response, "x-ratelimit-reset").unwrap().to_owned()
    };
    // The window ends at 1,060 by a clock that somebody then sets to 5,000.
    for _ in 0..9 {
        assert_eq!(reset().await, "1060");
        advance(100).await;
    }
    assert_eq!(reads.load(Ordering::Relaxed), 1);
    wall.store(5_000, Ordering::Relaxed);
    advance(101).await;
    assert_eq!(reset().await, "5059");
    assert_eq!(reads.load(Ordering::Relaxed), 2);
}

#[test]
fn a_preallocated_store_asks_for_all_of_its_memory_at_once() {
    let bytes = |store: &Memory| {
        let service = serve(
            &limited(Limit::fixed(1, HOUR))
                .store(store.clone())
                .build()
                .unwrap(),
        );
        let before = store.bytes();
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(async {
            for number in 0..5_000_u32 {
                let address = std::net::Ipv4Addr::from_bits(0x0b00_0000 + number);
                assert_eq!(status(&service, from(&address.to_string())).await, 200);
            }
        });
        (before, store.bytes())
    };
    let (before, after) = bytes(&Memory::preallocated(5_000));
    assert_eq!(before, after);
    let (small, grown) = bytes(&Memory::with_capacity(5_000));
    assert!(
        small * 4 < grown && grown <= after,
        "{small} {grown} {after}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_misses_addresses_or_policies_says_so_once() {
    let errors = Logged::default();
    let _listening = errors.listen();
    let said = || errors.take();
    for outcome in [NoKey::Share, NoKey::Refuse] {
        let layer = limited(Limit::fixed(2, HOUR)).no_key(outcome).build();
        let service = serve(&layer.unwrap());
        for _ in 0..3 {
            let _ = send(&service, http::Request::new(())).await;
        }
        let lines = said();
        assert!(
            matches!(&lines[..], [one] if one.contains("does the server hand over the peer's address")),
            "{outcome:?}: {lines:?}"
        );
    }
    let passing = limited(Limit::fixed(2, HOUR)).no_key(NoKey::Pass).build();
    let _ = send(&serve(&passing.unwrap()), http::Request::new(())).await;
    assert!(said().is_empty(), "to let pass is what was asked for");

    let layer = limited(Limit::fixed(2, HOUR)).select(|_| "no-such-policy");
    let service = serve(&layer.build().unwrap());
    for ip in [A, B] {
        let _ = send(&service, from(ip)).await;
    }
    let lines = said();
    assert!(
        matches!(&lines[..], [one] if one.contains("no rate limit policy has this name")),
        "{lines:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_quota_above_65535_needs_room_and_says_so_without() {
    let errors = Logged::default();
    let _listening = errors.listen();
    let left = async |policy: Policy| {
        let builder = RateLimitLayer::builder().policy(policy).cost(|_| 65_535);
        let layer = builder
            .select(|_| Selection::first().quota(100_000))
            .build();
        let service = serve(&layer.unwrap());
        let first = send(&service, from(A)).await;
        let _ = send(&service, from(B)).await;
        header(&first, "x-ratelimit-remaining").unwrap().to_owned()
    };
    let daily = || Policy::new("api").limit(Limit::sliding(5_000, DAY));
    assert_eq!(left(daily().quotas_up_to(100_000)).await, "34465");
    assert!(errors.is_empty());
    assert_eq!(left(daily()).await, "0", "brought down to 65,535");
    let lines = errors.take();
    assert!(
        matches!(&lines[..], [one] if one.contains("quotas_up_to")),
        "{lines:?}"
    );
    let twice = daily()
        .limit(Limit::sliding(10_000, DAY))
        .quotas_up_to(100_000);
    assert_eq!(left(twice).await, "34465");
    assert_eq!(
        left(Policy::new("api").limit(Limit::fixed(5, DAY))).await,
        "34465"
    );
    assert!(errors.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_stands_in_a_stack_twice_is_noticed_once() {
    let warnings = Logged::default();
    let _listening = warnings.listen();
    let layer = limited(Limit::fixed(9, HOUR)).build().unwrap();
    let scoped = |ip| {
        let mut request = from(ip);
        palisade_core::RequestScope::enter(request.extensions_mut());
        request
    };
    let once = serve(&layer);
    let _ = send(&once, scoped(A)).await;
    assert!(warnings.is_empty());
    let twice = tower::Layer::layer(&layer, once);
    for _ in 0..3 {
        let _ = send(&twice, scoped(A)).await;
    }
    let lines = warnings.take();
    assert!(
        matches!(&lines[..], [one] if one.contains("in the stack twice")),
        "{lines:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_debt_under_a_small_quota_ends_with_a_bucket_of_the_larger() {
    let quota = Arc::new(AtomicU32::new(5));
    let chosen = Arc::clone(&quota);
    let hourly = Limit::token_bucket(Rate::new(60, HOUR), burst(1));
    let layer = RateLimitLayer::builder()
        .policy(Policy::new("api").limit(hourly))
        .select(move |_| Selection::first().quota(chosen.load(Ordering::Relaxed)))
        .build();
    let service = serve(&layer.unwrap());
    assert_eq!(passed(&service, 2, || from(A)).await, 1);
    quota.store(500, Ordering::Relaxed);
    assert_eq!(passed(&service, 1, || from(A)).await, 0);
    // A token every 7.2 s, instead of 720 s less what has passed.
    advance(7_201).await;
    assert_eq!(passed(&service, 2, || from(A)).await, 1);
}
