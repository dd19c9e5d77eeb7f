use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use palisade_core::time::{UnixTime, WallClock};
use palisade_core::{LimitDecision, Name};

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
        if self == Self::Off || shown.limit == 0 || has_closer(headers, shown.remaining) {
            return;
        }
        let mut texts = Texts::with_capacity(48 + 2 * (shown.policy.as_str().len() + 32));
        let spans = self.texts(shown, now, &mut texts);
        headers.reserve(5);
        if let Some((limit, described)) = shown.fixed {
            if self.x_rate_limit() {
                headers.insert(LIMIT, HeaderValue::from_static(limit.as_str()));
            }
            if self.rate_limit() {
                headers.insert(POLICY, HeaderValue::from_static(described.as_str()));
            }
        }
        let texts = texts.into_bytes();
        for (name, span) in spans.into_iter().flatten() {
            if let Ok(value) = HeaderValue::from_maybe_shared(texts.slice(span)) {
                headers.insert(name, value);
            }
        }
    }

    /// The fields that change with every response, with where their texts lie.
    fn texts(
        self,
        shown: &Shown,
        now: UnixTime,
        texts: &mut Texts,
    ) -> [Option<(HeaderName, Range<usize>)>; 5] {
        let mut fields = [const { None }; 5];
        if self.x_rate_limit() {
            let reset = ceil_seconds(
                now.as_duration()
                    .saturating_add(Duration::from_nanos(shown.reset)),
            );
            fields[0] = Some((REMAINING, texts.add(|texts| texts.number(shown.remaining))));
            fields[1] = Some((RESET, texts.add(|texts| texts.number(reset))));
            if shown.fixed.is_none() {
                fields[2] = Some((LIMIT, texts.add(|texts| texts.number(shown.limit))));
            }
        }
        if self.rate_limit() {
            let left = shown.reset.div_ceil(ONE_SECOND);
            let current = |texts: &mut Texts| {
                texts.item(shown.policy, (";r=", shown.remaining), (";t=", left));
            };
            fields[3] = Some((QUOTA, texts.add(current)));
            if shown.fixed.is_none() {
                fields[4] = Some((POLICY, texts.add(|texts| texts.described(shown))));
            }
        }
        fields
    }
}

/// The fields of a limit that never change, made once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fixed {
    policy: Name,
    quota: u64,
    window: u64,
    limit: Name,
    described: Name,
}

impl Fixed {
    pub(crate) fn of(policy: Name, quota: u64, window: u64) -> Self {
        let mut texts = Texts::with_capacity(64);
        let shown = Shown {
            policy,
            limit: quota,
            remaining: 0,
            window,
            reset: 0,
            fixed: None,
        };
        texts.described(&shown);
        let described = Name::new(&String::from_utf8_lossy(&texts.0));
        Self {
            policy,
            quota,
            window,
            limit: Name::new(&quota.to_string()),
            described,
        }
    }
}

/// What the header fields say of a limit. Smaller than a decision, because it lies in every response's future.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown {
    policy: Name,
    limit: u64,
    pub(crate) remaining: u64,
    /// Nanoseconds.
    window: u64,
    /// Nanoseconds.
    reset: u64,
    /// The texts of the limit and of the policy, where they were made before.
    fixed: Option<(Name, Name)>,
}

impl Shown {
    /// The same, with the texts that were made before if they are among these.
    pub(crate) fn with_fixed(self, known: &[Fixed]) -> Self {
        let fits = |fixed: &&Fixed| {
            fixed.policy == self.policy && fixed.quota == self.limit && fixed.window == self.window
        };
        let fixed = known
            .iter()
            .find(fits)
            .map(|fixed| (fixed.limit, fixed.described));
        Self { fixed, ..self }
    }

    #[inline]
    pub(crate) fn of(decision: &LimitDecision) -> Self {
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self {
            policy: decision.policy,
            limit: decision.limit,
            remaining: decision.remaining,
            window: nanos(decision.window),
            reset: nanos(decision.reset_after),
            fixed: None,
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

/// The texts of several fields in one allocation.
struct Texts(Vec<u8>);

impl Texts {
    fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    fn add(&mut self, write: impl FnOnce(&mut Self)) -> Range<usize> {
        let start = self.0.len();
        write(self);
        start..self.0.len()
    }

    fn text(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    /// An item of a structured field: a string with two whole numbers.
    fn item(&mut self, name: Name, first: (&str, u64), second: (&str, u64)) {
        self.text("\"");
        self.text(name.as_str());
        self.text("\"");
        for (key, number) in [first, second] {
            self.text(key);
            self.number(number);
        }
    }

    fn described(&mut self, shown: &Shown) {
        let (quota, window) = quota_in_whole_seconds(shown);
        self.item(shown.policy, (";q=", quota), (";w=", window));
    }

    /// By hand: the formatting machinery costs more than the five numbers together.
    fn number(&mut self, mut number: u64) {
        let mut digits = [0; 20];
        let mut first = digits.len();
        loop {
            first -= 1;
            digits[first] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.0.extend_from_slice(&digits[first..]);
    }

    fn into_bytes(self) -> Bytes {
        self.0.into()
    }
}

fn ceil_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// The quota and its window in whole seconds, as the draft asks; a quota over less is brought to the next second.
fn quota_in_whole_seconds(shown: &Shown) -> (u64, u64) {
    let seconds = shown.window.div_ceil(ONE_SECOND).max(1);
    if shown.window.is_multiple_of(ONE_SECOND) {
        return (shown.limit, seconds);
    }
    let quota = u128::from(shown.limit) * u128::from(seconds) * u128::from(ONE_SECOND)
        / u128::from(shown.window);
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
