//! An identity is an issuer and a subject, whatever a token, a key or an adapter makes of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::{
    HEADER, NOW, SECRET, claims_with, clock, good_token, hs256, issuer, layer, through, with_token,
};
use palisade_auth::revocation::MemoryRevocation;
use palisade_auth::{
    Algorithm, HmacKeys, Issuer, JwtVerifier, JwtVerifierBuilder, KeySet, Refusal,
    RequirePermission, RequireRole, RequireScope, RequireService, ServiceToken, SigningKey,
    SigningKeys, TokenIssuer,
};
use palisade_core::Principal;
use palisade_core::time::UnixTime;
use serde_json::json;
use tower_layer::Stack;

/// A verifier whose issuer makes another principal of every token, as an application with accounts of its own does.
fn adapting(revoked: &MemoryRevocation) -> JwtVerifierBuilder {
    let adapted = issuer().adapt(|_, _| Principal::user("accounts", "account-7"));
    JwtVerifier::builder()
        .issuer(adapted)
        .revocation(revoked.clone())
        .clock(clock())
}

fn session_token() -> String {
    hs256(HEADER, &claims_with(json!({"sid": "s-1"})), SECRET)
}

#[test]
fn an_adapted_principal_is_revoked_by_what_its_token_says() {
    type Revoke = fn(&MemoryRevocation);
    let ways: [Revoke; 3] = [
        |store| store.revoke_subject("bookings", "alice"),
        |store| store.revoke_session("bookings", "s-1"),
        |store| {
            store.revoke_token("bookings", "t-1", UnixTime::from_secs(NOW + 600));
        },
    ];
    for (way, revoke) in ways.into_iter().enumerate() {
        for cache in [0, 100] {
            let revoked = MemoryRevocation::with_clock(Duration::from_secs(900), clock());
            let jwt = adapting(&revoked).cache(cache).build().unwrap();
            let principal = jwt.verify(&session_token()).unwrap();
            assert_eq!(principal.subject(), "account-7");
            revoke(&revoked);
            assert_eq!(
                jwt.verify(&session_token()).unwrap_err(),
                Refusal::Revoked,
                "way {way}"
            );
        }
    }
}

#[test]
fn an_adapted_principal_ends_with_its_token() {
    let jwt = adapting(&MemoryRevocation::with_clock(
        Duration::from_secs(900),
        clock(),
    ))
    .build()
    .unwrap();
    let expiry = jwt.verify(&good_token()).unwrap().expiry();
    assert_eq!(expiry, Some(UnixTime::from_secs(NOW + 600)));
    for (asked, expiry) in [(NOW + 60, NOW + 60), (NOW + 6_000, NOW + 600)] {
        let adapted =
            issuer().adapt(move |principal, _| principal.expires_at(UnixTime::from_secs(asked)));
        let jwt = JwtVerifier::builder()
            .issuer(adapted)
            .clock(clock())
            .build()
            .unwrap();
        let principal = jwt.verify(&good_token()).unwrap();
        assert_eq!(principal.expiry(), Some(UnixTime::from_secs(expiry)));
    }
}

#[cfg(feature = "websocket")]
#[tokio::test(start_paused = true)]
async fn an_open_connection_of_an_adapted_principal_ends_too() {
    use palisade_auth::websocket::Ended;
    let revoked = MemoryRevocation::with_clock(Duration::from_secs(900), clock());
    let jwt = adapting(&revoked).build().unwrap();
    let principal = jwt.verify(&good_token()).unwrap();
    let ended = tokio::spawn({
        let (jwt, principal) = (jwt.clone(), principal.clone());
        async move { jwt.ended(&principal).await }
    });
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!ended.is_finished());
    revoked.revoke_subject("bookings", "alice");
    assert_eq!(ended.await.unwrap(), Ended::Revoked);
}

#[tokio::test]
async fn a_service_is_its_issuer_and_its_subject() {
    let crm = json!({"sub": "crm", "kind": "service"});
    let by_token = with_token(&hs256(HEADER, &claims_with(crm), SECRET));
    const STATIC: &str = "Zt9QwL3nVb6YxK1rMd8FpS5gHc2JeU7o";
    let auth = layer()
        .service(ServiceToken::new("crm", STATIC).unwrap())
        .unwrap();
    let asked = async |guard, request| {
        let stack = Stack::new(guard, auth.clone());
        through(&stack, request).await.status
    };
    assert_eq!(
        asked(RequireService::named(["crm"]), with_token(STATIC)).await,
        200
    );
    let of_bookings = || RequireService::of("bookings", ["crm"]);
    assert_eq!(asked(of_bookings(), with_token(STATIC)).await, 403);
    assert_eq!(asked(RequireService::named(["crm"]), by_token).await, 403);
    let crm = json!({"sub": "crm", "kind": "service"});
    let by_token = with_token(&hs256(HEADER, &claims_with(crm), SECRET));
    assert_eq!(asked(of_bookings(), by_token).await, 200);
}

#[test]
fn a_foreign_issuer_names_services_only_where_it_may() {
    let key = SigningKey::generate(Algorithm::EdDSA).unwrap();
    let idp = TokenIssuer::signed("https://idp.example/", SigningKeys::new(key))
        .audience("api://bookings")
        .clock(clock())
        .build()
        .unwrap();
    let token = idp
        .issue(&Principal::service("https://idp.example/", "crm"))
        .unwrap();
    let foreign = || {
        let keys = KeySet::from_jwks(&idp.jwks()).unwrap();
        Issuer::keys("https://idp.example/", keys).audience("api://bookings")
    };
    for (issuer, kind) in [
        (foreign(), "user"),
        (foreign().may_name_services(), "service"),
        (idp.issuer(), "service"),
    ] {
        let jwt = JwtVerifier::builder()
            .issuer(issuer)
            .clock(clock())
            .build()
            .unwrap();
        let principal = jwt.verify(token.as_str()).unwrap();
        assert_eq!(principal.kind().as_str(), kind);
    }
}

#[test]
fn no_issuer_has_the_name_of_other_credentials() {
    for name in ["api-key", "service-token", ""] {
        let keys = || HmacKeys::current(SECRET).unwrap();
        let trusted = Issuer::hmac(name, keys()).audience("api");
        let error = JwtVerifier::builder().issuer(trusted).build().unwrap_err();
        assert!(error.to_string().contains("name"), "{error}");
        let own = TokenIssuer::hmac(name, keys()).audience("api").build();
        assert!(own.unwrap_err().to_string().contains("name"));
    }
}

#[tokio::test]
async fn a_guard_that_asks_for_nothing_lets_nobody_pass() {
    let none: [&str; 0] = [];
    for guard in [
        RequireScope::all(none),
        RequireScope::any(none),
        RequireRole::any(none),
        RequirePermission::all(none),
        RequirePermission::any(none),
        RequireService::named(none),
    ] {
        let stack = Stack::new(guard.clone(), layer());
        let status = through(&stack, with_token(&good_token())).await.status;
        assert_eq!(status, 403, "{guard:?}");
    }
}

#[test]
fn a_principal_is_adapted_once_a_token_while_that_is_in_the_cache() {
    for (cache, adapted) in [(100, 2), (0, 6)] {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let issuer = issuer().adapt(move |principal, _| {
            counted.fetch_add(1, Ordering::Relaxed);
            principal
        });
        let builder = JwtVerifier::builder().issuer(issuer).clock(clock());
        let jwt = builder.cache(cache).build().unwrap();
        for _ in 0..3 {
            assert!(jwt.verify(&good_token()).is_ok());
            assert!(jwt.verify(&session_token()).is_ok());
        }
        assert_eq!(count.load(Ordering::Relaxed), adapted, "a cache of {cache}");
    }
}
