//! How a rule is told to a script: its kind and two numbers, in microseconds.

use super::Rule;

/// One limit of a script: a letter, and two numbers as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wire {
    pub(crate) kind: &'static str,
    pub(crate) first: String,
    pub(crate) second: String,
}

impl Rule {
    pub(crate) fn wire(&self) -> Wire {
        let micros = |nanos: u64| nanos.div_ceil(1_000).to_string();
        let quota = self.quota().to_string();
        match self {
            Self::TokenBucket(rule) => {
                // To a quarter of a microsecond, which a double still tells apart at today's date; upwards, so that
                // rounding never admits more.
                let quarters = rule.interval.div_ceil(250);
                let depth = quarters.saturating_mul(u64::from(rule.burst));
                Wire {
                    kind: "b",
                    first: quarters_as_text(quarters),
                    second: quarters_as_text(depth),
                }
            }
            Self::FixedWindow(rule) => Wire {
                kind: "f",
                first: quota,
                second: micros(rule.window),
            },
            Self::SlidingWindow(rule) => Wire {
                kind: "s",
                first: quota,
                second: micros(rule.step),
            },
            Self::ExactLog(rule) => Wire {
                kind: "l",
                first: quota,
                second: micros(rule.window),
            },
        }
    }

    /// The time between two tokens in nanoseconds, where there are tokens.
    pub(crate) fn interval(&self) -> Option<u64> {
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

fn quarters_as_text(quarters: u64) -> String {
    format!("{}.{:02}", quarters / 4, quarters % 4 * 25)
}
