//! Settings of stores that came too late.

use std::time::Duration;

use palisade_auth::revocation::RedisRevocation;
use palisade_auth::{
    AuthError, Dpop, HmacKeys, Issuer, JwtVerifier, RedisApiKeys, RedisProofs, RedisRefreshTokens,
    Refusal,
};

use crate::stores::alice;
use crate::support::SECRET;
use crate::support::redis::Server;

/// Long enough for a machine that is busy with other tests.
const TIMEOUT: Duration = Duration::from_secs(5);

fn keys() -> HmacKeys {
    HmacKeys::current(SECRET).unwrap()
}

fn names(error: &AuthError) -> bool {
    let text = error.to_string();
    text.contains("after it was cloned")
}

#[tokio::test]
async fn a_setting_after_a_clone_is_an_error_of_whatever_is_built_with_the_store() {
    let server = Server::start().await;
    let connection = server.connection().await;
    let verifier = |store: RedisRevocation| {
        let issuer = Issuer::hmac("bookings", keys()).audience("api://bookings");
        JwtVerifier::builder()
            .issuer(issuer)
            .revocation(store)
            .build()
    };
    let store = RedisRevocation::new(connection.clone()).timeout(TIMEOUT);
    let clone = store.clone();
    assert!(verifier(clone.clone()).is_ok());
    // Marks are left by one where the other does not look.
    let store = store.prefix("elsewhere");
    for store in [store, clone] {
        assert!(names(&verifier(store.clone()).unwrap_err()));
        let told = store.revoke_session("bookings", "s1").await;
        assert_eq!(told, Err(Refusal::StoreUnavailable));
    }

    let proofs = RedisProofs::new(connection);
    let dpop = |proofs: RedisProofs| {
        let dpop = Dpop::builder().base("https://bookings.example");
        dpop.redis(proofs).build()
    };
    let clone = proofs.clone();
    assert!(dpop(clone.clone()).is_ok());
    let _late = proofs.timeout(TIMEOUT);
    assert!(names(&dpop(clone).unwrap_err()));
}

#[tokio::test]
async fn a_setting_after_a_clone_is_an_error_of_the_first_call() {
    let server = Server::start().await;
    let connection = server.connection().await;
    let families = RedisRefreshTokens::new(keys(), connection.clone()).timeout(TIMEOUT);
    let clone = families.clone();
    assert!(clone.begin(&alice()).await.is_ok());
    let late = families.prefix("elsewhere");
    for families in [clone, late] {
        assert!(families.begin(&alice()).await.is_err());
    }
    let known = RedisApiKeys::new("pk", keys(), connection)
        .unwrap()
        .timeout(TIMEOUT);
    let clone = known.clone();
    assert_eq!(clone.last_used("nobody").await, Ok(None));
    let late = known.store_prefix("elsewhere");
    for known in [clone, late] {
        assert_eq!(
            known.last_used("nobody").await,
            Err(Refusal::StoreUnavailable)
        );
    }
}
