use http::{Method, Request};
use palisade_headers::CrossOriginGuardLayer;

use super::answers::{lines, through};

/// The first line is a pattern of requests that pass, the next the path that is asked for, the third the origin that
/// asks.
pub(crate) fn check(data: &[u8]) {
    let mut parts = data.splitn(3, |byte| *byte == b'\n');
    let mut text = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let (pattern, path) = (text(), text());
    let origins = lines("origin", parts.next().unwrap_or_default());

    // Whatever an operator writes is an origin or a mistake.
    drop(CrossOriginGuardLayer::new().add_trusted_origin(&pattern));

    let Ok(uri) = path.parse::<http::Uri>() else {
        return;
    };
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    *request.headers_mut() = origins;
    let Ok(site) = "cross-site".parse() else {
        return;
    };
    request.headers_mut().insert("sec-fetch-site", site);
    let asked = request.uri().path().to_owned();
    let mut segments = asked.strip_prefix('/').unwrap_or("").split('/').rev();
    let last = segments.next().unwrap_or_default();
    let climbs = |segment: &str| segment == ".." || segment.contains(['%', '\\']);
    let ambiguous = climbs(last) || segments.any(|segment| segment.is_empty() || climbs(segment));

    let strict = through(&CrossOriginGuardLayer::new(), request.clone());
    assert_eq!(strict.status(), 403, "a forged request passed");
    if let Ok(guard) = CrossOriginGuardLayer::new().add_insecure_bypass(&pattern) {
        let passed = through(&guard, request).status() == 200;
        assert!(!(passed && ambiguous), "{pattern:?} let {asked:?} pass");
    }
}
