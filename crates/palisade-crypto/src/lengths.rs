//! Names told apart by their lengths.

/// The lengths that a name must have to match anything: the lowest bit is 0 bytes, the highest 63 and more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lengths(u64);

impl Lengths {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const ANY: Self = Self(u64::MAX);

    pub(crate) const fn of(name: &str) -> Self {
        Self(Self::bit(name.len()))
    }

    #[must_use]
    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn contain(self, len: usize) -> bool {
        self.0 & Self::bit(len) != 0
    }

    const fn bit(len: usize) -> u64 {
        1 << match len {
            0..63 => len,
            _ => 63,
        }
    }
}
