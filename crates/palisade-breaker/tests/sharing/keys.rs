//! Sharing the breakers of keys through a real Redis. Real time, because Redis has no other.

use std::time::Duration;

use palisade_breaker::{
    BreakerLayer, KeyFn, KeyedBreakerLayer, KeyedHandle, PeerTrust, RedisSharing, SharingTask,
    State, key_fn,
};
use palisade_core::time::now;
use tower::{Layer, ServiceExt, service_fn};

use crate::redis_server::{Server, eventually};

/// The key of a request is the request.
type ByItself = fn(&String) -> Option<String>;

/// A process with a breaker for each key, which opens at the first failure.
struct Keyed {
    layer: KeyedBreakerLayer<KeyFn<ByItself>>,
    handle: KeyedHandle,
    task: SharingTask,
}

impl Keyed {
    async fn start(server: &Server, instance: &str, most: usize) -> Self {
        let layer = BreakerLayer::new("outbound")
            .failure_threshold(1)
            .open_for(Duration::from_secs(30))
            .keyed(key_fn((|key| Some(key.clone())) as ByItself))
            .most_keys(most);
        let handle = layer.handle();
        let sharing = RedisSharing::new(server.client(), instance).trust(PeerTrust::Immediate);
        let task = sharing.add_keyed(handle.clone()).spawn();
        eventually("connected", || task.is_connected()).await;
        Self {
            layer,
            handle,
            task,
        }
    }

    async fn trip(&self, key: &str) {
        let failing = service_fn(|_: String| async { Err::<(), _>("down") });
        let call = self.layer.layer(failing).oneshot(key.to_owned());
        assert!(call.await.is_err());
    }

    fn is_open(&self, key: &str) -> bool {
        let breaker = self.handle.breaker(key);
        breaker.is_some_and(|breaker| breaker.state() == State::Open)
    }
}

#[tokio::test]
async fn each_key_is_shared_by_itself_and_survives_a_restart() {
    let server = Server::start();
    let here = Keyed::start(&server, "a", 100).await;
    let there = Keyed::start(&server, "b", 100).await;
    let start = now();
    there.trip("another").await;
    // Whatever a key is made of.
    let odd = "host 1\nopened 1";
    here.trip(odd).await;
    eventually("heard", || there.is_open(odd) && here.is_open("another")).await;
    assert!(there.handle.breaker("host").is_none());
    let (count, ttl) = server.entries("outbound").await;
    assert_eq!(count, 2, "one by each who found it out");
    assert!((25_000..=30_000).contains(&ttl), "{ttl}");

    let mut on_its_way = start.elapsed();
    let (left, then) = (here.handle.breaker(odd).unwrap().retry_after(), now());
    drop(here);
    let after = Keyed::start(&server, "a", 100).await;
    assert!(after.is_open(odd) && after.is_open("another"));
    let kept = after.handle.breaker(odd).unwrap().retry_after().unwrap();
    on_its_way += then.elapsed();
    let left = left.unwrap().saturating_sub(then.elapsed());
    assert!(
        left.abs_diff(kept) <= on_its_way + Duration::from_millis(20),
        "{left:?} became {kept:?} with {on_its_way:?} on its way"
    );
}

#[tokio::test]
async fn a_flood_of_keys_is_shared_in_the_end_and_stays_bounded() {
    const MOST: usize = 2_000;
    let server = Server::start();
    let here = Keyed::start(&server, "a", MOST).await;
    // With room for all, because places are in parts that do not fill evenly.
    let there = Keyed::start(&server, "b", MOST * 2).await;
    // More than wait for Redis at a time, and more than there is room for, before the task has its turn.
    for key in 0..MOST * 2 {
        here.trip(&format!("host-{key}")).await;
    }
    let known = here.handle.not_closed();
    assert!(
        known.len() > MOST * 8 / 10 && known.len() <= MOST,
        "{}",
        known.len()
    );
    // Each is looked at until it is open, so that looking leaves the processor to the tasks.
    let mut unheard: Vec<&str> = known.iter().map(|(key, _)| key.as_str()).collect();
    eventually("heard of all", || {
        while unheard.last().is_some_and(|key| there.is_open(key)) {
            unheard.pop();
        }
        unheard.is_empty()
    })
    .await;
    assert_eq!(there.handle.keys(), known.len());
    let (count, ttl) = server.entries("outbound").await;
    assert!(
        count <= MOST && ttl <= 30_000,
        "{count} entries for {ttl} ms"
    );
}

#[tokio::test]
async fn what_closed_while_redis_was_away_is_taken_back() {
    let server = Server::start();
    let here = Keyed::start(&server, "a", 100).await;
    here.trip("gone").await;
    here.trip("stays").await;
    let mut redis = server.connection().await;
    server.remembers("outbound", 2).await;
    for kind in ["normal", "pubsub"] {
        let mut kill = redis::cmd("CLIENT");
        kill.arg("KILL")
            .arg("TYPE")
            .arg(kind)
            .arg("SKIPME")
            .arg("yes");
        let _: i64 = kill.query_async(&mut redis).await.unwrap();
    }
    eventually("lost", || !here.task.is_connected()).await;
    here.handle.breaker("gone").unwrap().reset();
    eventually("back", || here.task.is_connected()).await;
    assert_eq!(server.entries("outbound").await.0, 1);
    assert!(here.is_open("stays"));
}
