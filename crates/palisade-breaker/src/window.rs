use std::time::Duration;

use crate::state::extent::Extent;
use crate::state::plan::at_least_one;

/// What a failure rate or a slow-call rate looks back over; see
/// [`BreakerLayer::rate_window`](crate::BreakerLayer::rate_window).
///
/// Both kinds slide with every call, and cost the same whatever they hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateWindow(pub(crate) Extent);

impl RateWindow {
    /// The last so many calls, from 1 to 1,048,576; a byte of memory for each.
    #[must_use]
    pub fn calls(calls: u32) -> Self {
        Self(Extent::Calls(at_least_one(calls)))
    }

    /// The calls of this time up to now, in steps of a 64th of it: an older call never counts. Zero is taken for a minute,
    /// the default.
    #[must_use]
    pub const fn time(time: Duration) -> Self {
        Self(Extent::Time(if time.is_zero() {
            Duration::from_secs(60)
        } else {
            time
        }))
    }
}
