//! Forged signatures, and tokens that are not of the form of one.

use palisade_auth::Refusal;
use serde_json::json;

use super::{Forged, part};
use crate::support::{
    HEADER, OTHER_SECRET, SECRET, b64, claims, claims_with, good_token, hs256, unb64,
};

pub(super) fn table() -> Vec<Forged> {
    use Refusal::*;
    let good = good_token();
    let (head, payload, signature) = (part(&good, 0), part(&good, 1), part(&good, 2));
    let tag = unb64(signature);
    let raw_claims = claims().to_string();
    let mut table = Vec::new();
    let mut add = |name, token: String, refusal| table.push((name, token, refusal));

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
    table
}
