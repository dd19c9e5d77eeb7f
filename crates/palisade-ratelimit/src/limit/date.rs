/// Wall time beside a store's time, for limits by the calendar; nothing, where there can be none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Date {
    /// Unix nanoseconds when the store's time was zero.
    #[cfg(feature = "calendar")]
    zero: i64,
}

#[cfg(feature = "calendar")]
impl Date {
    /// The date when it is so many Unix nanoseconds at this time of the store.
    pub(crate) fn new(unix: u128, now: u64) -> Self {
        let signed = |nanos| i64::try_from(nanos).unwrap_or(i64::MAX);
        Self {
            zero: signed(unix).saturating_sub(signed(now.into())),
        }
    }

    /// Unix seconds at this time of the store.
    pub(super) fn seconds(self, now: u64) -> u64 {
        let unix = i128::from(self.zero) + i128::from(now);
        u64::try_from(unix / SECOND).unwrap_or(0)
    }

    /// The store's time at these Unix seconds; zero for what was before it.
    pub(super) fn nanos(self, seconds: u64) -> u64 {
        let nanos = i128::from(seconds) * SECOND - i128::from(self.zero);
        u64::try_from(nanos.max(0)).unwrap_or(u64::MAX)
    }
}

#[cfg(feature = "calendar")]
const SECOND: i128 = 1_000_000_000;
