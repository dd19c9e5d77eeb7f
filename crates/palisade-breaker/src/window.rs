use std::time::Duration;

use crate::state::extent::{Extent, MOST_CALLS};
use crate::state::plan::at_least_one;

/// The window of a failure rate or a slow-call rate; see
/// [`BreakerLayer::rate_window`](crate::BreakerLayer::rate_window).
///
/// Both kinds slide with every call, and cost the same whatever they hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateWindow {
    pub(crate) extent: Extent,
    /// The problem with the value that was given: the field, and the reason.
    pub(crate) problem: Option<(&'static str, &'static str)>,
}

impl RateWindow {
    /// The last so many calls, from 1 to 1,048,576, the nearest of which holds; a byte of memory for each.
    #[must_use]
    pub fn calls(calls: u32) -> Self {
        let reason = match calls {
            0 => Some("is 0, must be at least 1"),
            1..=MOST_CALLS => None,
            _ => Some("must be at most 1,048,576"),
        };
        Self {
            extent: Extent::Calls(at_least_one(calls.min(MOST_CALLS))),
            problem: reason.map(|reason| ("rate_calls", reason)),
        }
    }

    /// The calls of this time up to now, in steps of a 64th of it: an older call never counts. Zero is taken for a minute,
    /// the default.
    #[must_use]
    pub fn time(time: Duration) -> Self {
        let is_zero = time.is_zero();
        let minute = Duration::from_secs(60);
        Self {
            extent: Extent::Time(if is_zero { minute } else { time }),
            problem: is_zero.then_some(("rate_time", "is 0, must be longer")),
        }
    }
}
