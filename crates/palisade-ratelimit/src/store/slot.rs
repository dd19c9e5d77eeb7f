use super::set::LockedSet;
use crate::limit::Word;

/// A key's slot, with its set locked.
#[derive(Debug)]
pub(crate) struct Slot<'a> {
    pub(super) set: LockedSet<'a>,
    pub(super) way: usize,
}

impl<'a> Slot<'a> {
    /// The key's state; when it was written call [`settle`](Self::settle).
    #[inline]
    pub(crate) fn state(&self) -> &'a [Word] {
        self.set.state(self.way)
    }

    /// Notes when the slot is full again.
    #[inline]
    pub(crate) fn settle(&self, full_at: u64) {
        self.set.settle(self.way, full_at);
    }

    /// Notes whether the key is over a quota of its own.
    pub(crate) fn mark(&self, own_debt: bool) {
        if self.set.own_debt(self.way) != Some(own_debt) {
            self.set.mark(self.way, Some(own_debt));
        }
    }

    /// Forgets the key.
    pub(crate) fn clear(&self) {
        self.set.clear(self.way);
    }
}
