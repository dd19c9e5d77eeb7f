//! Rules as arguments of a script: windows in microseconds, rounded up so that rounding never admits more, and buckets in
//! nanoseconds, as they are counted in this process.

use super::rule::Rule;
use super::rules::Rules;

/// One limit of a script: a letter, and two numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Wire {
    pub(crate) kind: u8,
    pub(crate) first: f64,
    pub(crate) second: f64,
}

/// A token bucket in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WireBucket {
    /// Time between two tokens.
    pub(crate) interval: u64,
    /// Time to fill the whole bucket.
    pub(crate) depth: u64,
}

impl WireBucket {
    pub(crate) const fn price(self, units: u64) -> u64 {
        units.saturating_mul(self.interval)
    }
}

impl Rule {
    pub(crate) fn wire(&self) -> Wire {
        let micros = |nanos: u64| nanos.div_ceil(1_000) as f64;
        let window = |kind, span| Wire {
            kind,
            first: self.quota().into(),
            second: micros(span),
        };
        match self {
            Self::TokenBucket(rule) => {
                let WireBucket { interval, depth } = rule.wire();
                Wire {
                    kind: b'b',
                    first: interval as f64,
                    second: depth as f64,
                }
            }
            Self::FixedWindow(rule) => window(b'f', rule.window),
            Self::SlidingWindow(rule) => window(b's', rule.step),
            Self::ExactLog(rule) => window(b'l', rule.window),
        }
    }

    /// The time between two tokens in nanoseconds, where there are tokens.
    pub(crate) fn token_interval(&self) -> Option<u64> {
        match self {
            Self::TokenBucket(rule) => Some(rule.interval),
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
        WireBucket {
            interval: self.interval,
            depth: self.depth,
        }
    }
}

impl Rules {
    /// A text of all that the states of these rules depend on: the kinds and the windows, and not how much they admit.
    pub(crate) fn shape(&self) -> String {
        let each = self.iter().map(Rule::wire).map(|wire| match wire.kind {
            b'b' => "bn".to_owned(),
            kind => format!("{}{}", char::from(kind), wire.second),
        });
        each.collect()
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
