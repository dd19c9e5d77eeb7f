//! Tokens and cookies that are issued, and the errors of settings.

use std::time::Duration;

use palisade_auth::{HmacKeys, Issuer, JwtVerifier, TokenIssuer};
use palisade_core::Principal;

use super::house::House;
use crate::support::{NOW, SECRET};

#[test]
fn tokens_are_issued_as_rfc_9068_says() {
    let house = House::new();
    let alice = Principal::user("elsewhere", "alice")
        .scopes(["read", "write"])
        .roles(["user"])
        .permissions(["move room"])
        .tenant("acme")
        .session("s-1");
    let issued = house
        .tokens
        .issue_with(&alice, &serde_json::json!({"team": "blue"}))
        .unwrap();
    let mut parts = issued.as_str().split('.');
    let mut part = || -> serde_json::Value {
        serde_json::from_slice(&crate::support::unb64(parts.next().unwrap())).unwrap()
    };
    let header = part();
    assert_eq!(
        (&header["alg"], &header["typ"]),
        (&"HS256".into(), &"at+jwt".into())
    );
    let claims = part();
    let expected = serde_json::json!({
        "iss": "bookings", "sub": "alice", "aud": "api", "iat": NOW, "exp": NOW + 900,
        "jti": issued.id(), "scope": "read write", "roles": ["user"], "permissions": ["move room"],
        "tenant": "acme", "sid": "s-1", "team": "blue", "client_id": "bookings",
    });
    assert_eq!(claims, expected);
    let back = house.jwt.verify(issued.as_str()).unwrap();
    assert_eq!(
        (back.tenant_name(), back.session_id()),
        (Some("acme"), Some("s-1"))
    );
    assert!(back.has_permission("move room"));
    for reserved in ["iss", "exp", "roles", "sid"] {
        let replaced = house
            .tokens
            .issue_with(&alice, &serde_json::json!({reserved: 1}));
        assert!(replaced.is_err(), "{reserved}");
    }
    assert!(house.tokens.issue_with(&alice, &7).is_err());
    assert!(
        house
            .tokens
            .issue_with(&alice, &serde_json::json!({"x": "x".repeat(9000)}))
            .is_err()
    );
    assert!(!format!("{issued:?}").contains(issued.as_str()));
}

#[test]
fn lifetimes_come_from_the_environment() {
    let lifetime = |name: &'static str, value: &'static str| {
        TokenIssuer::hmac("iss", HmacKeys::current(SECRET).unwrap())
            .audience("api")
            .lifetime_from(|asked| (asked == name).then(|| value.to_owned()))
            .and_then(palisade_auth::TokenIssuerBuilder::build)
            .map(|tokens| tokens.lifetime().as_secs())
            .map_err(|error| error.to_string())
    };
    assert_eq!(lifetime("OTHER", "1"), Ok(900));
    assert_eq!(lifetime("ACCESS_TOKEN_EXPIRE_MINUTES", "30"), Ok(1800));
    assert_eq!(lifetime("JWT_EXPIRES_HOURS", "24"), Ok(86_400));
    for bad in ["0", "1441", "-1", "", "15m", "1.5"] {
        let error = lifetime("ACCESS_TOKEN_EXPIRE_MINUTES", bad).unwrap_err();
        assert!(
            error.starts_with("ACCESS_TOKEN_EXPIRE_MINUTES: "),
            "{error}"
        );
    }
    assert!(lifetime("JWT_EXPIRES_HOURS", "25").is_err());
}

#[test]
fn every_problem_of_a_verifier_is_named_at_once() {
    let keys = || HmacKeys::current(SECRET).unwrap();
    let error = JwtVerifier::builder()
        .issuer(Issuer::hmac("a", keys()))
        .issuer(
            Issuer::hmac("a", keys())
                .audience("x")
                .leeway(Duration::from_secs(61)),
        )
        .issuer(
            Issuer::hmac("", keys())
                .audience("x")
                .algorithms([palisade_auth::Algorithm::RS256]),
        )
        .build()
        .unwrap_err()
        .to_string();
    for problem in [
        "issuers[0].audience",
        "issuers[1].name",
        "issuers[1].leeway",
        "issuers[2].name",
        "issuers[2].algorithms",
    ] {
        assert!(error.contains(problem), "{problem} in {error}");
    }
    assert!(JwtVerifier::builder().build().is_err());
}
