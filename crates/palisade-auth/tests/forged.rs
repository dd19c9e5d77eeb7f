//! Tokens that must not pass: each differs from a good one in a single thing.

mod support;

use palisade_auth::Refusal;
use serde_json::json;
use support::{
    HEADER, NOW, OTHER_SECRET, SECRET, b64, claims, claims_with, claims_without, good_token, hs256,
    unb64, verifier,
};

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

fn table() -> Vec<(&'static str, String, Refusal)> {
    use Refusal::*;
    let good = good_token();
    let (head, payload, signature) = (part(&good, 0), part(&good, 1), part(&good, 2));
    let tag = unb64(signature);
    let raw_claims = claims().to_string();
    let mut table = Vec::new();
    let mut add = |name, token: String, refusal| table.push((name, token, refusal));

    // Algorithm.
    for none in ["none", "None", "NONE", "nOnE"] {
        let header = format!(r#"{{"alg":"{none}","typ":"at+jwt"}}"#);
        add(
            "alg none, signature stripped",
            unsigned(&header),
            BadSignature,
        );
        add(
            "alg none, signature kept",
            format!("{}.{payload}.{signature}", b64(&header)),
            AlgorithmNotAllowed,
        );
        add(
            "alg none, really signed",
            with_header(&header),
            AlgorithmNotAllowed,
        );
    }
    for alg in [
        "hs256",
        "HS384",
        "HS512",
        "RS256",
        "PS256",
        "ES256",
        "EdDSA",
        "HS256\\u0000",
        "dir",
        "A128KW",
        "",
    ] {
        add(
            "another algorithm",
            with_header(&format!(r#"{{"alg":"{alg}","typ":"at+jwt"}}"#)),
            AlgorithmNotAllowed,
        );
    }
    add("no alg", with_header(r#"{"typ":"at+jwt"}"#), TokenMalformed);
    add(
        "alg null",
        with_header(r#"{"alg":null,"typ":"at+jwt"}"#),
        TokenMalformed,
    );
    add(
        "alg a list",
        with_header(r#"{"alg":["HS256"],"typ":"at+jwt"}"#),
        TokenMalformed,
    );
    add(
        "alg twice",
        with_header(r#"{"alg":"none","alg":"HS256","typ":"at+jwt"}"#),
        TokenMalformed,
    );

    // Extensions and keys that the token brings along.
    add(
        "crit of something unknown",
        with_header(r#"{"alg":"HS256","typ":"at+jwt","crit":["x"],"x":1}"#),
        ExtensionRefused,
    );
    add(
        "crit of something known",
        with_header(r#"{"alg":"HS256","typ":"at+jwt","crit":["exp"]}"#),
        ExtensionRefused,
    );
    add(
        "crit empty",
        with_header(r#"{"alg":"HS256","typ":"at+jwt","crit":[]}"#),
        ExtensionRefused,
    );
    add(
        "b64 false",
        with_header(r#"{"alg":"HS256","typ":"at+jwt","b64":false,"crit":["b64"]}"#),
        ExtensionRefused,
    );
    add(
        "zip",
        with_header(r#"{"alg":"HS256","typ":"at+jwt","zip":"DEF"}"#),
        ExtensionRefused,
    );
    let own_key = b64(OTHER_SECRET);
    let embedded =
        format!(r#"{{"alg":"HS256","typ":"at+jwt","jwk":{{"kty":"oct","k":"{own_key}"}}}}"#);
    add(
        "embedded jwk, signed with it",
        hs256(&embedded, &raw_claims, OTHER_SECRET),
        BadSignature,
    );
    for url in ["jku", "x5u"] {
        let header =
            format!(r#"{{"alg":"HS256","typ":"at+jwt","{url}":"https://evil.example/keys"}}"#);
        add(
            "a URL of keys, signed with them",
            hs256(&header, &raw_claims, OTHER_SECRET),
            BadSignature,
        );
    }
    for kid in [
        "../../../../dev/null",
        "' OR 1=1 --",
        "|sleep 5",
        "http://evil.example/k",
        "\\u0000",
        "unknown",
    ] {
        add(
            "kid that names no key",
            with_header(&format!(
                r#"{{"alg":"HS256","typ":"at+jwt","kid":"{kid}"}}"#
            )),
            UnknownKey,
        );
    }
    add(
        "kid empty",
        with_header(r#"{"alg":"HS256","typ":"at+jwt","kid":""}"#),
        UnknownKey,
    );
    add(
        "kid a number",
        with_header(r#"{"alg":"HS256","typ":"at+jwt","kid":1}"#),
        TokenMalformed,
    );
    add(
        "kid twice",
        with_header(r#"{"alg":"HS256","typ":"at+jwt","kid":"a","kid":"a"}"#),
        TokenMalformed,
    );
    let long = format!(
        r#"{{"alg":"HS256","typ":"at+jwt","kid":"{}"}}"#,
        "k".repeat(257)
    );
    add("kid too long", with_header(&long), TokenMalformed);

    // Type.
    for typ in [
        "JWT",
        "jwt",
        "refresh+jwt",
        "rt+jwt",
        "logout+jwt",
        "secevent+jwt",
        "dpop+jwt",
        "id+jwt",
        "at+jwt ",
        "",
    ] {
        add(
            "another typ",
            with_header(&format!(r#"{{"alg":"HS256","typ":"{typ}"}}"#)),
            WrongType,
        );
    }
    add("no typ", with_header(r#"{"alg":"HS256"}"#), WrongType);
    add(
        "typ twice",
        with_header(r#"{"alg":"HS256","typ":"at+jwt","typ":"JWT"}"#),
        TokenMalformed,
    );
    add(
        "an ID token by its nonce",
        with_claims(json!({"nonce": "n"})),
        WrongType,
    );
    add(
        "an ID token by its at_hash",
        with_claims(json!({"at_hash": "n"})),
        WrongType,
    );
    add(
        "a refresh token by its claim",
        with_claims(json!({"token_use": "refresh"})),
        WrongType,
    );
    add(
        "a Keycloak refresh token",
        with_claims(json!({"typ": "Refresh"})),
        WrongType,
    );

    // Signature.
    add(
        "signature stripped",
        format!("{head}.{payload}."),
        BadSignature,
    );
    add(
        "signature of another secret",
        hs256(HEADER, &raw_claims, OTHER_SECRET),
        BadSignature,
    );
    add(
        "signature of an empty secret",
        hs256(HEADER, &raw_claims, ""),
        BadSignature,
    );
    add(
        "signature one byte short",
        format!("{head}.{payload}.{}", b64([0; 31])),
        BadSignature,
    );
    add(
        "signature all zero",
        format!("{head}.{payload}.{}", b64([0; 32])),
        BadSignature,
    );
    add(
        "signature truncated",
        format!("{head}.{payload}.{}", b64(&tag[..28])),
        BadSignature,
    );
    add(
        "signature with one more byte",
        format!("{head}.{payload}.{}", b64([&*tag, &[0]].concat())),
        BadSignature,
    );
    let mut flipped = signature.to_owned();
    flipped.replace_range(..1, if signature.starts_with('A') { "B" } else { "A" });
    add(
        "signature with one bit flipped",
        format!("{head}.{payload}.{flipped}"),
        BadSignature,
    );
    let other = b64(claims_with(json!({"sub": "admin"})));
    add(
        "payload replaced",
        format!("{head}.{other}.{signature}"),
        BadSignature,
    );
    let header = b64(r#"{"typ":"at+jwt","alg":"HS256"}"#);
    add(
        "header replaced by an equal one",
        format!("{header}.{payload}.{signature}"),
        BadSignature,
    );

    // Form.
    for (name, token) in [
        ("empty", String::new()),
        ("one segment", head.to_owned()),
        ("two segments", format!("{head}.{payload}")),
        ("four segments", format!("{good}.x")),
        ("five segments, as a JWE has", format!("{good}.x.y")),
        ("a dot in front", format!(".{good}")),
        ("a dot behind", format!("{good}.")),
        ("empty header", format!(".{payload}.{signature}")),
        ("empty payload", format!("{head}..{signature}")),
        ("padded signature", format!("{good}=")),
        ("padded header", format!("{head}==.{payload}.{signature}")),
        (
            "the other alphabet",
            format!("{head}.{payload}.+/{}", &signature[2..]),
        ),
        ("a line feed", format!("{head}.{payload}\n.{signature}")),
        ("a space in front", format!(" {good}")),
        ("a space behind", format!("{good} ")),
        ("a NUL behind", format!("{good}\0")),
        (
            "unused bits set",
            format!("{head}.{payload}.{}_", &signature[..42]),
        ),
        (
            "header is no JSON",
            format!("{}.{payload}.{signature}", b64("nonsense")),
        ),
        (
            "header is a list",
            format!("{}.{payload}.{signature}", b64("[]")),
        ),
        (
            "header with a byte order mark",
            hs256(&format!("\u{feff}{HEADER}"), &raw_claims, SECRET),
        ),
        (
            "header with something behind",
            hs256(&format!("{HEADER}{{}}"), &raw_claims, SECRET),
        ),
        ("payload is no JSON", hs256(HEADER, "nonsense", SECRET)),
        (
            "payload with something behind",
            hs256(HEADER, &format!("{raw_claims}x"), SECRET),
        ),
        (
            "nested without end",
            hs256(&"[".repeat(3_000), &raw_claims, SECRET),
        ),
    ] {
        add(name, token, TokenMalformed);
    }
    let mut not_text = raw_claims.clone().into_bytes();
    let position = raw_claims.find("alice").unwrap();
    not_text[position] = 0xff;
    let input = format!("{head}.{}", b64(&not_text));
    add(
        "payload is not UTF-8",
        format!("{input}.{signature}"),
        TokenMalformed,
    );
    add(
        "over 8 KiB",
        format!("{head}.{}.{signature}", "A".repeat(8 * 1024)),
        TokenTooLong,
    );

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
