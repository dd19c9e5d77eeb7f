//! What a server says of when to come back.

use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;
use palisade_core::time::UnixTime;

const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date in the form that servers must send.
pub(crate) fn retry_after(headers: &HeaderMap, now: impl Fn() -> UnixTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().map(Duration::from_secs).ok();
    }
    Some(imf_fixdate(text)?.saturating_since(now()))
}

/// `grpc-retry-pushback-ms`; a negative number is "do not retry at all", which is no time.
pub(crate) fn pushback(headers: &HeaderMap) -> Option<Pushback> {
    let text = headers.get(PUSHBACK)?.to_str().ok()?.trim();
    match text.parse::<i64>() {
        Ok(millis) => match u64::try_from(millis) {
            Ok(millis) => Some(Pushback::After(Duration::from_millis(millis))),
            Err(_) => Some(Pushback::Never),
        },
        // gRPC (A6) reads what is no number as "do not retry".
        Err(_) => Some(Pushback::Never),
    }
}

/// What a gRPC server says of a retry (gRPC proposal A6).
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

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7). The weekday is not checked against the date.
fn imf_fixdate(text: &str) -> Option<UnixTime> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let date = text.strip_suffix(" GMT")?.split_once(", ")?.1;
    let mut parts = date.split(' ');
    let day = digits(parts.next()?, 2)?;
    let month_name = parts.next()?;
    let month = MONTHS.iter().position(|name| *name == month_name)? as u64 + 1;
    let year = digits(parts.next()?, 4)?;
    let mut clock = parts.next()?.split(':');
    let hour = digits(clock.next()?, 2)?;
    let minute = digits(clock.next()?, 2)?;
    let second = digits(clock.next()?, 2)?;
    let in_bounds = (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    if !in_bounds || year < 1970 || parts.next().is_some() || clock.next().is_some() {
        return None;
    }
    let days = days_since_1970(year, month, day);
    Some(UnixTime::from_secs(
        ((days * 24 + hour) * 60 + minute) * 60 + second,
    ))
}

fn digits(text: &str, len: usize) -> Option<u64> {
    let fits = text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten()
}

/// Days of the Gregorian calendar, counted in years that begin in March, so that a leap day is the last of its year.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
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
    }

    #[test]
    fn what_is_neither_is_no_hint() {
        for odd in [
            "-1",
            "1.5",
            "soon",
            "99999999999999999999999",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 25:49:37 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 1960 08:49:37 GMT",
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
        assert_eq!(pushback(&HeaderMap::new()), None);
    }
}
