//! Open WebSockets end with what proved their principal.

use std::time::Duration;

use palisade_auth::JwtVerifier;
use palisade_auth::revocation::{
    Answer, CheckRevocation, MemoryRevocation, RevocationStatus, TokenRef,
};
use palisade_auth::websocket::Ended;
use palisade_core::time::{UnixTime, WallClock};
use tokio::time::{Instant, sleep, timeout};

use crate::support::{NOW, good_token, issuer};

/// Wall time that goes with paused time.
fn paused() -> WallClock {
    let start = Instant::now();
    WallClock::from_fn(move || UnixTime::from_secs(NOW).saturating_add(start.elapsed()))
}

fn verifier(store: impl CheckRevocation) -> JwtVerifier {
    JwtVerifier::builder()
        .issuer(issuer())
        .revocation(store)
        .clock(paused())
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_open_websocket_ends_with_its_token() {
    let jwt = verifier(MemoryRevocation::new());
    let principal = jwt.verify(&good_token()).unwrap();
    let start = Instant::now();
    assert_eq!(jwt.ended(&principal).await, Ended::Expired);
    assert_eq!(start.elapsed(), Duration::from_secs(600));
}

#[tokio::test(start_paused = true)]
async fn an_open_websocket_ends_within_a_second_of_its_revocation() {
    let revoked = MemoryRevocation::with_clock(Duration::from_secs(900), paused());
    let jwt = verifier(revoked.clone());
    let principal = jwt.verify(&good_token()).unwrap();
    assert!(
        timeout(Duration::from_secs(100), jwt.ended(&principal))
            .await
            .is_err()
    );
    let start = Instant::now();
    tokio::spawn(async move {
        sleep(Duration::from_millis(1500)).await;
        revoked.revoke_token("bookings", "t-1", UnixTime::from_secs(NOW + 600));
    });
    assert_eq!(jwt.ended(&principal).await, Ended::Revoked);
    assert_eq!(start.elapsed(), Duration::from_secs(2));
}

struct Down;

impl CheckRevocation for Down {
    fn check(&self, _: &TokenRef<'_>) -> Answer {
        Answer::Later(Box::pin(async { RevocationStatus::Unknown }))
    }
}

#[tokio::test(start_paused = true)]
async fn an_open_websocket_survives_a_short_outage_of_the_store_and_no_long_one() {
    let principal = crate::support::verifier().verify(&good_token()).unwrap();
    let start = Instant::now();
    assert_eq!(verifier(Down).ended(&principal).await, Ended::Unknown);
    assert_eq!(start.elapsed(), Duration::from_secs(30));
}
