//! What a guarded service has reserved for a call is given back when the call is refused.

use futures_util::FutureExt;
use palisade_breaker::{BreakerError, BreakerLayer};
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer, Service, ServiceExt, service_fn};

/// A breaker, and two services that share one place, of which the breaker guards the first.
macro_rules! setup {
    ($breaker:ident, $guarded:ident, $other:ident) => {
        let layer = BreakerLayer::new("x");
        let $breaker = layer.handle();
        let shared =
            ConcurrencyLimitLayer::new(1).layer(service_fn(|(): ()| async { Ok::<u8, &str>(1) }));
        let mut $guarded = layer.layer(shared.clone());
        let mut $other = shared;
    };
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_opens_between_ready_and_call_holds_no_place() {
    setup!(breaker, guarded, other);
    guarded.ready().await.unwrap();
    breaker.force_open();
    let refused = guarded.call(()).await;
    assert!(matches!(refused, Err(BreakerError::Open(_))));
    let ready = other.ready().now_or_never().expect("the place is free");
    assert_eq!(ready.unwrap().call(()).await, Ok(1));
    // The guarded service can be called again once the breaker lets it.
    breaker.reset();
    assert_eq!(guarded.ready().await.unwrap().call(()).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_asked_again_while_open_holds_no_place() {
    setup!(breaker, guarded, other);
    guarded.ready().await.unwrap();
    breaker.force_open();
    guarded.ready().await.unwrap();
    assert!(other.ready().now_or_never().is_some(), "the place is free");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_waited_for_a_place_leaves_the_queue_when_it_opens() {
    setup!(breaker, guarded, other);
    let mut third = other.clone();
    other.ready().await.unwrap();
    assert!(guarded.ready().now_or_never().is_none(), "it queues");
    breaker.force_open();
    guarded.ready().await.unwrap();
    drop(other);
    assert!(third.ready().now_or_never().is_some(), "the place is free");
}
