//! Several issuers, several secrets, several kinds of token.

use crate::support::{
    HEADER, OTHER_SECRET, SECRET, claims, claims_with, clock, good_token, hs256, issuer,
};
use palisade_auth::{HmacKeys, Issuer, JwtVerifier, Refusal, TokenType};
use serde_json::json;

fn with_header(header: &str) -> String {
    hs256(header, &claims().to_string(), SECRET)
}

#[test]
fn a_foreign_issuer_may_leave_typ_out_or_say_jwt() {
    let jwt = JwtVerifier::builder()
        .issuer(issuer().token_type(TokenType::Common))
        .clock(clock())
        .build()
        .unwrap();
    for header in [
        r#"{"alg":"HS256"}"#,
        r#"{"alg":"HS256","typ":"JWT"}"#,
        HEADER,
    ] {
        assert!(jwt.verify(&with_header(header)).is_ok(), "{header}");
    }
    for typ in ["refresh+jwt", "logout+jwt", "dpop+jwt", "secevent+jwt"] {
        let token = with_header(&format!(r#"{{"alg":"HS256","typ":"{typ}"}}"#));
        assert_eq!(jwt.verify(&token).err(), Some(Refusal::WrongType), "{typ}");
    }
}

#[test]
fn the_previous_secret_is_accepted_and_one_before_it_is_not() {
    let keys = HmacKeys::current(OTHER_SECRET)
        .unwrap()
        .previous(SECRET)
        .unwrap();
    let jwt = JwtVerifier::builder()
        .issuer(Issuer::hmac("bookings", keys).audience("api://bookings"))
        .clock(clock())
        .build()
        .unwrap();
    assert!(jwt.verify(&good_token()).is_ok());
    assert!(
        jwt.verify(&hs256(HEADER, &claims().to_string(), OTHER_SECRET))
            .is_ok()
    );
    let third = hs256(
        HEADER,
        &claims().to_string(),
        "qW8eRt5yUi2oPa9sDf6gHj3kLz0xCv7b",
    );
    assert_eq!(jwt.verify(&third).err(), Some(Refusal::BadSignature));
}

#[test]
fn one_issuers_secret_does_not_speak_for_another() {
    let partner = Issuer::hmac("partner", HmacKeys::current(OTHER_SECRET).unwrap())
        .audience("api://bookings");
    let jwt = JwtVerifier::builder()
        .issuer(issuer())
        .issuer(partner)
        .clock(clock())
        .build()
        .unwrap();
    let spoofed = hs256(HEADER, &claims().to_string(), OTHER_SECRET);
    assert_eq!(jwt.verify(&spoofed).err(), Some(Refusal::BadSignature));
    let own = hs256(
        HEADER,
        &claims_with(json!({"iss": "partner"})),
        OTHER_SECRET,
    );
    assert_eq!(jwt.verify(&own).unwrap().issuer(), "partner");
}

#[test]
fn an_access_token_of_keycloak_may_have_a_nonce_where_that_was_allowed() {
    let verify = |issuer: Issuer, changes: serde_json::Value| {
        let token = crate::support::hs256(
            crate::support::HEADER,
            &crate::support::claims_with(changes),
            crate::support::SECRET,
        );
        let builder = JwtVerifier::builder().issuer(issuer);
        let jwt = builder.clock(crate::support::clock()).build().unwrap();
        jwt.verify(&token).err()
    };
    let access = serde_json::json!({"typ": "Bearer", "nonce": "n-0S6_WzA2Mj", "azp": "web"});
    let wrong = Some(Refusal::WrongType);
    assert_eq!(verify(crate::support::issuer(), access.clone()), wrong);
    let keycloak = || crate::support::issuer().may_send_nonce();
    assert_eq!(verify(keycloak(), access), None);
    for id in [
        serde_json::json!({"typ": "ID", "nonce": "n"}),
        serde_json::json!({"nonce": "n", "at_hash": "x"}),
        serde_json::json!({"nonce": "n", "c_hash": "x"}),
    ] {
        assert_eq!(verify(keycloak(), id), wrong);
    }
}

#[test]
fn debug_output_of_a_verifier_has_the_names_of_its_issuers_and_no_secret() {
    let partner = Issuer::hmac("partner", HmacKeys::current(OTHER_SECRET).unwrap())
        .audience("api://bookings");
    let builder = JwtVerifier::builder().issuer(issuer()).issuer(partner);
    let jwt = builder.build().unwrap();
    assert_eq!(
        format!("{jwt:?}"),
        r#"JwtVerifier { issuers: ["bookings", "partner"], .. }"#
    );
}
