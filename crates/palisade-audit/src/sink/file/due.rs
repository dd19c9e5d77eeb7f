use std::time::Duration;

use palisade_core::time::UnixTime;

/// The length and age at which the file in use is to be finished.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Due {
    max_bytes: Option<u64>,
    every: Option<Duration>,
    /// The length of the file.
    pub(crate) len: u64,
    /// The period in which the file was begun, counted from 1970.
    period: u64,
    not_before: UnixTime,
}

impl Due {
    /// A file of this length whose first record is of `begun`.
    pub(super) fn new(
        max_bytes: Option<u64>,
        every: Option<Duration>,
        len: u64,
        begun: UnixTime,
    ) -> Self {
        let mut due = Self {
            max_bytes,
            every,
            len,
            period: 0,
            not_before: UnixTime::default(),
        };
        due.period = due.period_of(begun);
        due
    }

    /// Whether the file must be finished before `more` bytes are added.
    pub(crate) fn is_due(&self, more: usize, now: UnixTime) -> bool {
        let too_big = self
            .max_bytes
            .is_some_and(|max| self.len + more as u64 > max);
        let due = too_big || self.period_of(now) != self.period;
        due && now >= self.not_before
    }

    /// Puts the next try off: an attempt begins, and should it fail it is made again, but not with every record.
    pub(super) fn put_off(&mut self, until: UnixTime) {
        self.not_before = until;
    }

    /// Notes that the next file is begun.
    pub(crate) fn begin(&mut self, now: UnixTime) {
        self.len = 0;
        self.period = self.period_of(now);
        self.not_before = UnixTime::default();
    }

    fn period_of(&self, now: UnixTime) -> u64 {
        self.every
            .map_or(0, |period| now.as_secs() / period.as_secs().max(1))
    }
}
