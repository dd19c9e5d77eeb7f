//! The numbers that a limit may have.

use std::time::Duration;

use palisade_core::Problems;

/// The most requests that an exact log can hold.
pub(super) const MAX_EXACT: u32 = 64;

pub(super) fn check_quota(problems: &mut Problems, quota: u32, window: Duration) {
    check_count(problems, "quota", quota);
    check_window(problems, "window", window);
}

pub(super) fn check_count(problems: &mut Problems, field: &str, count: u32) {
    if count == 0 {
        problems.push(field, "is 0, must be at least 1");
    }
}

/// The longest time that a limit may speak of; sums of such times fit into 64 bits.
pub(super) const LONGEST: Duration = Duration::from_secs(366 * 86_400);

pub(super) fn check_window(problems: &mut Problems, field: &str, window: Duration) {
    if window < Duration::from_millis(1) {
        problems.push(field, format!("is {window:?}, must be at least 1 ms"));
    } else if window > LONGEST {
        problems.push(field, format!("is {window:?}, must be at most 366 days"));
    }
}

/// Whole nanoseconds, at least 1 so that no division fails even for a limit that is about to be refused.
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos())
        .unwrap_or(u64::MAX)
        .max(1)
}
