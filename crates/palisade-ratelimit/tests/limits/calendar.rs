//! Windows of the calendar through the layer: in memory, and from files.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::support::*;
use palisade_core::time::{self, UnixTime, WallClock};
use palisade_ratelimit::{
    Calendar, Key, Limit, Memory, Policy, RateLimitBuilder, RateLimitLayer, Selection, Weekday,
    burst, per_second,
};

/// Sunday, 8 March 2026 in New York, a day of 23 hours, as `date` of GNU tells it.
const SUNDAY: u64 = 1_772_946_000;
const MONDAY: u64 = 1_773_028_800;

fn daily(quota: u32) -> Policy {
    Policy::new("daily").limit(Limit::calendar(quota, Calendar::day("America/New_York")))
}

/// A wall clock that goes with paused time, and can be set.
#[derive(Clone)]
struct Wall(Arc<AtomicU64>);

impl Wall {
    fn at(unix: u64) -> Self {
        let wall = Self(Arc::default());
        wall.set(unix);
        wall
    }

    fn clock(&self) -> WallClock {
        let (shared, began) = (Arc::clone(&self.0), began());
        WallClock::from_fn(move || {
            let base = Duration::from_secs(shared.load(Ordering::SeqCst));
            UnixTime::from_duration(base + (time::now() - began))
        })
    }

    fn set(&self, unix: u64) {
        let passed = (time::now() - began()).as_secs();
        self.0.store(unix - passed, Ordering::SeqCst);
    }
}

fn began() -> time::Instant {
    thread_local!(static BEGAN: time::Instant = time::now());
    BEGAN.with(|began| *began)
}

fn layer(policy: Policy, wall: &Wall) -> RateLimitBuilder {
    RateLimitLayer::builder()
        .policy(policy)
        .wall_clock(wall.clock())
}

async fn rest(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_day_of_23_hours_ends_at_midnight_and_the_headers_say_when() {
    let wall = Wall::at(SUNDAY + 3_600);
    let service = serve(&layer(daily(2), &wall).build().unwrap());
    let first = send(&service, from("203.0.113.7")).await;
    assert_eq!(header(&first, "x-ratelimit-limit"), Some("2"));
    assert_eq!(header(&first, "x-ratelimit-remaining"), Some("1"));
    assert_eq!(header(&first, "x-ratelimit-reset"), Some("1773028800"));
    // 23 hours, of which 22 are left.
    assert_eq!(
        header(&first, "ratelimit-policy"),
        Some("\"daily\";q=2;w=82800")
    );
    assert_eq!(header(&first, "ratelimit"), Some("\"daily\";r=1;t=79200"));
    rest(3_600).await;
    assert_eq!(status(&service, from("203.0.113.7")).await, 200);
    let refused = send(&service, from("203.0.113.7")).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(header(&refused, "retry-after"), Some("75600"));
    assert_eq!(header(&refused, "x-ratelimit-reset"), Some("1773028800"));
    rest(75_599).await;
    assert_eq!(status(&service, from("203.0.113.7")).await, 429);
    rest(1).await;
    let monday = send(&service, from("203.0.113.7")).await;
    assert_eq!(header(&monday, "x-ratelimit-remaining"), Some("1"));
    assert_eq!(
        header(&monday, "ratelimit-policy"),
        Some("\"daily\";q=2;w=86400")
    );
}

#[tokio::test(start_paused = true)]
async fn every_window_of_the_calendar_is_over_when_it_is() {
    // From Saturday, 31 October 2026, 23:30 in New York: an hour, the day, a week from Sunday and the month all end in
    // half an hour, and a week from Monday in a day and an hour more than that, as clocks are set back on Sunday.
    let wall = Wall::at(1_793_503_800);
    let zone = "America/New_York";
    for (calendar, left) in [
        (Calendar::hour(zone), 1_800),
        (Calendar::day(zone), 1_800),
        (Calendar::week(zone, Weekday::Sunday), 1_800),
        (Calendar::month(zone), 1_800),
        (Calendar::week(zone, Weekday::Monday), 1_800 + 25 * 3_600),
    ] {
        let policy = Policy::new("api").limit(Limit::calendar(1, calendar));
        let limiter = layer(policy, &wall).build().unwrap().limiter();
        assert!(limiter.check("api", "a", 1).await.is_allowed());
        let refused = limiter.check("api", "a", 1).await;
        assert_eq!(
            refused.retry_after,
            Some(Duration::from_secs(left)),
            "{calendar:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_receipt_of_yesterday_gives_nothing_back() {
    let wall = Wall::at(MONDAY - 10);
    let limiter = layer(daily(2), &wall).build().unwrap().limiter();
    let yesterday = limiter.charge("daily", "a", 1).await.unwrap();
    let other = limiter.charge("daily", "a", 1).await.unwrap();
    other.refund().await;
    assert_eq!(limiter.peek("daily", "a").await.remaining, 1);
    rest(10).await;
    assert!(limiter.check("daily", "a", 2).await.is_allowed());
    yesterday.refund().await;
    assert!(!limiter.check("daily", "a", 1).await.is_allowed());
}

/// The charge was made on Sunday, also where the clock is set so that its moment would have been on Monday.
#[tokio::test(start_paused = true)]
async fn a_receipt_is_of_the_day_on_which_it_was_made_whatever_the_clock_says_later() {
    let wall = Wall::at(MONDAY - 60);
    let limiter = layer(daily(2), &wall).build().unwrap().limiter();
    let sunday = limiter.charge("daily", "a", 1).await.unwrap();
    wall.set(MONDAY + 3_600);
    rest(2).await;
    assert!(limiter.check("daily", "a", 2).await.is_allowed());
    sunday.refund().await;
    assert!(!limiter.check("daily", "a", 1).await.is_allowed());
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_makes_no_room() {
    let wall = Wall::at(MONDAY + 60);
    let limiter = layer(daily(1), &wall).build().unwrap().limiter();
    assert!(limiter.check("daily", "a", 1).await.is_allowed());
    // Back over midnight, which is noticed when the clock is read again, after a second.
    wall.set(MONDAY - 60);
    rest(2).await;
    let refused = limiter.check("daily", "a", 1).await;
    assert_eq!(refused.retry_after, Some(Duration::from_secs(86_400 + 58)));
    // Who was not there on Monday has Sunday's quota, and then Monday's.
    assert!(limiter.check("daily", "b", 1).await.is_allowed());
    // On to Tuesday: a leap forward is a new window.
    wall.set(MONDAY + 86_400);
    rest(2).await;
    assert!(limiter.check("daily", "a", 1).await.is_allowed());
}

#[tokio::test(start_paused = true)]
async fn a_count_goes_on_under_another_number_and_begins_anew_in_other_windows() {
    let wall = Wall::at(SUNDAY + 3_600);
    let counts = Memory::default();
    let of = |policy| layer(policy, &wall).store(counts.clone());
    let left = async |layer: &RateLimitLayer| layer.limiter().peek("daily", "a").await.remaining;
    let old = of(daily(10)).build().unwrap();
    assert!(old.limiter().check("daily", "a", 6).await.is_allowed());
    let new = of(daily(7)).replacing(&old).build().unwrap();
    assert_eq!(left(&new).await, 1);
    let monthly = Limit::calendar(7, Calendar::month("America/New_York"));
    let monthly = of(Policy::new("daily").limit(monthly)).replacing(&new);
    assert_eq!(left(&monthly.build().unwrap()).await, 7);
}

#[tokio::test(start_paused = true)]
async fn it_counts_beside_other_limits_all_or_nothing() {
    let wall = Wall::at(SUNDAY);
    let policy = daily(3)
        .limit(Limit::token_bucket(per_second(1), burst(2)))
        .quotas_up_to(1_000);
    let limiter = layer(policy, &wall).build().unwrap().limiter();
    assert!(limiter.check("daily", "a", 2).await.is_allowed());
    // The bucket refuses, and the day is not charged.
    assert!(!limiter.check("daily", "a", 1).await.is_allowed());
    rest(2).await;
    let last = limiter.check("daily", "a", 1).await;
    assert_eq!((last.is_allowed(), last.remaining), (true, 0));
    rest(60).await;
    let refused = limiter.check("daily", "a", 1).await;
    let left = MONDAY - SUNDAY - 62;
    assert_eq!(refused.retry_after, Some(Duration::from_secs(left)));
    limiter.reset("daily", "a").await.unwrap();
    assert!(limiter.check("daily", "a", 1).await.is_allowed());
}

#[tokio::test(start_paused = true)]
async fn a_request_may_have_a_quota_of_its_own() {
    let wall = Wall::at(SUNDAY);
    let limits = layer(daily(1), &wall).select(|_| Selection::policy("daily").quota(3));
    let service = serve(&limits.build().unwrap());
    assert_eq!(passed(&service, 5, || from("203.0.113.7")).await, 3);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_keys_ends_nobodys_debt() {
    let wall = Wall::at(SUNDAY);
    let limiter = layer(daily(2), &wall)
        .store(Memory::with_capacity(100))
        .build()
        .unwrap()
        .limiter();
    assert!(limiter.check("daily", "debtor", 2).await.is_allowed());
    for number in 0..10_000_u32 {
        let _ = limiter
            .check("daily", Key::text(&number.to_string()), 1)
            .await;
    }
    assert!(!limiter.check("daily", "debtor", 1).await.is_allowed());
}

#[test]
fn what_cannot_work_is_refused_by_name() {
    let calendar = |zone: &str| Limit::calendar(0, Calendar::month(zone));
    let error = RateLimitLayer::builder()
        .policy(Policy::new("api").limit(calendar("Europe/Berlni")))
        .ip_backstop(calendar("UTC"))
        .key(
            palisade_ratelimit::KeyChain::new()
                .claimed_header("x-id")
                .client_ip(),
        )
        .v6_site_limit(calendar("UTC"))
        .build()
        .unwrap_err()
        .to_string();
    for problem in [
        "policies.api.limits[0].quota: is 0",
        "policies.api.limits[0].zone: \"Europe/Berlni\" is not in the time zone database",
        "ip-backstop: cannot be a window of the calendar",
        "v6-site: cannot be a window of the calendar",
    ] {
        assert!(error.contains(problem), "{problem}: {error}");
    }
}

#[cfg(feature = "governor")]
#[test]
fn a_governor_limiter_has_no_window_beside_it() {
    use governor::{Quota, RateLimiter};
    let quota = Quota::per_second(std::num::NonZeroU32::MIN);
    let limiter = Arc::new(RateLimiter::<std::net::IpAddr, _, _>::keyed(quota));
    let policy = Policy::governor("api", limiter, quota, |_| None);
    let beside = policy.limit(Limit::calendar(1, Calendar::day("UTC")));
    let error = RateLimitLayer::builder()
        .policy(beside)
        .build()
        .unwrap_err();
    assert!(error.to_string().contains("a governor limiter decides"));
}

#[cfg(feature = "wait")]
#[test]
fn nothing_waits_for_the_end_of_a_day() {
    let policy = daily(1).wait(Duration::from_secs(1), 10);
    let error = RateLimitLayer::builder()
        .policy(policy)
        .build()
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("needs a single limit, which is a token bucket")
    );
}

#[cfg(feature = "serde")]
#[tokio::test(start_paused = true)]
async fn a_file_names_calendars() {
    let read = |limit: &str| {
        let text = format!("[[policies]]\nname = \"api\"\nlimits = [{{ {limit} }}]");
        let config: palisade_ratelimit::RateLimitConfig = toml::from_str(&text).unwrap();
        let built = config.builder().and_then(RateLimitBuilder::build);
        built.map_err(|error| error.to_string())
    };
    for (limit, window) in [
        ("quota = 5, calendar = \"hour\"", 3_600),
        (
            "quota = 5, calendar = \"day\", zone = \"Asia/Kathmandu\"",
            86_400,
        ),
        ("quota = 5, calendar = \"week\"", 7 * 86_400),
        (
            "quota = 5, calendar = \"week:sunday\", zone = \"UTC\"",
            7 * 86_400,
        ),
    ] {
        let decision = read(limit).unwrap().limiter().check("api", "a", 1).await;
        assert_eq!((decision.limit, decision.remaining), (5, 4));
        assert_eq!(decision.window, Duration::from_secs(window), "{limit}");
    }
    for (limit, problem) in [
        (
            "quota = 5, calendar = \"year\"",
            "calendar: \"year\" is not hour",
        ),
        (
            "quota = 5, calendar = \"week:someday\"",
            "calendar: \"week:someday\" is not",
        ),
        (
            "quota = 5, calendar = \"day\", zone = \"Nowhere\"",
            "zone: \"Nowhere\" is not in",
        ),
        (
            "quota = 5, calendar = \"day\", window = \"1d\"",
            "window: is the calendar's already",
        ),
        (
            "rate = 5, calendar = \"day\"",
            "calendar: belongs to a quota",
        ),
        (
            "quota = 5, window = \"1d\", zone = \"UTC\"",
            "zone: belongs to a calendar",
        ),
    ] {
        let error = read(limit).unwrap_err();
        assert!(error.contains(problem), "{limit}: {error}");
    }
}
