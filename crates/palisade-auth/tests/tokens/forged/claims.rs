//! Forged claims, each under a good signature.

use palisade_auth::Refusal;
use serde_json::json;

use super::{Forged, with_claims};
use crate::support::{HEADER, NOW, SECRET, claims, claims_without, hs256};

pub(super) fn table() -> Vec<Forged> {
    use Refusal::*;
    let raw_claims = claims().to_string();
    let mut table = Vec::new();
    let mut add = |name, token: String, refusal| table.push((name, token, refusal));

    // Claims.
    add(
        "payload is a list",
        hs256(HEADER, "[]", SECRET),
        ClaimsMalformed,
    );
    add(
        "payload is a text",
        hs256(HEADER, "\"a\"", SECRET),
        ClaimsMalformed,
    );
    for name in ["iss", "sub", "aud", "exp", "iat", "jti", "scope", "other"] {
        let twice = raw_claims.replacen('{', &format!(r#"{{"{name}":"x","{name}":"y","#), 1);
        add(
            "a claim twice",
            hs256(HEADER, &twice, SECRET),
            ClaimsMalformed,
        );
    }
    add(
        "a nested claim twice",
        hs256(
            HEADER,
            &raw_claims.replacen('{', r#"{"x":{"a":1,"a":2},"#, 1),
            SECRET,
        ),
        ClaimsMalformed,
    );
    for name in ["typ", "type", "token_use", "nonce"] {
        let nested = format!(r#"{{"{name}":[{{"a":1,"a":2}}],"#);
        add(
            "a claim twice within one that is looked at",
            hs256(HEADER, &raw_claims.replacen('{', &nested, 1), SECRET),
            ClaimsMalformed,
        );
    }
    add(
        "a claim twice through an escape",
        hs256(
            HEADER,
            &raw_claims.replacen('{', r#"{"\u0073ub":"admin","#, 1),
            SECRET,
        ),
        ClaimsMalformed,
    );
    add(
        "no exp",
        hs256(HEADER, &claims_without("exp"), SECRET),
        ExpiryMissing,
    );
    add(
        "exp passed",
        with_claims(json!({"iat": NOW - 600, "exp": NOW - 30})),
        TokenExpired,
    );
    add("exp zero", with_claims(json!({"exp": 0})), TokenExpired);
    for (name, exp) in [
        ("a text", json!("1800000600")),
        ("null", json!(null)),
        ("negative", json!(-1)),
        ("in milliseconds", json!((NOW + 600) * 1000)),
        ("huge", json!(1e300)),
        ("a list", json!([NOW + 600])),
    ] {
        let _ = name;
        add(
            "exp of another form",
            with_claims(json!({"exp": exp})),
            ClaimsMalformed,
        );
    }
    add(
        "nbf to come",
        with_claims(json!({"nbf": NOW + 31})),
        NotYetValid,
    );
    add(
        "nbf a text",
        with_claims(json!({"nbf": "0"})),
        ClaimsMalformed,
    );
    add(
        "no iat",
        hs256(HEADER, &claims_without("iat"), SECRET),
        IssuedAtMissing,
    );
    add(
        "iat to come",
        with_claims(json!({"iat": NOW + 31})),
        IssuedInFuture,
    );
    add(
        "lives too long",
        with_claims(json!({"exp": NOW + 901})),
        LifetimeTooLong,
    );
    add(
        "iat long past",
        with_claims(json!({"iat": NOW - 3600})),
        LifetimeTooLong,
    );
    add(
        "no iss",
        hs256(HEADER, &claims_without("iss"), SECRET),
        UnknownIssuer,
    );
    for iss in ["Bookings", "bookings/", "https://bookings", "", "bookings "] {
        add(
            "another issuer",
            with_claims(json!({"iss": iss})),
            UnknownIssuer,
        );
    }
    add(
        "iss a list",
        with_claims(json!({"iss": ["bookings"]})),
        ClaimsMalformed,
    );
    add(
        "no aud",
        hs256(HEADER, &claims_without("aud"), SECRET),
        WrongAudience,
    );
    for aud in [
        json!("api://other"),
        json!([]),
        json!(["api://other", ""]),
        json!("API://bookings"),
        json!("api://bookings/"),
        json!("api://other api://bookings"),
    ] {
        add(
            "another audience",
            with_claims(json!({"aud": aud})),
            WrongAudience,
        );
    }
    add(
        "aud an object",
        with_claims(json!({"aud": {"a": "api://bookings"}})),
        ClaimsMalformed,
    );
    add(
        "no sub",
        hs256(HEADER, &claims_without("sub"), SECRET),
        SubjectMissing,
    );
    add("sub empty", with_claims(json!({"sub": ""})), SubjectMissing);
    add(
        "sub a number",
        with_claims(json!({"sub": 1})),
        ClaimsMalformed,
    );
    add(
        "scope a number",
        with_claims(json!({"scope": 1})),
        ClaimsMalformed,
    );
    table
}
