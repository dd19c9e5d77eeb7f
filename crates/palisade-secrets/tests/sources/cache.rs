//! Secrets stay fresh. Time is paused.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use palisade_secrets::{Environment, Error, ExposeSecret, Secrets, Stage};
use tokio::time::advance;

use crate::common::Store;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

async fn secrets(store: &Store) -> Secrets {
    Secrets::builder(Environment::Development)
        .provider(store.clone())
        .ttl(secs(100))
        .max_stale(secs(1_000))
        .negative_ttl(secs(10))
        .build()
        .await
        .unwrap()
}

async fn value(secrets: &Secrets) -> Result<String, Error> {
    let secret = secrets.secret("A").await?;
    Ok(secret.expose_secret().to_owned())
}

/// Lets spawned work run.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_known_secret_is_read_without_asking_again() {
    let store = Store::of([("A", "1")]);
    let secrets = secrets(&store).await;
    for _ in 0..100 {
        assert_eq!(value(&secrets).await.unwrap(), "1");
    }
    advance(secs(7)).await;
    assert_eq!(value(&secrets).await.unwrap(), "1");
    settle().await;
    assert_eq!(store.calls(), 1, "not before 8 % of the time to live");
    advance(secs(93)).await;
    assert_eq!(value(&secrets).await.unwrap(), "1");
    assert_eq!(store.calls(), 2);
    advance(secs(71)).await;
    assert_eq!(value(&secrets).await.unwrap(), "1");
    settle().await;
    assert_eq!(store.calls(), 2, "later not before 72 %");
}

#[tokio::test(start_paused = true)]
async fn a_secret_is_read_anew_ahead_of_its_end_without_holding_up_readers() {
    let store = Store::of([("A", "1")]);
    let secrets = secrets(&store).await;
    value(&secrets).await.unwrap();
    store.set("A", "2");
    store.slow(secs(5));
    // From 88 % on every jitter has passed.
    advance(secs(89)).await;
    for _ in 0..10 {
        assert_eq!(
            secrets.cached("A").unwrap().unwrap().expose_secret(),
            "1",
            "the reader does not wait"
        );
    }
    settle().await;
    advance(secs(6)).await;
    settle().await;
    assert_eq!(value(&secrets).await.unwrap(), "2");
    assert_eq!(store.calls(), 2, "ten readers asked once");
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_cold_readers_make_one_call() {
    let store = Store::of([("A", "1")]);
    store.slow(secs(1));
    let secrets = secrets(&store).await;
    let readers: Vec<_> = (0..10_000)
        .map(|_| {
            let secrets = secrets.clone();
            tokio::spawn(async move { value(&secrets).await.unwrap() })
        })
        .collect();
    for reader in readers {
        assert_eq!(reader.await.unwrap(), "1");
    }
    assert_eq!(store.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn cold_readers_share_a_failure_too() {
    let store = Store::of([]);
    store.slow(secs(1));
    store.broken(true);
    let secrets = secrets(&store).await;
    let readers: Vec<_> = (0..1_000)
        .map(|_| {
            let secrets = secrets.clone();
            tokio::spawn(async move { value(&secrets).await })
        })
        .collect();
    for reader in readers {
        assert!(matches!(reader.await.unwrap(), Err(Error::Provider { .. })));
    }
    assert_eq!(store.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_gives_up_leaves_the_call_to_the_next() {
    let store = Store::of([("A", "1")]);
    store.slow(secs(5));
    let secrets = secrets(&store).await;
    let gave_up = tokio::time::timeout(secs(1), secrets.secret("A")).await;
    assert!(gave_up.is_err());
    assert_eq!(value(&secrets).await.unwrap(), "1");
}

#[tokio::test(start_paused = true)]
async fn the_last_good_value_serves_an_outage_until_max_stale_and_then_errors_are_typed() {
    let store = Store::of([("A", "1")]);
    let secrets = secrets(&store).await;
    value(&secrets).await.unwrap();
    store.broken(true);
    for elapsed in (10..1_000).step_by(10) {
        advance(secs(10)).await;
        assert_eq!(value(&secrets).await.unwrap(), "1", "after {elapsed} s");
        settle().await;
    }
    // A source that fails is left alone for a tenth of the time to live.
    assert!(store.calls() <= 101, "{} calls", store.calls());
    for _ in 0..20 {
        advance(secs(10)).await;
        let calls = store.calls();
        // The second reader comes while the source is left alone.
        for _ in 0..2 {
            let error = value(&secrets).await.unwrap_err();
            assert!(
                matches!(&error, Error::Stale { age, .. } if *age >= secs(1_000)),
                "{error}"
            );
        }
        assert_eq!(store.calls(), calls + 1);
    }
    store.broken(false);
    store.set("A", "2");
    advance(secs(10)).await;
    assert_eq!(value(&secrets).await.unwrap(), "2", "recovered");
}

#[tokio::test(start_paused = true)]
async fn absence_is_remembered_for_a_while() {
    let store = Store::of([]);
    let secrets = secrets(&store).await;
    for _ in 0..5 {
        assert!(matches!(value(&secrets).await, Err(Error::Missing { .. })));
    }
    assert_eq!(store.calls(), 1);
    store.set("A", "1");
    advance(secs(10)).await;
    assert_eq!(value(&secrets).await.unwrap(), "1");
}

#[tokio::test(start_paused = true)]
async fn current_and_previous_come_as_a_pair() {
    let store = Store::of([("A", "2")]);
    let secrets = secrets(&store).await;
    assert!(secrets.pair("A").await.unwrap().previous.is_none());
    store.set_stage("A", Stage::Previous, "1");
    advance(secs(11)).await;
    let pair = secrets.pair("A").await.unwrap();
    assert_eq!(pair.previous.unwrap().expose_secret(), "1");

    let same = Store::of([("A", "2")]);
    same.set_stage("A", Stage::Previous, "2");
    let unchanged = self::secrets(&same).await.pair("A").await.unwrap();
    assert!(unchanged.previous.is_none(), "nothing was rotated");
}

#[tokio::test(start_paused = true)]
async fn a_complaint_brings_one_new_read_and_false_alarms_do_not() {
    let store = Store::of([("A", "1")]);
    let secrets = secrets(&store).await;
    let old = secrets.secret("A").await.unwrap();
    store.set("A", "2");
    secrets.report_rejected("A", &old);
    assert_eq!(
        value(&secrets).await.unwrap(),
        "1",
        "too soon after the read"
    );
    advance(secs(10)).await;
    secrets.report_rejected("A", &old);
    assert_eq!(value(&secrets).await.unwrap(), "2");
    advance(secs(10)).await;
    for _ in 0..10 {
        secrets.report_rejected("A", &old);
        value(&secrets).await.unwrap();
    }
    assert_eq!(store.calls(), 2, "the old one is no news");
    let current = secrets.secret("A").await.unwrap();
    for _ in 0..10 {
        secrets.report_rejected("A", &current);
        value(&secrets).await.unwrap();
    }
    assert_eq!(store.calls(), 3, "complaints are rate-limited");
}

#[tokio::test(start_paused = true)]
async fn a_complaint_is_heard_while_a_refresh_is_due() {
    let store = Store::of([("A", "1")]);
    let secrets = secrets(&store).await;
    let old = secrets.secret("A").await.unwrap();
    store.set("A", "2");
    // After 80 % of the time to live the next reader would get the old one and have it read anew meanwhile.
    advance(secs(99)).await;
    secrets.report_rejected("A", &old);
    assert_eq!(value(&secrets).await.unwrap(), "2");
}

#[tokio::test(start_paused = true)]
async fn a_change_is_told_once() {
    let store = Store::of([("A", "1")]);
    let secrets = secrets(&store).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    secrets.on_change("A", move |secret| {
        told.lock().unwrap().push(secret.expose_secret().to_owned());
    });
    for (value_now, wait) in [("1", 0), ("1", 101), ("2", 101), ("2", 101), ("3", 101)] {
        store.set("A", value_now);
        advance(secs(wait)).await;
        assert_eq!(value(&secrets).await.unwrap(), value_now);
    }
    assert_eq!(*seen.lock().unwrap(), ["2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn every_access_is_told_without_the_value() {
    let store = Store::of([("A", "canary")]);
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let secrets = Secrets::builder(Environment::Development)
        .provider(store)
        .on_access(move |access| {
            assert_eq!((access.name, access.source.as_str()), ("A", "store"));
            assert!(!format!("{access:?}").contains("canary"));
            counted.fetch_add(1, Ordering::Relaxed);
        })
        .build()
        .await
        .unwrap();
    for _ in 0..3 {
        value(&secrets).await.unwrap();
    }
    let _ = secrets.secret("NONE").await;
    assert_eq!(count.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn debug_output_has_the_names_and_no_value() {
    let store = Store::of([("A", "canary")]);
    let secrets = secrets(&store).await;
    assert_eq!(value(&secrets).await.unwrap(), "canary");
    let shown = format!("{secrets:?}");
    assert!(
        shown.contains("Development") && shown.contains(r#"names: ["A"]"#),
        "{shown}"
    );
    assert!(!shown.contains("canary"), "{shown}");
}

// Eight secrets each, because the chance of a single one makes peaks of its own at a dozen calls a second.
#[tokio::test(start_paused = true)]
async fn a_thousand_instances_that_start_together_spread_their_reads() {
    const NAMES: [&str; 8] = ["A", "B", "C", "D", "E", "F", "G", "H"];
    let store = Store::of(NAMES.map(|name| (name, "1")));
    let mut instances = Vec::new();
    for _ in 0..1_000 {
        let instance = secrets(&store).await;
        for name in NAMES {
            instance.secret(name).await.unwrap();
        }
        instances.push(instance);
    }
    let mut per_second = Vec::new();
    for second in 0..300 {
        let before = store.calls();
        for instance in &instances {
            for name in NAMES {
                assert!(instance.cached(name).is_some(), "nobody waits");
            }
        }
        settle().await;
        // The very first reads anew are early on purpose, and settle within the first time to live.
        if second >= 100 {
            per_second.push(store.calls() - before);
        }
        advance(secs(1)).await;
    }
    let mean = per_second.iter().sum::<usize>() as f64 / per_second.len() as f64;
    let peak = *per_second.iter().max().unwrap() as f64;
    assert!(
        (90.0..112.0).contains(&mean),
        "8000 secrets, each after 72 to 88 s: {mean}"
    );
    assert!(peak <= 2.0 * mean, "peak {peak}, mean {mean}");
}
