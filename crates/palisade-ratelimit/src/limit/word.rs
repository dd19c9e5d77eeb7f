use std::sync::atomic::{AtomicU64, Ordering};

/// One word of a table.
///
/// Written under the lock of its set, so that relaxed loads and stores are enough. A value that was read without that lock
/// is a guess.
#[derive(Debug, Default)]
pub(crate) struct Word(AtomicU64);

impl Word {
    #[cfg(test)]
    pub(crate) fn zeros(words: usize) -> Vec<Self> {
        (0..words).map(|_| Self::default()).collect()
    }

    pub(crate) const fn new(value: u64) -> Self {
        Self(AtomicU64::new(value))
    }

    #[inline]
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn update(&self, change: impl FnOnce(u64) -> u64) {
        self.set(change(self.get()));
    }
}
