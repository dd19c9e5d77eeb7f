//! Sharing through a real Redis, which each test starts for itself. Real time, because Redis has no other.
#![cfg(feature = "redis")]

#[path = "common/redis.rs"]
mod redis_server;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use palisade_breaker::{BreakerHandle, BreakerLayer, PeerTrust, RedisSharing, SharingTask, State};
use palisade_core::time::now;
use redis_server::{Server, eventually};
use tokio::time::sleep;

/// A process: a breaker that opens at the first failure, and its sharing.
async fn process(
    server: &Server,
    instance: &str,
    trust: PeerTrust,
    open_for: Duration,
) -> (BreakerHandle, SharingTask) {
    let breaker = BreakerLayer::new("billing")
        .failure_threshold(2)
        .open_for(open_for)
        .handle();
    let sharing = RedisSharing::new(server.client(), instance).trust(trust);
    let task = sharing.add_breaker(breaker.clone()).spawn();
    eventually("connected", || task.is_connected()).await;
    (breaker, task)
}

fn trip(breaker: &BreakerHandle) {
    while let Ok(permit) = breaker.try_acquire() {
        permit.failure();
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn peers_hear_within_100_ms() {
    const ROUNDS: usize = 100;
    let server = Server::start();
    let (here, _here) = process(&server, "a", PeerTrust::Immediate, MINUTE).await;
    let (there, _there) = process(&server, "b", PeerTrust::Immediate, MINUTE).await;
    let stalls = Stalls::watch();
    let mut took = Vec::new();
    // Rounds in which the machine did nothing at all for a while say nothing about the breaker.
    for _ in 0..ROUNDS * 20 {
        let before = stalls.count();
        let start = now();
        trip(&here);
        eventually("heard", || there.state() == State::Open).await;
        let time = now() - start;
        here.reset();
        there.reset();
        // So that the news of closing is not mistaken for the next.
        sleep(Duration::from_millis(5)).await;
        if stalls.count() == before {
            took.push(time);
        }
        if took.len() == ROUNDS {
            break;
        }
    }
    assert_eq!(took.len(), ROUNDS, "the machine stands still all the time");
    took.sort_unstable();
    let p99 = took[ROUNDS * 99 / 100];
    println!("p50 {:?}, p99 {p99:?}", took[ROUNDS / 2]);
    assert!(p99 <= Duration::from_millis(100), "{took:?}");
}

/// Counts how often a thread that has nothing to do with the breakers comes too late.
struct Stalls(Arc<AtomicUsize>);

impl Stalls {
    fn watch() -> Self {
        let count = Arc::new(AtomicUsize::new(0));
        let watched = Arc::downgrade(&count);
        std::thread::spawn(move || {
            let mut last = now();
            while let Some(count) = watched.upgrade() {
                std::thread::sleep(Duration::from_millis(1));
                let late = now() - last > Duration::from_millis(20);
                count.fetch_add(usize::from(late), Ordering::SeqCst);
                last = now();
            }
        });
        Self(count)
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn an_advised_peer_trips_at_its_first_failure_and_not_before() {
    let server = Server::start();
    let (here, _here) = process(&server, "a", PeerTrust::Advisory, MINUTE).await;
    let (there, _there) = process(&server, "b", PeerTrust::Advisory, MINUTE).await;
    there.try_acquire().unwrap().failure();
    assert_eq!(there.state(), State::Closed, "two failures without advice");
    there.reset();
    trip(&here);
    sleep(Duration::from_millis(100)).await;
    assert_eq!(there.state(), State::Closed);
    there.try_acquire().unwrap().failure();
    assert_eq!(there.state(), State::Open);
}

#[tokio::test]
async fn a_restart_keeps_the_open_time_left() {
    let server = Server::start();
    let (before, task) = process(&server, "a", PeerTrust::Advisory, Duration::from_secs(30)).await;
    trip(&before);
    sleep(Duration::from_millis(700)).await;
    drop(task);
    let (after, _task) = process(&server, "a", PeerTrust::Advisory, Duration::from_secs(30)).await;
    assert_eq!(after.state(), State::Open);
    let (left, kept) = (before.retry_after().unwrap(), after.retry_after().unwrap());
    assert!(
        left.abs_diff(kept) <= Duration::from_millis(250),
        "{left:?} became {kept:?}"
    );
}

#[tokio::test]
async fn who_comes_later_hears_of_what_is_open() {
    let server = Server::start();
    let (here, _here) = process(&server, "a", PeerTrust::Immediate, MINUTE).await;
    trip(&here);
    sleep(Duration::from_millis(100)).await;
    let (late, _late) = process(&server, "b", PeerTrust::Immediate, MINUTE).await;
    assert_eq!(late.state(), State::Open);
    // And of nothing once it has closed.
    here.reset();
    sleep(Duration::from_millis(100)).await;
    let (later, _later) = process(&server, "c", PeerTrust::Immediate, MINUTE).await;
    assert_eq!(later.state(), State::Closed);
}

#[tokio::test]
async fn news_of_a_peer_is_not_told_again() {
    let server = Server::start();
    let (here, _here) = process(&server, "a", PeerTrust::Immediate, MINUTE).await;
    let (there, _there) = process(&server, "b", PeerTrust::Immediate, MINUTE).await;
    trip(&here);
    eventually("heard", || there.state() == State::Open).await;
    here.reset();
    sleep(Duration::from_millis(100)).await;
    assert_eq!(here.state(), State::Closed, "the echo did not come back");
}

#[tokio::test]
async fn a_redis_that_is_killed_fails_no_call_and_is_found_again() {
    let server = Server::start();
    let port = server.port;
    let (here, here_task) = process(&server, "a", PeerTrust::Immediate, MINUTE).await;
    let (there, there_task) = process(&server, "b", PeerTrust::Immediate, MINUTE).await;
    drop(server);
    eventually("lost", || {
        !here_task.is_connected() && !there_task.is_connected()
    })
    .await;
    let mut longest = Duration::ZERO;
    for _ in 0..10_000 {
        let start = now();
        assert_eq!(here.call(async { Ok::<_, ()>(7) }).await, Ok(7));
        longest = longest.max(now() - start);
    }
    assert!(
        longest < Duration::from_secs(1),
        "a call waited: {longest:?}"
    );
    trip(&here);
    assert_eq!((here.state(), there.state()), (State::Open, State::Closed));

    let _server = Server::start_on(port);
    eventually("told after all", || there.state() == State::Open).await;
    assert!(
        there.retry_after().unwrap() <= here.retry_after().unwrap() + Duration::from_millis(250)
    );
}

#[tokio::test]
async fn nonsense_in_the_channel_is_passed_over() {
    let server = Server::start();
    let (here, _here) = process(&server, "a", PeerTrust::Immediate, MINUTE).await;
    let mut redis = server
        .client()
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    for text in [
        "",
        "1",
        "2 b opened 1000 billing",
        "1 b opened x billing",
        "1 b opened -1 billing",
        "1 b opened 99999999999999999999999 billing",
        "1 b melted 1000 billing",
        "1 b opened 1000 another",
        "1 a opened 1000 billing",
    ] {
        let mut publish = redis::cmd("PUBLISH");
        let publish = publish.arg("palisade:breaker:news").arg(text);
        let _: i64 = publish.query_async(&mut redis).await.unwrap();
    }
    sleep(Duration::from_millis(100)).await;
    assert_eq!(here.state(), State::Closed);
    // The longest open time bounds what is believed.
    let mut publish = redis::cmd("PUBLISH");
    let publish = publish
        .arg("palisade:breaker:news")
        .arg("1 b opened 86400000 billing");
    let _: i64 = publish.query_async(&mut redis).await.unwrap();
    eventually("heard", || here.state() == State::Open).await;
    assert!(here.retry_after().unwrap() <= Duration::from_secs(600));
}
