use std::sync::OnceLock;

use http::{Method, Request};
use palisade_headers::CorsLayer;

use super::answers::{lines, through};

/// Origins of strangers, as a request and as a configuration.
pub(crate) fn check(data: &[u8]) {
    request(data);
    configuration(data);
}

fn policy() -> Option<&'static CorsLayer> {
    static POLICY: OnceLock<Option<CorsLayer>> = OnceLock::new();
    let made = POLICY.get_or_init(|| {
        CorsLayer::builder()
            .origins(["https://app.example", "https://*.tenant.example"])
            .methods([Method::GET, Method::POST])
            .headers(["authorization"])
            .credentials(true)
            .try_build()
            .ok()
    });
    made.as_ref()
}

/// The first line is the origin, the next the method and the headers that a preflight asks for.
fn request(data: &[u8]) {
    let Some(policy) = policy() else { return };
    let mut parts = data.splitn(3, |byte| *byte == b'\n');
    let mut next = |name| lines(name, parts.next().unwrap_or_default());
    let origin = next("origin");
    let mut request = Request::new(());
    *request.method_mut() = Method::OPTIONS;
    for headers in [
        &origin,
        &next("access-control-request-method"),
        &next("access-control-request-headers"),
    ] {
        for (name, value) in headers {
            request.headers_mut().append(name, value.clone());
        }
    }
    let response = through(policy, request);
    if let Some(allowed) = response.headers().get("access-control-allow-origin") {
        let text = allowed.to_str().unwrap_or_default();
        let tenant = text
            .strip_prefix("https://")
            .and_then(|host| host.strip_suffix(".tenant.example"))
            .is_some_and(|name| {
                !name.is_empty()
                    && name
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
            });
        assert!(
            text == "https://app.example" || tenant,
            "{allowed:?} was allowed"
        );
        assert_eq!(
            origin.get("origin"),
            Some(allowed),
            "another origin was allowed than asked"
        );
    }
}

fn configuration(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let lines: Vec<&str> = text.lines().take(8).collect();
    for credentials in [true, false] {
        let built = CorsLayer::builder()
            .origins(lines.iter().copied())
            .methods([Method::GET])
            .headers(lines.iter().copied())
            .expose(lines.iter().copied())
            .credentials(credentials)
            .try_build();
        if credentials && lines.contains(&"*") {
            assert!(built.is_err(), "everybody, with credentials");
        }
    }
}
