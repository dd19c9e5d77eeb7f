//! Whole seconds, which the header fields count in.

use std::time::Duration;

pub(super) const ONE_SECOND: u64 = 1_000_000_000;

pub(super) fn ceil_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// The quota and its window in whole seconds, as the draft asks; a quota over less is brought to the next second.
pub(super) fn quota_in_whole_seconds(quota: u64, window: u64) -> (u64, u64) {
    let seconds = window.div_ceil(ONE_SECOND).max(1);
    if window.is_multiple_of(ONE_SECOND) {
        return (quota, seconds);
    }
    let scaled =
        u128::from(quota) * u128::from(seconds) * u128::from(ONE_SECOND) / u128::from(window);
    (u64::try_from(scaled).unwrap_or(u64::MAX), seconds)
}
