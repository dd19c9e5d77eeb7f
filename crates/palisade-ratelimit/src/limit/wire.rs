//! Rules as arguments of a script: windows in microseconds, rounded up so that rounding never admits more, and buckets in
//! nanoseconds, as they are counted in this process, or where they are deep in quarters of a microsecond.

use super::rule::Rule;
use super::rules::Rules;

/// One limit of a script: a letter, and two numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Wire {
    pub(crate) kind: u8,
    pub(crate) first: f64,
    pub(crate) second: f64,
    /// The beginnings of the windows that follow, for a window of the calendar.
    pub(crate) bounds: [f64; 3],
}

/// A token bucket in parts of a microsecond, which are counted round and round: thousandths, or quarters where it is too
/// deep for a round of those.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WireBucket {
    /// Time between two tokens.
    pub(crate) interval: u64,
    /// Time to fill the whole bucket.
    pub(crate) depth: u64,
    /// The parts of a microsecond.
    pub(crate) parts: u64,
}

/// Less than half a round of thousandths, which has 2^22 seconds; 20 days.
const DEEPEST_IN_NANOS: u64 = 20 * 86_400 * 1_000_000_000;

impl WireBucket {
    pub(crate) const fn price(self, units: u64) -> u64 {
        units.saturating_mul(self.interval)
    }

    pub(crate) const fn nanos(self, parts: u64) -> u64 {
        parts.saturating_mul(1_000 / self.parts)
    }

    const fn kind(self) -> u8 {
        if self.parts == 1_000 { b'b' } else { b'q' }
    }
}

impl Rule {
    pub(crate) fn wire(&self) -> Wire {
        let micros = |nanos: u64| nanos.div_ceil(1_000) as f64;
        let window = |kind, span| Wire {
            kind,
            first: self.quota().into(),
            second: micros(span),
            bounds: [0.0; 3],
        };
        match self {
            Self::TokenBucket(rule) => {
                let bucket = rule.wire();
                Wire {
                    kind: bucket.kind(),
                    first: bucket.interval as f64,
                    second: bucket.depth as f64,
                    bounds: [0.0; 3],
                }
            }
            Self::FixedWindow(rule) => window(b'f', rule.window),
            Self::SlidingWindow(rule) => window(b's', rule.step),
            Self::ExactLog(rule) => window(b'l', rule.window),
            #[cfg(feature = "calendar")]
            Self::Calendar(rule) => {
                let [second, bounds @ ..] = rule.around().map(|unix| unix as f64 * 1e6);
                Wire {
                    kind: b'c',
                    first: self.quota().into(),
                    second,
                    bounds,
                }
            }
        }
    }

    fn shape(&self) -> String {
        #[cfg(feature = "calendar")]
        if let Self::Calendar(rule) = self {
            return rule.shape();
        }
        let wire = self.wire();
        match wire.kind {
            b'b' => "bn".to_owned(),
            b'q' => "bq".to_owned(),
            kind => format!("{}{}", char::from(kind), wire.second),
        }
    }

    /// The time between two tokens in nanoseconds, where there are tokens.
    pub(crate) fn token_interval(&self) -> Option<u64> {
        match self {
            Self::TokenBucket(rule) => {
                let bucket = rule.wire();
                Some(bucket.nanos(bucket.interval))
            }
            _ => None,
        }
    }

    /// Whether what was taken in advance may be spent a little later without anybody being admitted too much.
    pub(crate) fn can_lease(&self) -> bool {
        !matches!(self, Self::ExactLog(_))
    }
}

impl super::TokenBucket {
    fn wire(&self) -> WireBucket {
        if self.depth <= DEEPEST_IN_NANOS {
            return WireBucket {
                interval: self.interval,
                depth: self.depth,
                parts: 1_000,
            };
        }
        let interval = self.interval.div_ceil(250);
        WireBucket {
            interval,
            depth: interval.saturating_mul(self.burst.into()),
            parts: 4,
        }
    }
}

impl Rules {
    /// A text of all that the states of these rules depend on: the kinds and the windows, and not how much they admit.
    pub(crate) fn shape(&self) -> String {
        self.iter().map(Rule::shape).collect()
    }

    /// The bucket, where there is nothing else.
    pub(crate) fn only_bucket(&self) -> Option<WireBucket> {
        let mut rules = self.iter();
        match (rules.next()?, rules.next()) {
            (Rule::TokenBucket(rule), None) => Some(rule.wire()),
            _ => None,
        }
    }
}
