//! Forged headers: algorithms, extensions, keys that the token brings along, and types.

use palisade_auth::Refusal;
use serde_json::json;

use super::{Forged, part, unsigned, with_claims, with_header};
use crate::support::{OTHER_SECRET, b64, claims, good_token, hs256};

pub(super) fn table() -> Vec<Forged> {
    use Refusal::*;
    let good = good_token();
    let (payload, signature) = (part(&good, 1), part(&good, 2));
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
    table
}
