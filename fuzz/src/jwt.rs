use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use palisade_auth::{HmacKeys, Issuer, JwtVerifier};
use palisade_core::time::{UnixTime, WallClock};
use ring::hmac;

const SECRET: &[u8] = b"kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu";
const NOW: u64 = 1_795_190_400;

fn verifier() -> Option<&'static JwtVerifier> {
    static VERIFIER: OnceLock<Option<JwtVerifier>> = OnceLock::new();
    let made = VERIFIER.get_or_init(|| {
        let keys = HmacKeys::current(SECRET).ok()?;
        JwtVerifier::builder()
            .issuer(Issuer::hmac("bookings", keys).audience("api://bookings"))
            .clock(WallClock::from_fn(|| UnixTime::from_secs(NOW)))
            .build()
            .ok()
    });
    made.as_ref()
}

/// Tokens of strangers, and tokens whose claims and header are strange although the signature is right.
pub(crate) fn check(data: &[u8]) {
    let Some(verifier) = verifier() else { return };
    let text = String::from_utf8_lossy(data);
    assert!(
        verifier.verify(&text).is_err(),
        "a forged token was accepted"
    );

    // The first line is the header, the rest the claims; the signature is ours.
    let (header, claims) = match data.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (&br#"{"alg":"HS256"}"#[..], data),
    };
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let tag = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, SECRET),
        signed.as_bytes(),
    );
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag));
    let Ok(principal) = verifier.verify(&token) else {
        return;
    };

    // Whatever is accepted says so in the plain reading of its parts.
    let read = |part: &[u8]| serde_json::from_slice::<serde_json::Value>(part).unwrap_or_default();
    let (header, claims) = (read(header), read(claims));
    assert_eq!(header["alg"], "HS256", "another algorithm than the key's");
    for refused in ["crit", "b64", "zip"] {
        assert!(header.get(refused).is_none(), "{refused} was accepted");
    }
    assert_eq!(claims["iss"], "bookings");
    assert_eq!(claims["sub"], principal.subject());
    let audience = &claims["aud"];
    let named = audience
        .as_array()
        .is_some_and(|all| all.iter().any(|one| one == "api://bookings"));
    assert!(
        named || audience == "api://bookings",
        "another audience: {audience}"
    );
    // 60 seconds are the most leeway that can be set.
    let expires = claims["exp"].as_f64().unwrap_or(0.0);
    assert!(expires > (NOW - 60) as f64, "expired at {expires}");
    let begins = claims
        .get("nbf")
        .and_then(serde_json::Value::as_f64)
        .unwrap_or(0.0);
    assert!(begins < (NOW + 61) as f64, "not valid before {begins}");
}
