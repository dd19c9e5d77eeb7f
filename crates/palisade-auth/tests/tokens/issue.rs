//! Issued tokens are accepted by their verifier, and speak for no more than its principal.

use crate::support::{HEADER, SECRET, clock, hs256, unb64, verifier};
use palisade_auth::{HmacKeys, JwtVerifier, Refusal, TokenIssuer};
use palisade_core::Principal;
use serde_json::{Value, json};

fn tokens() -> TokenIssuer {
    TokenIssuer::hmac("bookings", HmacKeys::current(SECRET).unwrap())
        .audience("api://bookings")
        .clock(clock())
        .build()
        .unwrap()
}

fn alice() -> Principal {
    Principal::user("bookings", "alice")
}

#[test]
fn a_scope_that_would_become_several_is_not_issued() {
    for scope in ["read admin", "read\tadmin", "", " ", "a\"b", "a\\b", "ä"] {
        let principal = alice().scopes(["write", scope]);
        assert!(!principal.has_scope("admin"));
        assert!(tokens().issue(&principal).is_err(), "{scope:?}");
    }
    let token = tokens().issue(&alice().scopes(["read", "https://a/b:c"]));
    let principal = verifier().verify(token.unwrap().as_str()).unwrap();
    assert_eq!(
        principal.scope_names().collect::<Vec<_>>(),
        ["read", "https://a/b:c"]
    );
}

#[test]
fn nothing_is_issued_that_its_own_verifier_refuses() {
    for claims in [
        json!({"type": "offline"}),
        json!({"type": "Refresh"}),
        json!({"at_hash": "x"}),
        json!({"c_hash": null}),
        json!({"events": {}}),
        json!({"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}),
        json!({"nonce": "n"}),
        json!(["a"]),
    ] {
        assert!(tokens().issue_with(&alice(), &claims).is_err(), "{claims}");
    }
    let nobody = Principal::user("bookings", "");
    assert!(tokens().issue(&nobody).is_err());
    let jwt = JwtVerifier::builder()
        .issuer(tokens().issuer())
        .clock(clock());
    let jwt = jwt.build().unwrap();
    let plain = json!({"type": "member", "plan": {"name": "gold"}});
    let issued = tokens().issue_with(&alice(), &plain).unwrap();
    assert!(jwt.verify(issued.as_str()).is_ok());
}

fn refused(claim: Value) -> Refusal {
    let token = hs256(HEADER, &crate::support::claims_with(claim), SECRET);
    verifier().verify(&token).unwrap_err()
}

#[test]
fn a_token_bound_to_a_key_is_no_bearer_token() {
    for cnf in [
        json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}),
        json!({"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}),
        json!({}),
        Value::Null,
    ] {
        assert_eq!(refused(json!({"cnf": cnf})), Refusal::SenderConstrained);
    }
}

#[test]
fn a_logout_token_is_no_access_token() {
    let events = json!({"http://schemas.openid.net/event/backchannel-logout": {}});
    assert_eq!(refused(json!({"events": events})), Refusal::WrongType);
}

fn claims_of(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&unb64(payload)).unwrap()
}

/// RFC 9068, section 2.2: `client_id` is required.
#[test]
fn every_token_names_its_client() {
    let issued = tokens().issue(&alice()).unwrap();
    assert_eq!(claims_of(issued.as_str())["client_id"], "bookings");
    let service = Principal::service("bookings", "crm");
    let issued = tokens().issue(&service).unwrap();
    assert_eq!(claims_of(issued.as_str())["client_id"], "crm");

    let builder = || {
        TokenIssuer::hmac("bookings", HmacKeys::current(SECRET).unwrap()).audience("api://bookings")
    };
    let tokens = builder().client_id("web").build().unwrap();
    for principal in [&alice(), &service] {
        let issued = tokens.issue(principal).unwrap();
        assert_eq!(claims_of(issued.as_str())["client_id"], "web");
    }
    let issued = tokens.issue_with(&alice(), &json!({"client_id": "app"}));
    assert_eq!(claims_of(issued.unwrap().as_str())["client_id"], "app");
    for bad in [json!(""), json!(7), Value::Null] {
        let issued = tokens.issue_with(&alice(), &json!({ "client_id": bad }));
        assert!(issued.is_err(), "{bad}");
    }
    assert!(builder().client_id("").build().is_err());
}
