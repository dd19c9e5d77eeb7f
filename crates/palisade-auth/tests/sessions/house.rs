//! A service with access and refresh tokens, on a clock that the test moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use palisade_auth::revocation::MemoryRevocation;
use palisade_auth::{HmacKeys, JwtVerifier, RefreshTokens, TokenIssuer};
use palisade_core::time::{UnixTime, WallClock};
use palisade_core::{Principal, RequestScope};

use crate::support::{NOW, SECRET};

pub(super) struct House {
    pub(super) seconds: Arc<AtomicU64>,
    pub(super) tokens: TokenIssuer,
    pub(super) jwt: JwtVerifier,
    pub(super) revoked: MemoryRevocation,
    pub(super) refresh: RefreshTokens,
    pub(super) scope: RequestScope,
}

impl House {
    pub(super) fn new() -> Self {
        let seconds = Arc::new(AtomicU64::new(NOW));
        let read = Arc::clone(&seconds);
        let clock = WallClock::from_fn(move || UnixTime::from_secs(read.load(Ordering::Relaxed)));
        let keys = HmacKeys::current(SECRET).unwrap();
        let tokens = TokenIssuer::hmac("bookings", keys.clone())
            .audience("api")
            .clock(clock.clone())
            .build()
            .unwrap();
        let revoked = MemoryRevocation::with_clock(Duration::from_secs(900), clock.clone());
        let jwt = JwtVerifier::builder()
            .issuer(tokens.issuer())
            .revocation(revoked.clone())
            .clock(clock.clone())
            .build()
            .unwrap();
        let refresh = RefreshTokens::memory(keys)
            .revoking(revoked.clone())
            .clock(clock)
            .build()
            .unwrap();
        let scope = RequestScope::detached();
        Self {
            seconds,
            tokens,
            jwt,
            revoked,
            refresh,
            scope,
        }
    }

    pub(super) fn pass(&self, seconds: u64) {
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    pub(super) fn alice() -> Principal {
        Principal::user("bookings", "alice").scopes(["read"])
    }
}
