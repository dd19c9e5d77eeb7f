use std::collections::BTreeSet;

use palisade_auth::{Algorithm, KeySet, VerifyingKey};
use serde_json::Value;

/// Documents that say they are sets of keys.
pub(crate) fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(set) = KeySet::from_jwks(&text) else {
        return;
    };
    let keys: Vec<&VerifyingKey> = set.iter().collect();
    assert!(!keys.is_empty() && keys.len() <= 100, "a set of no use");
    let secrets = keys.iter().filter(|key| is_secret(key)).count();
    assert!(
        secrets == 0 || secrets == keys.len(),
        "secrets and public keys in one set"
    );

    // Whatever is used says so in the plain reading of the document.
    let document: Value = serde_json::from_str(&text).unwrap_or_default();
    let listed: Vec<&Value> = document["keys"].as_array().into_iter().flatten().collect();
    for key in &keys {
        let kid = key.key_id();
        let mut of_kid = listed.iter().filter(|item| item["kid"].as_str() == kid);
        assert!(
            of_kid.any(|item| is_meant_for_signatures(item)),
            "{kid:?} is not listed for signatures"
        );
        assert!(key.verify_jws("e30.e30.AA").is_err(), "a forged signature");
    }

    // What is published is read again, and holds no secret.
    let published = set.to_jwks();
    for private in ["\"d\":", "\"k\":", "\"p\":", "\"oth\":"] {
        assert!(!published.contains(private), "{private} is published");
    }
    if secrets == 0 {
        let again = KeySet::from_jwks(&published).expect("what is published can be read");
        let names = |keys: &[&VerifyingKey]| -> BTreeSet<Option<String>> {
            keys.iter().map(|key| key.thumbprint()).collect()
        };
        let again: Vec<&VerifyingKey> = again.iter().collect();
        assert_eq!(names(&again), names(&keys), "other keys are published");
    }
}

fn is_secret(key: &VerifyingKey) -> bool {
    use Algorithm::{HS256, HS384, HS512};
    matches!(key.algorithm(), HS256 | HS384 | HS512)
}

fn is_meant_for_signatures(item: &Value) -> bool {
    let signs = item["use"].is_null() || item["use"] == "sig";
    let operations = item["key_ops"].as_array();
    let verifies = operations.is_none_or(|listed| listed.iter().any(|one| one == "verify"));
    let private = item["kty"] != "oct" && !item["d"].is_null();
    signs && verifies && !private
}
