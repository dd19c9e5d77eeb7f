use std::num::NonZeroU32;
use std::time::Duration;

/// Longer than any time that an operator means, and short enough to be added to any instant.
pub(crate) const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);

/// More calls than a rate needs, and a bound on what a slip of the pen can take in memory.
pub(crate) const MOST_CALLS: u32 = 1 << 20;

/// The extent of a rate's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    Calls(NonZeroU32),
    Time(Duration),
}
