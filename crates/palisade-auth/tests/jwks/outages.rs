//! Keys while their source is away, on paused time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use palisade_auth::{AuthLayer, Jwks, JwksResponse, Refusal};
use tokio::time::{Instant, advance, sleep};

use super::source::{Source, idp, token};
use crate::support::{through, with_token};

#[tokio::test(start_paused = true)]
async fn known_keys_never_wait_while_the_source_hangs() {
    let (source, tokens) = (Source::default(), idp());
    source.publish(&tokens);
    let jwt = source.verifier();
    assert!(jwt.authenticate(&token(&tokens)).await.is_ok());
    source.hangs.store(true, Ordering::Relaxed);
    advance(Duration::from_secs(900)).await;
    let stranger = token(&idp());
    let waiting = tokio::spawn({
        let jwt = jwt.clone();
        async move { jwt.authenticate(&stranger).await }
    });
    tokio::task::yield_now().await;
    let start = Instant::now();
    for _ in 0..1_000 {
        assert!(jwt.verify(&token(&tokens)).is_ok());
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    // The fetch is given up after five seconds.
    assert_eq!(
        waiting.await.unwrap().err(),
        Some(Refusal::StoreUnavailable)
    );
    assert_eq!(start.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn stale_keys_are_kept_for_a_day_while_the_source_is_down() {
    let (source, tokens) = (Source::default(), idp());
    source.publish(&tokens);
    let jwt = source.verifier();
    assert!(jwt.authenticate(&token(&tokens)).await.is_ok());
    source.down.store(true, Ordering::Relaxed);
    advance(Duration::from_secs(23 * 60 * 60)).await;
    assert!(jwt.verify(&token(&tokens)).is_ok());
    advance(Duration::from_secs(60 * 60)).await;
    assert_eq!(
        jwt.authenticate(&token(&tokens)).await.err(),
        Some(Refusal::StoreUnavailable)
    );
    source.down.store(false, Ordering::Relaxed);
    advance(Duration::from_secs(31)).await;
    assert!(jwt.authenticate(&token(&tokens)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn without_keys_tokens_are_refused_with_503_and_soon_tried_again() {
    let (source, tokens) = (Source::default(), idp());
    source.publish(&tokens);
    source.down.store(true, Ordering::Relaxed);
    let jwt = source.verifier();
    let layer = AuthLayer::new().bearer(jwt.clone());
    for _ in 0..10 {
        assert_eq!(
            through(&layer, with_token(&token(&tokens))).await.status,
            503
        );
    }
    assert_eq!(source.fetches(), 1, "fails fast");
    source.down.store(false, Ordering::Relaxed);
    advance(Duration::from_secs(2)).await;
    assert_eq!(
        through(&layer, with_token(&token(&tokens))).await.status,
        200
    );
}

#[tokio::test(start_paused = true)]
async fn a_document_that_is_no_use_does_not_replace_one_that_is() {
    let (source, tokens) = (Source::default(), idp());
    source.publish(&tokens);
    let jwt = source.verifier();
    assert!(jwt.authenticate(&token(&tokens)).await.is_ok());
    let secret = crate::support::b64(crate::support::SECRET);
    for document in [
        String::new(),
        "{}".to_owned(),
        r#"{"keys":[]}"#.to_owned(),
        format!(r#"{{"keys":[{{"kty":"oct","k":"{secret}"}}]}}"#),
        format!(r#"{{"keys":[],"x":"{}"}}"#, "x".repeat(600_000)),
    ] {
        *source.document.lock().unwrap() = document;
        advance(Duration::from_secs(801)).await;
        assert!(jwt.verify(&token(&tokens)).is_ok());
        sleep(Duration::from_secs(1)).await;
        assert!(jwt.verify(&token(&tokens)).is_ok());
    }
    assert_eq!(source.fetches(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_panics_is_a_failure_and_not_the_end() {
    let panics = Arc::new(AtomicBool::new(true));
    let (source, tokens) = (Source::default(), idp());
    source.publish(&tokens);
    let (inner, document) = (panics.clone(), source.document.clone());
    let jwks = Jwks::new("https://idp.example/jwks", move |_| {
        let (inner, document) = (inner.clone(), document.clone());
        async move {
            assert!(!inner.load(Ordering::Relaxed), "on purpose");
            Ok(JwksResponse {
                body: document.lock().unwrap().clone().into_bytes(),
                cache_control: None,
            })
        }
    })
    .unwrap();
    assert_eq!(jwks.refresh().await, Err(Refusal::StoreUnavailable));
    panics.store(false, Ordering::Relaxed);
    assert_eq!(jwks.refresh().await, Ok(()));
}

#[test]
fn a_runtime_that_is_dropped_before_the_fetch_began_leaves_nobody_waiting() {
    let (source, tokens) = (Source::default(), idp());
    source.publish(&tokens);
    let jwt = source.verifier();
    let token = token(&tokens);
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
    };
    let first = runtime();
    first.block_on(async {
        let mut asked = std::pin::pin!(jwt.authenticate(&token));
        let ready =
            std::future::poll_fn(|cx| std::task::Poll::Ready(asked.as_mut().poll(cx).is_ready()));
        assert!(!ready.await, "waits for the fetch");
    });
    drop(first);
    assert_eq!(source.fetches(), 0);
    let second = runtime();
    second.block_on(async {
        tokio::time::pause();
        let limit = Duration::from_secs(60);
        let asked = tokio::time::timeout(limit, jwt.authenticate(&token)).await;
        assert_eq!(asked.unwrap().err(), Some(Refusal::StoreUnavailable));
        advance(Duration::from_secs(3)).await;
        let asked = tokio::time::timeout(limit, jwt.authenticate(&token)).await;
        assert!(asked.unwrap().is_ok());
    });
}
