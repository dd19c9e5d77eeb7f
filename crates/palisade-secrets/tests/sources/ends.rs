//! Secrets that their source gives an end. Time is paused.

#![allow(missing_docs, reason = "tests")]

use std::time::Duration;

use palisade_secrets::{Environment, Error, ExposeSecret, Secrets};
use tokio::time::advance;

use crate::common::Store;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

async fn secrets(store: &Store) -> Secrets {
    Secrets::builder(Environment::Development)
        .provider(store.clone())
        .ttl(secs(300))
        .max_stale(secs(3_600))
        .build()
        .await
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_secret_with_an_end_is_read_anew_ahead_of_it() {
    let store = Store::of([("LEASE", "1")]);
    store.good_for(secs(30));
    let secrets = secrets(&store).await;
    secrets.secret("LEASE").await.unwrap();
    store.set("LEASE", "2");
    // 88 % of the 30 seconds, and not of the 300 of the time to live.
    advance(secs(27)).await;
    assert_eq!(secrets.secret("LEASE").await.unwrap().expose_secret(), "1");
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(secrets.secret("LEASE").await.unwrap().expose_secret(), "2");
    assert_eq!(store.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_secret_is_not_used_after_its_end_whatever_may_be_stale() {
    let store = Store::of([("LEASE", "1")]);
    store.good_for(secs(30));
    let secrets = secrets(&store).await;
    secrets.secret("LEASE").await.unwrap();
    store.broken(true);
    advance(secs(29)).await;
    assert_eq!(secrets.secret("LEASE").await.unwrap().expose_secret(), "1");
    advance(secs(2)).await;
    let error = secrets.secret("LEASE").await.unwrap_err();
    assert!(matches!(error, Error::Stale { .. }), "{error}");
    assert!(matches!(secrets.cached("LEASE"), Some(Err(_)) | None));
}
