//! Checks of answers that hold for every gateway.

use http::{HeaderMap, StatusCode};
use reqwest::Response;
use serde_json::{Value, json};

pub(crate) fn booking() -> Value {
    json!({
        "room": "Blue", "start": "2026-12-01T09:00:00Z", "end": "2026-12-01T10:00:00Z",
        "email": "guest@example.com", "phone": "+41 44 668 18 00", "credit_card": "4111 1111 1111 1111",
    })
}

/// Checks what holds for every response, and gives back its status, headers and body.
pub(crate) async fn hardened(response: Response) -> (StatusCode, HeaderMap, Value) {
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.bytes().await.unwrap();
    for (name, value) in [
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        (
            "strict-transport-security",
            "max-age=31536000; includeSubDomains",
        ),
        (
            "content-security-policy",
            "default-src 'none'; frame-ancestors 'none'",
        ),
        ("x-xss-protection", "0"),
    ] {
        assert_eq!(
            headers.get(name).map(|value| value.to_str().unwrap()),
            Some(value),
            "{name} of a {status}"
        );
    }
    assert_eq!(
        headers.get_all("x-request-id").iter().count(),
        1,
        "one request id"
    );
    (
        status,
        headers,
        serde_json::from_slice(&body).unwrap_or_default(),
    )
}

/// The same for a refusal: the one format, and the id in both places.
pub(crate) async fn refused(response: Response, code: &str) -> (HeaderMap, Value) {
    let (status, headers, body) = hardened(response).await;
    assert_eq!(headers["content-type"], "application/problem+json");
    assert_eq!(body["error"]["code"], code, "{body}");
    assert_eq!(body["status"], status.as_u16());
    assert_eq!(
        body["error"]["correlation_id"],
        headers["x-request-id"].to_str().unwrap()
    );
    (headers, body)
}

/// The number of the key that a sealed value names: `pl1.` and base64url of the suite and of four bytes.
pub(crate) fn key_of(sealed: &Value) -> u32 {
    let sealed = sealed
        .as_str()
        .unwrap()
        .strip_prefix("pl1.")
        .expect("a sealed value");
    let digits = sealed.bytes().take(8).fold(0_u64, |bits, digit| {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'-' => 62,
            _ => 63,
        };
        bits << 6 | u64::from(value)
    });
    // Six bytes, of which the first is the suite and the last belongs to the nonce.
    u32::try_from(digits >> 8 & 0xffff_ffff).unwrap()
}
