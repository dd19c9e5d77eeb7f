use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use palisade_core::time::{self, Instant};

use super::budget::Budget;
use crate::ExtractKey;
use crate::keyed::bounded;

/// One budget for all calls of a [`RetryLayer`](crate::RetryLayer): the default.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct OneBudget;

impl<Req> ExtractKey<Req> for OneBudget {
    #[inline]
    fn extract<'a>(&self, _: &'a Req) -> Option<std::borrow::Cow<'a, str>> {
        None
    }
}

/// Budgets that are remembered at most, some 4 MB of them.
const MOST: usize = 10_000;

/// The time between two searches for budgets to forget.
const SWEEPS_APART: Duration = Duration::from_secs(1);

/// The budget of the calls without a key, and one for each key.
pub(super) struct Budgets {
    share: f32,
    reserve: u32,
    pub(super) common: Budget,
    keyed: Mutex<Keyed>,
}

#[derive(Default)]
struct Keyed {
    budgets: HashMap<Box<str>, Arc<Budget>>,
    swept: Option<Instant>,
}

impl Budgets {
    pub(super) fn new(share: f32, reserve: u32) -> Self {
        Self {
            share,
            reserve,
            common: Budget::new(share, reserve),
            keyed: Mutex::default(),
        }
    }

    /// The budget of this key, made if need be; `None`, for the common one, where as many are in use as are remembered.
    pub(super) fn of(&self, key: &str) -> Option<Arc<Budget>> {
        let key = &*bounded(key);
        let mut keyed = self.keyed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(budget) = keyed.budgets.get(key) {
            return Some(Arc::clone(budget));
        }
        if keyed.budgets.len() >= MOST && !keyed.sweep(time::now()) {
            return None;
        }
        let budget = Arc::new(Budget::new(self.share, self.reserve));
        keyed.budgets.insert(key.into(), Arc::clone(&budget));
        Some(budget)
    }
}

impl Keyed {
    /// Forgets budgets that count nothing any more, which changes nothing. Whether there is room now.
    #[cold]
    fn sweep(&mut self, now: Instant) -> bool {
        let is_early = self
            .swept
            .is_some_and(|swept| now.saturating_duration_since(swept) < SWEEPS_APART);
        if !is_early {
            self.swept = Some(now);
            self.budgets
                .retain(|_, budget| Arc::strong_count(budget) > 1 || !budget.is_unused(now));
        }
        self.budgets.len() < MOST
    }
}

impl fmt::Debug for Budgets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budgets").finish_non_exhaustive()
    }
}
