//! Windows of the calendar in Redis: several instances, leases, and clocks that differ.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::server::{Server, at_leisure, limiter, multiplexed};
use crate::through::Through;
use palisade_core::time::{UnixTime, WallClock};
use palisade_ratelimit::{Calendar, Limit, Outage, Policy, RateLimitLayer, Redis};
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Arg, Cmd, RedisFuture, Value};

/// Monday, 9 March 2026 in New York.
const MONDAY: u64 = 1_773_028_800;

fn daily(quota: u32) -> Policy {
    Policy::new("daily").limit(Limit::calendar(quota, Calendar::day("America/New_York")))
}

/// Times of a test that no server's clock knows.
fn set(unix: &Arc<AtomicU64>) -> WallClock {
    let shared = Arc::clone(unix);
    WallClock::from_fn(move || UnixTime::from_secs(shared.load(Ordering::SeqCst)))
}

#[tokio::test]
async fn instances_on_one_redis_share_the_day_and_its_end() {
    let server = Server::start();
    let unix = Arc::new(AtomicU64::new(MONDAY - 100));
    let mut instances = Vec::new();
    for _ in 0..2 {
        let redis = at_leisure(server.port).await.caller_time(set(&unix));
        instances.push(
            limiter(
                daily(3).on_outage(Outage::Deny),
                redis.remembered_refusals(0),
            )
            .await,
        );
    }
    let [one, two] = &instances[..] else {
        unreachable!()
    };
    let yesterday = one.charge("daily", "a", 2).await.unwrap();
    let last = two.check("daily", "a", 1).await;
    assert_eq!((last.is_allowed(), last.remaining), (true, 0));
    assert_eq!(last.reset_after, Duration::from_secs(100));
    unix.fetch_add(40, Ordering::SeqCst);
    for instance in &instances {
        let refused = instance.check("daily", "a", 1).await;
        assert_eq!(refused.retry_after, Some(Duration::from_secs(60)));
    }
    unix.fetch_add(60, Ordering::SeqCst);
    let first = two.check("daily", "a", 1).await;
    assert_eq!((first.is_allowed(), first.remaining), (true, 2));
    assert_eq!(first.reset_after, Duration::from_secs(86_400));
    yesterday.refund().await;
    assert_eq!(
        one.peek("daily", "a").await.remaining,
        2,
        "nothing of yesterday comes back"
    );
    // A clock that is set back over midnight makes no room; one that was a week off locks nobody out.
    unix.store(MONDAY - 30, Ordering::SeqCst);
    assert_eq!(one.peek("daily", "a").await.remaining, 2);
    unix.store(MONDAY - 7 * 86_400, Ordering::SeqCst);
    assert_eq!(one.peek("daily", "a").await.remaining, 3);
}

#[tokio::test]
async fn by_the_clock_of_redis_a_month_is_counted_with_leases() {
    let server = Server::start();
    let monthly = Limit::calendar(100, Calendar::month("UTC"));
    let policy = || {
        Policy::new("plan")
            .limit(monthly)
            .lease(10)
            .on_outage(Outage::Deny)
    };
    let one = limiter(policy(), at_leisure(server.port).await).await;
    let two = limiter(policy(), at_leisure(server.port).await).await;
    let mut admitted = 0;
    for _ in 0..120 {
        for instance in [&one, &two] {
            admitted += u32::from(instance.check("plan", "a", 1).await.is_allowed());
        }
    }
    assert_eq!(admitted, 100);
    let refused = one.check("plan", "a", 1).await;
    assert!(refused.retry_after.unwrap() <= Duration::from_secs(31 * 86_400));
    // What lies in a lease at the end goes back.
    one.reset("plan", "a").await.unwrap();
    two.reset("plan", "a").await.unwrap();
    assert!(one.check("plan", "a", 1).await.is_allowed());
    assert_eq!(two.peek("plan", "a").await.remaining, 90);
    one.return_leases().await;
    assert_eq!(two.peek("plan", "a").await.remaining, 99);
}

#[tokio::test]
async fn a_clock_that_is_off_by_more_than_a_window_is_an_outage_of_that_policy_alone() {
    let server = Server::start();
    let hourly = Limit::calendar(1, Calendar::hour("UTC"));
    // The script is asked by the server's time, with windows of 2027.
    let skewed = Arc::new(AtomicU64::new(1_800_000_000));
    let connection = multiplexed(&server.client()).await;
    let send = by_servers_time;
    let redis = Redis::new(Through { connection, send })
        .timeout(Duration::from_secs(5))
        .caller_time(set(&skewed));
    let other = Policy::new("other").limit(Limit::fixed(1, Duration::from_secs(60)));
    let layer = RateLimitLayer::builder()
        .policy(Policy::new("api").limit(hourly).on_outage(Outage::Deny))
        .policy(other.on_outage(Outage::Deny))
        .store(redis)
        .build()
        .unwrap();
    let limiter = layer.limiter();
    for _ in 0..10 {
        let denied = limiter.check("api", "a", 1).await;
        assert_eq!(denied.outcome, palisade_ratelimit::Outcome::StoreDown);
    }
    assert!(limiter.check("other", "a", 1).await.is_allowed());
    assert!(
        !limiter.check("other", "a", 1).await.is_allowed(),
        "by Redis, which is not down"
    );
}

/// Takes the caller's time out of a call, so that the script decides by the server's: windows and time then are of two clocks.
fn by_servers_time(connection: MultiplexedConnection, command: Cmd) -> RedisFuture<'static, Value> {
    with_time(connection, command, |_| 0.0)
}

/// The same call by another time, which stands first in what the script is given.
fn with_time(
    mut connection: MultiplexedConnection,
    command: Cmd,
    change: fn(f64) -> f64,
) -> RedisFuture<'static, Value> {
    Box::pin(async move {
        let call = changed(&command, change);
        connection.req_packed_command(&call).await
    })
}

fn changed(command: &Cmd, change: fn(f64) -> f64) -> Cmd {
    let mut call = Cmd::new();
    for (position, argument) in command.args_iter().enumerate() {
        match argument {
            Arg::Simple(bytes) if position == 4 => {
                let (time, rest) = bytes.split_first_chunk().unwrap();
                let time = change(f64::from_le_bytes(*time)).to_le_bytes();
                call.arg([&time, rest].concat())
            }
            Arg::Simple(bytes) => call.arg(bytes),
            _ => &mut call,
        };
    }
    call
}

/// The window is that of Redis' clock, also where the caller's is in the one before or after.
#[tokio::test]
async fn callers_whose_clocks_differ_a_little_count_in_the_window_of_redis() {
    let server = Server::start();
    let caller = Arc::new(AtomicU64::new(0));
    for (unix, send, left) in [
        // The caller's Monday has begun, and the server's begins in 50 seconds.
        (MONDAY + 50, a_hundred_seconds_earlier as Sender, 50),
        // The other way round: the server's Monday began 50 seconds ago.
        (MONDAY - 50, a_hundred_seconds_later, 86_350),
    ] {
        caller.store(unix, Ordering::SeqCst);
        let connection = multiplexed(&server.client()).await;
        let redis = Redis::new(Through { connection, send })
            .timeout(Duration::from_secs(5))
            .caller_time(set(&caller));
        let limiter = limiter(daily(1).on_outage(Outage::Deny), redis).await;
        let first = limiter.check("daily", "a", 1).await;
        assert!(first.is_allowed());
        assert_eq!(first.reset_after, Duration::from_secs(left));
        let refused = limiter.check("daily", "a", 1).await;
        assert_eq!(refused.retry_after, Some(Duration::from_secs(left)));
    }
}

type Sender = fn(MultiplexedConnection, Cmd) -> RedisFuture<'static, Value>;

fn a_hundred_seconds_earlier(
    connection: MultiplexedConnection,
    command: Cmd,
) -> RedisFuture<'static, Value> {
    with_time(connection, command, |time| time - 1e8)
}

fn a_hundred_seconds_later(
    connection: MultiplexedConnection,
    command: Cmd,
) -> RedisFuture<'static, Value> {
    with_time(connection, command, |time| time + 1e8)
}
