use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use palisade_core::LimitDecision;
use palisade_core::time::{UnixTime, WallClock};

/// Which header fields tell clients about their limit.
///
/// They speak of the limit that is closest to refusing: the one that refused, or that has the fewest requests left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Headers {
    /// Both families, the default: what clients commonly read, and what is on its way to be the standard.
    #[default]
    Both,
    /// `X-RateLimit-Limit` (the sustained rate, or the window's quota), `X-RateLimit-Remaining` (above the limit while
    /// a burst is saved up) and `X-RateLimit-Reset` (Unix seconds at which the limit is full again).
    XRateLimit,
    /// `RateLimit-Policy: "user";q=50;w=60` and `RateLimit: "user";r=12;t=30`, by
    /// draft-ietf-httpapi-ratelimit-headers-10.
    RateLimit,
    /// None. A refusal still says `Retry-After`.
    Off,
}

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const QUOTA: HeaderName = HeaderName::from_static("ratelimit");

impl Headers {
    const fn x_rate_limit(self) -> bool {
        matches!(self, Self::Both | Self::XRateLimit)
    }

    const fn rate_limit(self) -> bool {
        matches!(self, Self::Both | Self::RateLimit)
    }

    /// Writes what a decision says, unless a limiter further in has written of a limit that is at least as close.
    pub(crate) fn write(self, decision: &LimitDecision, now: UnixTime, headers: &mut HeaderMap) {
        if self == Self::Off || decision.limit == 0 || has_closer(headers, decision) {
            return;
        }
        headers.reserve(5);
        let mut texts = Texts::with_capacity(160);
        let reset = ceil_seconds(now.as_duration().saturating_add(decision.reset_after));
        let (quota, window) = quota_in_whole_seconds(decision);
        let policy = decision.policy;
        let left = ceil_seconds(decision.reset_after);
        let limit = texts.add(format_args!("{}", decision.limit));
        let remaining = texts.add(format_args!("{}", decision.remaining));
        let reset = texts.add(format_args!("{reset}"));
        let described = texts.add(format_args!("\"{policy}\";q={quota};w={window}"));
        let current = texts.add(format_args!(
            "\"{policy}\";r={};t={left}",
            decision.remaining
        ));
        let mut insert = {
            let texts = texts.into_bytes();
            move |name, range| {
                if let Ok(value) = HeaderValue::from_maybe_shared(texts.slice(range)) {
                    headers.insert(name, value);
                }
            }
        };
        if self.x_rate_limit() {
            insert(LIMIT, limit);
            insert(REMAINING, remaining);
            insert(RESET, reset);
        }
        if self.rate_limit() {
            insert(POLICY, described);
            insert(QUOTA, current);
        }
    }
}

/// Whether the response speaks already of a limit that has as few requests left.
fn has_closer(headers: &HeaderMap, decision: &LimitDecision) -> bool {
    let number = |text: &str| text.parse::<u64>().ok();
    let written = match (headers.get(REMAINING), headers.get(QUOTA)) {
        (Some(remaining), _) => remaining.to_str().ok().and_then(number),
        (None, Some(quota)) => quota
            .to_str()
            .ok()
            .and_then(|text| text.split(';').find_map(|part| part.strip_prefix("r=")))
            .and_then(number),
        (None, None) => None,
    };
    written.is_some_and(|written| written <= decision.remaining)
}

/// The texts of several fields in one allocation.
struct Texts(Vec<u8>);

impl Texts {
    fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    fn add(&mut self, text: std::fmt::Arguments<'_>) -> std::ops::Range<usize> {
        let start = self.0.len();
        // Writing to a `Vec` does not fail.
        let _ = self.0.write_fmt(text);
        start..self.0.len()
    }

    fn into_bytes(self) -> Bytes {
        self.0.into()
    }
}

fn ceil_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// The quota and its window in whole seconds, as the draft asks; a quota over less is brought to the next second.
fn quota_in_whole_seconds(decision: &LimitDecision) -> (u64, u64) {
    let window = decision.window;
    let seconds = ceil_seconds(window).max(1);
    if window.subsec_nanos() == 0 || window.is_zero() {
        return (decision.limit, seconds);
    }
    let quota =
        u128::from(decision.limit) * u128::from(seconds) * 1_000_000_000 / window.as_nanos();
    (u64::try_from(quota).unwrap_or(u64::MAX), seconds)
}

/// Wall time, told from monotonic time: a second clock is read about once a second instead of for every request.
#[derive(Debug)]
pub(crate) struct WallTime {
    clock: WallClock,
    /// Unix nanoseconds when the store's time was zero.
    base: AtomicU64,
    /// The store's time at which that was found, plus 1; 0 for never.
    found: AtomicU64,
}

const ONE_SECOND: u64 = 1_000_000_000;

impl WallTime {
    pub(crate) const fn new(clock: WallClock) -> Self {
        Self {
            clock,
            base: AtomicU64::new(0),
            found: AtomicU64::new(0),
        }
    }

    /// Wall time when the store's time is `nanos`.
    #[inline]
    pub(crate) fn at(&self, nanos: u64) -> UnixTime {
        let found = self.found.load(Ordering::Acquire);
        if found == 0 || nanos.abs_diff(found) >= ONE_SECOND {
            let unix = self.clock.now();
            let wall = u64::try_from(unix.as_duration().as_nanos()).unwrap_or(u64::MAX);
            self.base
                .store(wall.saturating_sub(nanos), Ordering::Relaxed);
            self.found.store(nanos.saturating_add(1), Ordering::Release);
            return unix;
        }
        let base = self.base.load(Ordering::Relaxed);
        UnixTime::from_duration(Duration::from_nanos(base.saturating_add(nanos)))
    }
}
