use std::num::NonZeroU32;

use crate::limit::Date;
use crate::store::digest::HashedKey;

/// The charge that a request is to be asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// The number of the policy.
    pub(crate) policy: usize,
    pub(crate) key: HashedKey,
    pub(crate) quota: Option<NonZeroU32>,
    pub(crate) cost: u64,
    /// The store's time at which the request came.
    pub(crate) now: u64,
    /// The date at that time, where the policy counts by the calendar.
    pub(crate) date: Date,
}

#[cfg(feature = "redis")]
impl Plan {
    /// The same plan with the date by which Redis decided it: Unix microseconds.
    pub(crate) fn decided_at(self, unix: u64) -> Self {
        #[cfg(feature = "calendar")]
        return Self {
            date: Date::new(u128::from(unix) * 1_000, self.now),
            ..self
        };
        #[cfg(not(feature = "calendar"))]
        {
            let _ = unix;
            self
        }
    }
}

/// The counts by address that a request is charged to besides its policy's: the backstop, and the site's.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Backstops {
    pub(crate) backstop: Option<HashedKey>,
    pub(crate) site: Option<HashedKey>,
    /// The store's time at which they were charged.
    #[cfg(any(feature = "governor", feature = "redis"))]
    pub(crate) at: u64,
}

/// A charge that was made. It can be given back once, since that consumes it.
#[derive(Debug)]
pub(crate) struct Paid {
    pub(crate) plan: Plan,
    pub(crate) to: PaidTo,
}

/// The store that was charged, which alone can give something back.
#[derive(Debug)]
pub(crate) enum PaidTo {
    /// Nowhere: nothing was charged.
    Nothing,
    /// In the policy's table in this process, be it only while Redis is down, since this time of the store.
    Table { at: u64 },
    /// In Redis, be it by a lease, since this time of Redis.
    #[cfg(feature = "redis")]
    Redis { at: u64 },
}
