//! Providers that hang or panic, and those that answer at once.

use std::future::pending;
use std::time::Duration;

use palisade_core::Name;
use palisade_core::time::now;
use palisade_secrets::{
    Environment, ExposeSecret, Fetched, Provider, ProviderError, Secret, Secrets, Stage,
};

use crate::common::Store;

/// Hangs for one name, and panics for the others.
struct Broken;

impl Provider for Broken {
    fn name(&self) -> Name {
        Name::from_static("broken")
    }

    async fn fetch(&self, name: &str, _: Stage) -> Result<Option<Fetched>, ProviderError> {
        if name == "HANGS" {
            pending::<()>().await;
        }
        panic!("on purpose")
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_or_panics_has_failed_and_no_later_one_is_asked() {
    let later = Store::of([("HANGS", "old"), ("PANICS", "old")]);
    let secrets = Secrets::builder(Environment::Development)
        .provider(Broken)
        .provider(later.clone())
        .provider_timeout(Duration::from_secs(7))
        .build()
        .await
        .unwrap();
    for (name, after, why) in [
        ("HANGS", 7, "it took too long"),
        ("PANICS", 0, "it panicked"),
    ] {
        let start = now();
        let read = tokio::time::timeout(Duration::from_secs(600), secrets.secret(name));
        let error = read.await.expect("it hangs").unwrap_err();
        assert_eq!((now() - start).as_secs(), after);
        assert_eq!(error.to_string(), format!("secret {name}: broken: {why}"));
    }
    assert_eq!(later.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_hangs_keeps_nobody_from_the_next() {
    let store = Store::of([("TOKEN", "one")]);
    let secrets = Secrets::builder(Environment::Development)
        .provider(store.clone())
        .ttl(Duration::from_secs(100))
        .build()
        .await
        .unwrap();
    secrets.secret("TOKEN").await.unwrap();
    store.slow(Duration::from_secs(1_000_000));
    tokio::time::advance(Duration::from_secs(90)).await;
    // In the background, and in vain.
    secrets.secret("TOKEN").await.unwrap();
    tokio::time::sleep(Duration::from_secs(21)).await;
    assert_eq!(store.calls(), 2);
    store.slow(Duration::ZERO);
    store.set("TOKEN", "two");
    tokio::time::advance(Duration::from_secs(11)).await;
    let secret = secrets.secret("TOKEN").await.unwrap();
    assert_eq!(secret.expose_secret(), "two");
}

#[test]
fn a_provider_that_answers_at_once_needs_no_timer() {
    let read = async {
        let secrets = Secrets::builder(Environment::Development)
            .provider(Store::of([("TOKEN", "one")]))
            .build()
            .await?;
        secrets.secret("TOKEN").await
    };
    // A timer panics in this runtime.
    let runtime = tokio::runtime::Builder::new_current_thread();
    let secret: Secret = { runtime }.build().unwrap().block_on(read).unwrap();
    assert_eq!(secret.expose_secret(), "one");
}

#[tokio::test]
async fn a_timeout_of_none_or_of_more_than_a_year_is_refused() {
    for (time, reason) in [
        (Duration::ZERO, "provider_timeout: must be longer than 0"),
        (
            Duration::from_secs(366 * 24 * 3_600),
            "provider_timeout: must be at most 365 days",
        ),
    ] {
        let building = Secrets::builder(Environment::Development).provider_timeout(time);
        let error = building.build().await.unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}
