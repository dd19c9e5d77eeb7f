/// Whether a cost fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// It does.
    Fits,
    /// Not yet: it will in so many nanoseconds, if nobody else uses the key.
    Wait(u64),
    /// It is more than the limit ever admits at once.
    Never,
}

/// The assessment of a cost by one rule, before anything is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) fit: Fit,
    /// Whole units left: after the cost where it fits, now where it does not.
    pub(crate) remaining: u64,
    /// Nanoseconds until the limit is full again, likewise.
    pub(crate) reset: u64,
}
