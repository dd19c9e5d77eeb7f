//! Turns a rejection into bytes. Written by hand, not through a `Value`, because an attacker chooses how often it runs.

use std::ops::Range;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::Value;

use super::{Parts, Rejection, RejectionContext};
use crate::time::UnixTime;

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_RETRY_PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

pub(super) fn response(
    rejection: &Rejection,
    context: &RejectionContext,
    now: UnixTime,
) -> Response<Bytes> {
    if let Some(renderer) = context.scope().and_then(|scope| scope.renderer()) {
        let response = (renderer.0)(rejection, context);
        return if context.is_head() {
            response.map(|_| Bytes::new())
        } else {
            response
        };
    }
    if context.is_grpc() {
        trailers_only(rejection)
    } else {
        problem(rejection, context, now)
    }
}

fn problem(rejection: &Rejection, context: &RejectionContext, now: UnixTime) -> Response<Bytes> {
    let mut out = match context.is_head() {
        true => Vec::new(),
        false => json(rejection, context, now),
    };
    // The texts of both numbers lie behind the body, in the same allocation.
    let length = out.len();
    number(&mut out, length as u64);
    let wait = out.len();
    let retry_seconds = rejection.retry_seconds();
    number(&mut out, retry_seconds.unwrap_or(0));
    let text = Bytes::from(out);
    let field = |span: Range<usize>| HeaderValue::from_maybe_shared(text.slice(span));

    let mut response = Response::new(text.slice(..length));
    *response.status_mut() = rejection.code().status();
    let headers = response.headers_mut();
    // One allocation with room for what the layers outside will add.
    headers.reserve(12);
    headers.insert(header::CONTENT_TYPE, PROBLEM_JSON);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if retry_seconds.is_some()
        && let Ok(seconds) = field(wait..text.len())
    {
        headers.insert(header::RETRY_AFTER, seconds);
    }
    for (name, value) in &rejection.0.headers {
        headers.append(name, value.clone());
    }
    if !context.is_head()
        && let Ok(length) = field(length..wait)
    {
        headers.insert(header::CONTENT_LENGTH, length);
    }
    response
}

/// The status in the head of a response without messages, as "Trailers-Only" of the gRPC protocol over HTTP/2 says.
fn trailers_only(rejection: &Rejection) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, GRPC);
    headers.insert(
        GRPC_STATUS,
        HeaderValue::from(u16::from(rejection.code().grpc_status())),
    );
    if let Ok(message) = HeaderValue::from_str(&percent_encoded(rejection.message_text())) {
        headers.insert(GRPC_MESSAGE, message);
    }
    if let Some(wait) = rejection.retry_hint() {
        let millis = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        headers.insert(GRPC_RETRY_PUSHBACK, HeaderValue::from(millis.max(1)));
    }
    for (name, value) in &rejection.0.headers {
        headers.append(name, value.clone());
    }
    response
}

/// The encoding that the gRPC protocol asks of `Status-Message`: all but `%` of the printable ASCII stays.
fn percent_encoded(text: &str) -> String {
    use std::fmt::Write;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'%' => encoded.push_str("%25"),
            b' '..=b'~' => encoded.push(char::from(byte)),
            // Writing to a `String` does not fail.
            _ => drop(write!(encoded, "%{byte:02X}")),
        }
    }
    encoded
}

fn json(rejection: &Rejection, context: &RejectionContext, now: UnixTime) -> Vec<u8> {
    let Parts {
        code,
        problem_type,
        message,
        violated_policy,
        members,
        details,
        ..
    } = &*rejection.0;
    let status = code.status();
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(b"{\"type\":");
    text(&mut out, problem_type);
    out.extend_from_slice(b",\"title\":\"");
    out.extend_from_slice(
        status
            .canonical_reason()
            .unwrap_or(code.as_str())
            .as_bytes(),
    );
    out.extend_from_slice(b"\",\"status\":");
    out.extend_from_slice(status.as_str().as_bytes());
    out.extend_from_slice(b",\"detail\":");
    let start = out.len();
    text(&mut out, message);
    let message = start..out.len();
    if let Some(policy) = violated_policy {
        out.extend_from_slice(b",\"violated-policies\":[");
        text(&mut out, policy.as_str());
        out.push(b']');
    }
    for (name, member) in members {
        out.push(b',');
        text(&mut out, name);
        out.push(b':');
        value(&mut out, member);
    }
    out.extend_from_slice(b",\"error\":{\"code\":\"");
    out.extend_from_slice(code.as_str().as_bytes());
    out.extend_from_slice(b"\",\"message\":");
    out.extend_from_within(message);
    if let Some(id) = context.request_id() {
        // An id has no character that JSON escapes.
        out.extend_from_slice(b",\"correlation_id\":\"");
        out.extend_from_slice(id.as_str().as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(b",\"timestamp\":\"");
    now.write_rfc3339(&mut out);
    out.extend_from_slice(b"\",\"details\":{");
    let mut first = true;
    let hint = rejection.retry_seconds();
    if let Some(seconds) = hint {
        out.extend_from_slice(b"\"retry_after\":");
        number(&mut out, seconds);
        first = false;
    }
    let said = |name: &str| hint.is_some() && name == "retry_after";
    for (name, detail) in details.iter().filter(|(name, _)| !said(name)) {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        text(&mut out, name);
        out.push(b':');
        value(&mut out, detail);
    }
    out.extend_from_slice(b"}}}");
    out
}

// Neither a string nor a number nor a `Value` can fail to serialize, nor can a `Vec` fail to grow with an error.
fn text(out: &mut Vec<u8>, text: &str) {
    let _ = serde_json::to_writer(out, text);
}

fn number(out: &mut Vec<u8>, number: u64) {
    let _ = serde_json::to_writer(out, &number);
}

fn value(out: &mut Vec<u8>, value: &Value) {
    let _ = serde_json::to_writer(out, value);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::Request;

    use super::*;
    use crate::{Code, RequestId, RequestScope};

    // 2026-11-20T16:00:00Z, by `date -u -d @1795190400`.
    const NOW: UnixTime = UnixTime::from_secs(1_795_190_400);

    fn context(request: &Request<()>) -> RejectionContext {
        RejectionContext::of(request)
    }

    fn limited() -> Rejection {
        Rejection::new(Code::RateLimit)
            .problem_type("https://iana.org/assignments/http-problem-types#quota-exceeded")
            .message("Rate limit exceeded. Try again in 2 seconds")
            .retry_after(Duration::from_millis(1_001))
    }

    #[test]
    fn http_gets_a_problem_with_the_error_envelope() {
        let mut request = Request::new(());
        RequestScope::enter(request.extensions_mut())
            .set_request_id(RequestId::new("01J").unwrap());
        let response = response(&limited(), &context(&request), NOW);
        assert_eq!(response.status(), 429);
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
        assert_eq!(response.headers()["retry-after"], "2");
        let expected = concat!(
            r#"{"type":"https://iana.org/assignments/http-problem-types#quota-exceeded","title":"Too Many Requests","#,
            r#""status":429,"detail":"Rate limit exceeded. Try again in 2 seconds","#,
            r#""error":{"code":"RATE_LIMIT_EXCEEDED","message":"Rate limit exceeded. Try again in 2 seconds","#,
            r#""correlation_id":"01J","timestamp":"2026-11-20T16:00:00Z","details":{"retry_after":2}}}"#
        );
        assert_eq!(
            response.headers()["content-length"],
            expected.len().to_string()
        );
        assert_eq!(response.into_body(), expected);
    }

    #[test]
    fn head_gets_the_headers_alone() {
        let request = Request::head("/").body(()).unwrap();
        let response = response(&limited(), &context(&request), NOW);
        assert_eq!(
            (response.status().as_u16(), response.body().len()),
            (429, 0)
        );
        assert_eq!(response.headers()["retry-after"], "2");
    }

    #[test]
    fn grpc_gets_trailers_only() {
        let request = Request::post("/pkg.Service/Call")
            .header("content-type", "application/grpc+proto")
            .body(());
        let response = response(&limited(), &context(&request.unwrap()), NOW);
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["grpc-status"], "8");
        assert_eq!(
            response.headers()["grpc-message"],
            "Rate limit exceeded. Try again in 2 seconds"
        );
        assert_eq!(response.headers()["grpc-retry-pushback-ms"], "1001");
        assert!(response.body().is_empty());
    }

    #[test]
    fn grpc_messages_are_percent_encoded() {
        assert_eq!(percent_encoded("100 % r\u{e4}\n"), "100 %25 r%C3%A4%0A");
    }

    #[test]
    fn every_text_is_escaped() {
        let refusal = Rejection::new(Code::Validation)
            .message("a\"b\u{2028}\n")
            .detail("x\"", "y\\")
            .member("m", 1);
        let response = response(&refusal, &context(&Request::new(())), NOW);
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(body["detail"], "a\"b\u{2028}\n");
        assert_eq!(body["error"]["details"]["x\""], "y\\");
        assert_eq!(body["m"], 1);
    }

    #[test]
    fn retry_after_is_never_zero() {
        for (wait, shown) in [
            (Duration::ZERO, 1),
            (Duration::from_millis(900), 1),
            (Duration::from_secs(2), 2),
        ] {
            assert_eq!(
                Rejection::new(Code::RateLimit)
                    .retry_after(wait)
                    .retry_seconds(),
                Some(shown)
            );
        }
    }
}
