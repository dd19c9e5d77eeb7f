//! All vectors of Wycheproof for JSON Web Signatures and for sets of JSON Web Keys, from the files beside with their
//! source. What Wycheproof calls invalid is refused without exception. What it calls valid is accepted, but for what
//! stands in the tables below with the reason.

use std::collections::BTreeMap;

use palisade_auth::{KeySet, VerifyingKey};
use serde_json::{Value, json};

use crate::support::unb64;

/// A reason and the numbers of the vectors that are valid and refused for it.
type Stricter = (&'static str, &'static [u64]);

const STRICTER_ABOUT_SIGNATURES: [Stricter; 4] = [
    (
        "an empty payload has no claims, and is what detached content looks like (RFC 7515, appendix F)",
        &[259, 264, 268, 272, 320, 325],
    ),
    (
        "a signature by PS384 does not hold for a key that says PS256 (RFC 7517, section 4.4)",
        &[346, 350],
    ),
    (
        "there is no P-521 here, and ES521, which the keys say, is no registered algorithm (RFC 7518, section 3.1)",
        &[347, 351],
    ),
    (
        "a secret of 32 zeros is none; two of these have a `?` in a segment besides (RFC 7515, section 2)",
        &[357, 358, 359, 372, 373, 376, 377],
    ),
];

const STRICTER_ABOUT_KEYS: [Stricter; 1] =
    [("a secret that counts from 0 to 64 is none", &[13, 14, 15])];

/// The vectors that are valid and refused all the same, in their order.
fn expected(stricter: &[Stricter]) -> Vec<u64> {
    let mut numbers: Vec<u64> = stricter
        .iter()
        .flat_map(|(_, numbers)| *numbers)
        .copied()
        .collect();
    numbers.sort_unstable();
    numbers
}

/// Runs every vector of a file; says how many there were, and which are valid and refused.
fn run(file: &str, verifies: impl Fn(&Value, &str) -> bool) -> (usize, Vec<u64>) {
    let vectors: Value = serde_json::from_str(file).unwrap();
    let mut refused = BTreeMap::new();
    for group in vectors["groups"].as_array().unwrap() {
        for test in group["tests"].as_array().unwrap() {
            let number = test[0].as_u64().unwrap();
            let (jws, valid) = (test[1].as_str().unwrap(), test[2].as_bool().unwrap());
            let verified = verifies(group, jws);
            assert!(valid || !verified, "{number} is invalid and was accepted");
            assert!(refused.insert(number, valid && !verified).is_none());
        }
    }
    let stricter = refused.iter().filter(|(_, stricter)| **stricter);
    (refused.len(), stricter.map(|(number, _)| *number).collect())
}

#[test]
fn wycheproof_json_web_signature() {
    let verifies = |group: &Value, jws: &str| {
        let key = VerifyingKey::from_jwk(&group["key"].to_string());
        key.is_ok_and(|key| key.verify_jws(jws).is_ok())
    };
    let (tested, stricter) = run(include_str!("../data/wycheproof-jws.json"), verifies);
    assert_eq!(tested, 401);
    assert_eq!(stricter, expected(&STRICTER_ABOUT_SIGNATURES));
}

#[test]
fn wycheproof_json_web_key() {
    // By the key that the header names, as the verifier chooses it.
    let verifies = |group: &Value, jws: &str| {
        let set = json!({"keys": group["keys"]}).to_string();
        let Ok(set) = KeySet::from_jwks(&set) else {
            return false;
        };
        let named = jws.split('.').next().map(unb64).unwrap();
        let named: Value = serde_json::from_slice(&named).unwrap();
        let mut keys = set
            .iter()
            .filter(|key| key.key_id() == named["kid"].as_str());
        keys.any(|key| key.verify_jws(jws).is_ok())
    };
    let (tested, stricter) = run(include_str!("../data/wycheproof-jwk.json"), verifies);
    assert_eq!(tested, 26);
    assert_eq!(stricter, expected(&STRICTER_ABOUT_KEYS));
}
