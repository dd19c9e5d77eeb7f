//! Names that a CORS policy cannot use, because browsers never send or show them.

use http::Method;

/// Methods that scripts cannot use (Fetch, section 2.2.1).
pub(super) fn is_forbidden_method(method: &Method) -> bool {
    ["CONNECT", "TRACE", "TRACK"]
        .iter()
        .any(|name| method.as_str().eq_ignore_ascii_case(name))
}

/// The method as browsers send it when a script writes it so (Fetch, section 2.2.1, "normalize").
pub(super) fn normalized(method: &str) -> &str {
    ["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"]
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(method))
        .unwrap_or(method)
}

/// Request headers that scripts cannot set (Fetch, section 2.2.2); `name` is in lower case.
pub(super) fn is_forbidden_request_header(name: &str) -> bool {
    const NAMES: [&str; 21] = [
        "accept-charset",
        "accept-encoding",
        "access-control-request-headers",
        "access-control-request-method",
        "access-control-request-private-network",
        "connection",
        "content-length",
        "cookie",
        "cookie2",
        "date",
        "dnt",
        "expect",
        "host",
        "keep-alive",
        "origin",
        "referer",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    NAMES.contains(&name) || name == "via" || name.starts_with("proxy-") || name.starts_with("sec-")
}

/// Response headers that scripts never see (Fetch, section 2.2.2); `name` is in lower case.
pub(super) fn is_forbidden_response_header(name: &str) -> bool {
    matches!(name, "set-cookie" | "set-cookie2")
}

/// The fields that a client of an API needs to behave well: its request's id, how to sign in, and its limits.
pub(super) const EXPOSED: [&str; 15] = [
    "X-Request-ID",
    "WWW-Authenticate",
    "Retry-After",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "X-RateLimit-Used",
    "X-RateLimit-Resource",
    "X-RateLimit-Policy",
    "X-RateLimit-Scope",
    "RateLimit",
    "RateLimit-Policy",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
];
