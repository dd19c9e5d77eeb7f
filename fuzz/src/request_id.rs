use http::{HeaderValue, Request};
use palisade_headers::RequestIdLayer;

use super::answers::{lines, through};

/// The first line is the id that a caller chose, the next its place in a trace.
pub(crate) fn check(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == b'\n');
    let chosen = parts.next().unwrap_or_default();
    let trace = lines("traceparent", parts.next().unwrap_or_default());
    for (layer, trusted) in [
        (RequestIdLayer::new(), false),
        (RequestIdLayer::new().trust_callers(), true),
    ] {
        let mut request = Request::new(());
        *request.headers_mut() = trace.clone();
        if let Ok(id) = HeaderValue::from_bytes(chosen) {
            request.headers_mut().insert("x-request-id", id);
        }
        let response = through(&layer, request);
        let id = response
            .headers()
            .get("x-request-id")
            .map(HeaderValue::as_bytes)
            .unwrap_or_default();
        let plain = id
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte));
        assert!(plain && (1..=128).contains(&id.len()), "{id:?} went out");
        // 16 characters by chance are not the id that this layer made.
        assert!(
            trusted || id != chosen || chosen.len() < 16,
            "a stranger chose his id"
        );
    }
}
