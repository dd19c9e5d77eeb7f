//! The tools for tests of users.

use palisade_auth::testing::Minter;
use palisade_auth::{JwtVerifier, Refusal};
use palisade_core::Principal;
use serde_json::json;

#[test]
fn a_minter_mints_good_and_bad_tokens() {
    let minter = Minter::new("bookings", "api").unwrap();
    let jwt = JwtVerifier::builder()
        .issuer(minter.issuer())
        .build()
        .unwrap();
    let alice = Principal::user("", "alice").roles(["user"]);
    assert!(
        jwt.verify(&minter.token(&alice).unwrap())
            .unwrap()
            .has_role("user")
    );
    assert!(
        jwt.verify(&minter.token_with(&alice, &json!({"team": "blue"})).unwrap())
            .is_ok()
    );
    assert_eq!(
        jwt.verify(&minter.expired("alice")).err(),
        Some(Refusal::TokenExpired)
    );
    assert_eq!(
        jwt.verify(&minter.signed(&json!({"iss": "bookings"})))
            .err(),
        Some(Refusal::ExpiryMissing)
    );
    let other = Minter::new("bookings", "api").unwrap();
    assert_eq!(
        jwt.verify(&other.token(&alice).unwrap()).err(),
        Some(Refusal::UnknownKey)
    );
}
