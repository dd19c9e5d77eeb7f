//! HTTP's rules for caches that reuse a response (RFC 9111).

use std::time::{Duration, UNIX_EPOCH};

use http::header::{
    AGE, CACHE_CONTROL, CONNECTION, DATE, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, SET_COOKIE, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use palisade_core::time::{UnixTime, WallClock};

/// Directives against showing a response to others, or showing it stale (sections 5.2.2 and 4.2.4). `s-maxage` means
/// `proxy-revalidate`, too.
const FORBIDDING_DIRECTIVES: [&str; 6] = [
    "no-store",
    "private",
    "no-cache",
    "must-revalidate",
    "proxy-revalidate",
    "s-maxage",
];

/// Fields of one connection (RFC 9110, section 7.6.1), besides those that `Connection` names.
const CONNECTION_FIELDS: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// The most that an `Age` says (section 1.2.2).
const LONGEST_AGE: u64 = 1 << 31;

/// A 200 that its server lets others keep, and see when it is stale.
pub(super) fn may_be_kept<B>(response: &Response<B>) -> bool {
    let headers = response.headers();
    response.status() == StatusCode::OK
        && !headers.contains_key(SET_COOKIE)
        && !headers.get_all(CACHE_CONTROL).iter().any(forbids)
}

/// A value that is no text is taken to forbid.
fn forbids(control: &HeaderValue) -> bool {
    control.to_str().map_or(true, |text| {
        text.split(',').any(|directive| {
            let name = directive.split('=').next().unwrap_or_default();
            let name = name.trim().trim_matches('"');
            FORBIDDING_DIRECTIVES
                .iter()
                .any(|other| name.eq_ignore_ascii_case(other))
        })
    })
}

/// The headers without those that belong to the connection.
pub(super) fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let mut kept = headers.clone();
    for value in headers.get_all(CONNECTION) {
        // What is no text names no header.
        for name in value.to_str().unwrap_or_default().split(',') {
            kept.remove(name.trim());
        }
    }
    for name in CONNECTION_FIELDS {
        kept.remove(name);
    }
    kept
}

/// The age of a response that arrives now: by its `Age`, or by its `Date` if that is more (section 4.2.3).
pub(super) fn age_on_arrival(headers: &HeaderMap) -> Duration {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let said = text(AGE).map_or(0, seconds);
    let date = text(DATE).and_then(|text| httpdate::parse_http_date(text).ok());
    let apparent = date.map_or(Duration::ZERO, |date| {
        let since_1970 = date.duration_since(UNIX_EPOCH).unwrap_or_default();
        WallClock::system()
            .now()
            .saturating_since(UnixTime::from_duration(since_1970))
    });
    apparent.max(Duration::from_secs(said))
}

fn seconds(text: &str) -> u64 {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number {
        text.parse().unwrap_or(LONGEST_AGE).min(LONGEST_AGE)
    } else {
        0
    }
}

/// The value of `Age` for this age.
pub(super) fn age(age: Duration) -> HeaderValue {
    HeaderValue::from(age.as_secs().min(LONGEST_AGE))
}
