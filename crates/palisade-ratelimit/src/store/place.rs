use crate::store::digest::HashedKey;

/// A hash has so many bits for the row, and the next ten for the column.
pub(super) const MOST_DOUBLINGS: u32 = 18;
const COLUMN_BITS: u32 = 10;

/// One of the two places of a key: a column, which it never leaves, and a hash whose lower bits are the row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) column: u32,
    hash: u32,
}

impl Place {
    /// Both places of a key, whose columns differ.
    #[inline]
    pub(super) fn both(key: &HashedKey, columns: u32) -> (Self, Self) {
        let hash = key.slot_hash as u32;
        let other = (key.slot_hash >> (MOST_DOUBLINGS + COLUMN_BITS)) as u32;
        // The product's upper bits are as good as uniform over the columns, for any number of columns.
        let pick = |hash: u32, columns: u32| {
            let bits = hash >> MOST_DOUBLINGS & ((1 << COLUMN_BITS) - 1);
            ((u64::from(bits) * u64::from(columns)) >> COLUMN_BITS) as u32
        };
        let column = pick(hash, columns);
        let further = column + 1 + pick(other, columns - 1);
        let second = Self {
            column: further.checked_sub(columns).unwrap_or(further),
            hash: other,
        };
        (Self { column, hash }, second)
    }

    /// The row, after so many doublings.
    #[inline]
    pub(super) const fn row(self, doublings: u32) -> u32 {
        self.hash & ((1 << doublings) - 1)
    }

    /// The number of the set, after so many doublings.
    #[inline]
    pub(super) const fn number(self, columns: u32, doublings: u32) -> usize {
        (self.column + columns * self.row(doublings)) as usize
    }

    /// Whether the next doubling after so many takes its keys to the new rows.
    pub(super) const fn rises(self, doublings: u32) -> bool {
        self.hash >> doublings & 1 == 1
    }
}
