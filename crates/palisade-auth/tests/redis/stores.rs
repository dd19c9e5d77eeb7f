//! Stores in the Redis of a test.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use palisade_auth::revocation::RedisRevocation;
use palisade_auth::{HmacKeys, RedisRefreshTokens};
use palisade_core::Principal;
use palisade_core::time::{UnixTime, WallClock};

use crate::support::redis::Server;
use crate::support::{NOW, SECRET, clock};

/// A timeout that holds on a machine which is busy with other tests.
pub(super) async fn store(server: &Server) -> RedisRevocation {
    RedisRevocation::new(server.connection().await)
        .timeout(Duration::from_secs(5))
        .clock(clock())
}

/// Families on a clock that the test sets, in seconds after [`NOW`].
pub(super) async fn families(server: &Server, clock: &Arc<AtomicU64>) -> RedisRefreshTokens {
    let read = Arc::clone(clock);
    RedisRefreshTokens::new(
        HmacKeys::current(SECRET).unwrap(),
        server.connection().await,
    )
    .timeout(Duration::from_secs(5))
    .clock(WallClock::from_fn(move || {
        UnixTime::from_secs(NOW + read.load(Ordering::Relaxed))
    }))
}

pub(super) fn alice() -> Principal {
    Principal::user("bookings", "alice")
        .scopes(["read"])
        .roles(["user"])
        .tenant("acme")
}
