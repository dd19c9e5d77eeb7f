//! Hints of servers about when to come back.

use std::time::{Duration, UNIX_EPOCH};

use http::HeaderMap;
use http::header::RETRY_AFTER;
use palisade_core::time::UnixTime;

const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date in any of the three forms that recipients must read.
pub(crate) fn retry_after(headers: &HeaderMap, now: impl Fn() -> UnixTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Some(secs) = number(text) {
        return Some(Duration::from_secs(secs));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    // What lies before 1970 is past like any other past.
    let since_1970 = date.duration_since(UNIX_EPOCH).unwrap_or_default();
    Some(UnixTime::from_duration(since_1970).saturating_since(now()))
}

/// A number of digits alone; beyond what fits it is the largest that does.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

/// `grpc-retry-pushback-ms`; a negative number is "do not retry at all", which is no time.
pub(crate) fn pushback(headers: &HeaderMap) -> Option<Pushback> {
    let text = headers.get(PUSHBACK)?.to_str().ok()?.trim();
    Some(match number(text) {
        Some(millis) => Pushback::After(Duration::from_millis(millis)),
        // gRPC (A6) reads a negative number, and what is none, as "do not retry".
        None => Pushback::Never,
    })
}

/// The pushback of a gRPC server (gRPC proposal A6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushback {
    After(Duration),
    Never,
}

impl Pushback {
    pub(crate) const fn wait(self) -> Option<Duration> {
        match self {
            Self::After(wait) => Some(wait),
            Self::Never => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())])
    }

    fn wait(value: &str, now: u64) -> Option<u64> {
        let headers = headers("retry-after", value);
        retry_after(&headers, || UnixTime::from_secs(now)).map(|wait| wait.as_secs())
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(wait("120", 0), Some(120));
        // 784111777 is Sun, 06 Nov 1994 08:49:37 GMT by `date -d`, the example of RFC 9110.
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_700), Some(77));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_800), Some(0));
        // 951782400 is Tue, 29 Feb 2000 00:00:00 GMT by `date -d`.
        assert_eq!(wait("Tue, 29 Feb 2000 00:00:00 GMT", 951_782_399), Some(1));
        // The obsolete forms of the same example.
        assert_eq!(
            wait("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_700),
            Some(77)
        );
        assert_eq!(wait("Sun Nov  6 08:49:37 1994", 784_111_700), Some(77));
        assert_eq!(wait("99999999999999999999999", 0), Some(u64::MAX));
    }

    #[test]
    fn what_is_neither_is_no_hint() {
        for odd in [
            "-1",
            "1.5",
            "soon",
            "",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "Sun, 06 Nov 1994 25:49:37 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun Nov 31 08:49:37",
        ] {
            assert_eq!(wait(odd, 0), None, "{odd}");
        }
    }

    #[test]
    fn pushback_is_milliseconds_or_never() {
        let read = |value| pushback(&headers("grpc-retry-pushback-ms", value));
        assert_eq!(
            read("1500"),
            Some(Pushback::After(Duration::from_millis(1_500)))
        );
        assert_eq!(read("-1"), Some(Pushback::Never));
        assert_eq!(read("later"), Some(Pushback::Never));
        let longest = Duration::from_millis(u64::MAX);
        assert_eq!(read("99999999999999999999"), Some(Pushback::After(longest)));
        assert_eq!(pushback(&HeaderMap::new()), None);
    }
}
