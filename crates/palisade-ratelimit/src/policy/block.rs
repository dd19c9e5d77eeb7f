use std::sync::Arc;

use crate::limit::{Fit, Rules};
use crate::store::digest::HashedKey;
use crate::store::{Charge, Table, charge_one};

/// Keys that a policy refuses for a time, and the refusals that lead to it. Kept in this process, whatever counts the rest.
pub(crate) struct Block {
    pub(crate) refusals: Kept,
    pub(crate) blocked: Kept,
}

/// A table with its rules.
pub(crate) struct Kept {
    pub(crate) table: Arc<Table>,
    pub(crate) rules: Rules,
}

impl Block {
    /// For how many nanoseconds the key is still refused.
    pub(crate) fn left(&self, key: &HashedKey, now: u64) -> Option<u64> {
        let Kept { table, rules } = &self.blocked;
        match table.peek(rules, key, now, 1)?.fit {
            Fit::Wait(left) => Some(left),
            Fit::Fits | Fit::Never => None,
        }
    }

    /// Notes a refusal, with which the key may have had too many.
    pub(crate) fn note(&self, key: &HashedKey, now: u64) {
        let noted = self.refusals.charge(key, now);
        if noted.is_some_and(|left| left == 0) {
            self.blocked.charge(key, now);
            self.refusals.table.reset(key);
        }
    }

    pub(crate) fn forget(&self, key: &HashedKey) {
        for kept in self.tables() {
            kept.table.reset(key);
        }
    }

    pub(crate) const fn tables(&self) -> [&Kept; 2] {
        [&self.refusals, &self.blocked]
    }
}

impl Kept {
    /// Charges one unit, and returns the number that is left.
    fn charge(&self, key: &HashedKey, now: u64) -> Option<u64> {
        let one = Charge {
            table: &self.table,
            policy: &self.rules,
            rules: &self.rules,
            key: *key,
            cost: 1,
        };
        Some(charge_one(&one, now)?.assessment.remaining)
    }
}
