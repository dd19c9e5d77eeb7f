//! Tokens that must not pass: each differs from a good one in a single thing.

mod claims;
mod headers;
mod signatures;

use palisade_auth::Refusal;

use crate::support::{HEADER, NOW, SECRET, b64, claims, claims_with, good_token, hs256, verifier};

/// The kind of the forgery, the token, and the reason for which it is refused.
type Forged = (&'static str, String, Refusal);

fn with_header(header: &str) -> String {
    hs256(header, &claims().to_string(), SECRET)
}

fn with_claims(changes: serde_json::Value) -> String {
    hs256(HEADER, &claims_with(changes), SECRET)
}

fn unsigned(header: &str) -> String {
    format!("{}.{}.", b64(header), b64(claims().to_string()))
}

fn part(token: &str, index: usize) -> &str {
    token.split('.').nth(index).unwrap()
}

fn table() -> Vec<Forged> {
    let tables = [headers::table(), signatures::table(), claims::table()];
    tables.into_iter().flatten().collect()
}

#[test]
fn the_good_token_passes() {
    let principal = verifier().verify(&good_token()).unwrap();
    assert_eq!(
        (principal.issuer(), principal.subject()),
        ("bookings", "alice")
    );
    assert!(principal.has_scope("write") && principal.has_role("user"));
    assert_eq!(principal.expiry().unwrap().as_secs(), NOW + 600);
}

#[test]
fn every_forged_token_is_refused_for_its_own_reason() {
    let table = table();
    assert!(table.len() >= 60, "{} tokens", table.len());
    let jwt = verifier();
    for (name, token, refusal) in table {
        assert_eq!(jwt.verify(&token).err(), Some(refusal), "{name}: {token}");
    }
}

#[test]
fn no_prefix_of_a_good_token_passes() {
    let (jwt, good) = (verifier(), good_token());
    for length in 0..good.len() {
        assert!(jwt.verify(&good[..length]).is_err(), "{length} bytes");
    }
}

#[test]
fn no_single_changed_character_passes() {
    let (jwt, good) = (verifier(), good_token());
    for position in 0..good.len() {
        for other in ["A", "B", "_", "."] {
            let mut changed = good.clone();
            changed.replace_range(position..=position, other);
            assert!(
                changed == good || jwt.verify(&changed).is_err(),
                "{other} at {position}"
            );
        }
    }
}
