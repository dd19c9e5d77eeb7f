use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use palisade_core::time::{UnixTime, WallClock};
use palisade_core::{LimitDecision, Name};

use crate::limit::Assessment;

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
    pub(crate) fn write(self, shown: &Shown, now: UnixTime, headers: &mut HeaderMap) {
        if self == Self::Off || has_closer(headers, shown.remaining) {
            return;
        }
        let Some((limit, described)) = shown.about.values() else {
            return;
        };
        headers.reserve(5);
        let mut digits = itoa::Buffer::new();
        let remaining = digits.format(shown.remaining);
        if self.x_rate_limit() {
            let full_at = Duration::from_nanos(shown.reset);
            let reset = ceil_seconds(now.as_duration().saturating_add(full_at));
            headers.insert(LIMIT, limit);
            headers.insert(REMAINING, value(remaining));
            headers.insert(RESET, value(itoa::Buffer::new().format(reset)));
        }
        if self.rate_limit() {
            let left = shown.reset.div_ceil(ONE_SECOND);
            let quota = item(shown.about.policy(), [";r=", remaining, ";t="], left);
            headers.insert(POLICY, described);
            headers.insert(QUOTA, value_of(quota));
        }
    }
}

/// The fields of a limit that never change. Made once and kept for ever, as names are: there are as many as operators
/// have written limits.
#[derive(Debug)]
pub(crate) struct Fixed {
    policy: Name,
    quota: u64,
    window: u64,
    limit: HeaderValue,
    described: HeaderValue,
}

impl Fixed {
    pub(crate) fn of(policy: Name, quota: u64, window: u64) -> &'static Self {
        static KEPT: Mutex<Vec<&'static Fixed>> = Mutex::new(Vec::new());
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.iter().find(|known| known.is(policy, quota, window)) {
            return known;
        }
        let value = |text: &str| HeaderValue::from_static(Name::new(text).as_str());
        let fresh: &'static Self = Box::leak(Box::new(Self {
            policy,
            quota,
            window,
            limit: value(&quota.to_string()),
            described: value(&String::from_utf8_lossy(&described(policy, quota, window))),
        }));
        kept.push(fresh);
        fresh
    }

    fn is(&self, policy: Name, quota: u64, window: u64) -> bool {
        self.policy == policy && self.quota == quota && self.window == window
    }
}

/// What the header fields say of a limit. Smaller than a decision, because it lies in every response's future.
#[derive(Debug)]
pub(crate) struct Shown {
    about: About,
    pub(crate) remaining: u64,
    /// Nanoseconds.
    reset: u64,
}

/// The limit that is spoken of.
#[derive(Debug)]
enum About {
    Fixed(&'static Fixed),
    /// One with a quota of its key's own, or of another layer: out of line, because it is rare.
    Other(Box<Other>),
}

#[derive(Debug)]
struct Other {
    policy: Name,
    limit: u64,
    /// Nanoseconds.
    window: u64,
}

impl About {
    #[inline]
    fn of(policy: Name, limit: u64, window: u64, known: &[&'static Fixed]) -> Self {
        match known.iter().find(|fixed| fixed.is(policy, limit, window)) {
            Some(fixed) => Self::Fixed(fixed),
            None => Self::Other(Box::new(Other {
                policy,
                limit,
                window,
            })),
        }
    }
}

impl About {
    fn policy(&self) -> Name {
        match self {
            Self::Fixed(fixed) => fixed.policy,
            Self::Other(other) => other.policy,
        }
    }

    /// The values of the limit and of the policy, unless there is no limit to speak of.
    fn values(&self) -> Option<(HeaderValue, HeaderValue)> {
        let other = match self {
            Self::Fixed(fixed) => return Some((fixed.limit.clone(), fixed.described.clone())),
            Self::Other(other) => other,
        };
        (other.limit > 0).then(|| {
            (
                value(itoa::Buffer::new().format(other.limit)),
                value_of(described(other.policy, other.limit, other.window)),
            )
        })
    }
}

impl Shown {
    /// Of an assessment, with the values that were made before if its limit is among these.
    #[inline]
    pub(crate) fn of_assessment(
        policy: Name,
        assessment: &Assessment,
        known: &[&'static Fixed],
    ) -> Self {
        Self {
            about: About::of(policy, assessment.quota.into(), assessment.window, known),
            remaining: assessment.remaining,
            reset: assessment.reset,
        }
    }

    /// Of a decision, likewise.
    pub(crate) fn of(decision: &LimitDecision, known: &[&'static Fixed]) -> Self {
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let window = nanos(decision.window);
        Self {
            about: About::of(decision.policy, decision.limit, window, known),
            remaining: decision.remaining,
            reset: nanos(decision.reset_after),
        }
    }
}

/// Whether the response speaks already of a limit that has as few requests left.
fn has_closer(headers: &HeaderMap, remaining: u64) -> bool {
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
    written.is_some_and(|written| written <= remaining)
}

/// A field's value; all that is written here is printable.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The same from a text of its own.
fn value_of(text: Vec<u8>) -> HeaderValue {
    HeaderValue::from_maybe_shared(Bytes::from(text))
        .unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// What the field `RateLimit-Policy` says of a limit.
fn described(policy: Name, quota: u64, window: u64) -> Vec<u8> {
    let (quota, seconds) = quota_in_whole_seconds(quota, window);
    item(
        policy,
        [";q=", itoa::Buffer::new().format(quota), ";w="],
        seconds,
    )
}

/// An item of a structured field: a string with two whole numbers. As large as it must be, so that it becomes a value
/// without another allocation.
fn item(name: Name, [before, first, between]: [&str; 3], second: u64) -> Vec<u8> {
    let mut digits = itoa::Buffer::new();
    let second = digits.format(second);
    let parts = ["\"", name.as_str(), "\"", before, first, between, second];
    parts.concat().into_bytes()
}

fn ceil_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// The quota and its window in whole seconds, as the draft asks; a quota over less is brought to the next second.
fn quota_in_whole_seconds(quota: u64, window: u64) -> (u64, u64) {
    let seconds = window.div_ceil(ONE_SECOND).max(1);
    if window.is_multiple_of(ONE_SECOND) {
        return (quota, seconds);
    }
    let scaled =
        u128::from(quota) * u128::from(seconds) * u128::from(ONE_SECOND) / u128::from(window);
    (u64::try_from(scaled).unwrap_or(u64::MAX), seconds)
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
        self.of(nanos)
    }

    /// Wall time when the store's time was `nanos`, by what was found [last](Self::at).
    #[inline]
    pub(crate) fn of(&self, nanos: u64) -> UnixTime {
        let base = self.base.load(Ordering::Relaxed);
        UnixTime::from_duration(Duration::from_nanos(base.saturating_add(nanos)))
    }
}
