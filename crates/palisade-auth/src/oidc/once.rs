//! Values that may be used once, in memory.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use palisade_core::time::UnixTime;

use crate::digest::Digest;

/// Names that were used, until they have no meaning any more. Those of the longest ago are forgotten where there are too
/// many, so that nobody can keep others out.
pub(super) struct Once {
    most: usize,
    used: Mutex<Used>,
}

#[derive(Default)]
struct Used {
    until: HashMap<Digest, UnixTime>,
    order: VecDeque<Digest>,
}

impl Once {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            used: Mutex::default(),
        }
    }

    #[cfg(feature = "axum")]
    pub(super) fn is_used(&self, name: &Digest, now: UnixTime) -> bool {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.until.get(name).is_some_and(|until| *until > now)
    }

    /// Whether this is the first use of the name, which it is no second time before `until`.
    pub(super) fn is_first(&self, name: Digest, until: UnixTime, now: UnixTime) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.until.get(&name).is_some_and(|until| *until > now) {
            return false;
        }
        while let Some(oldest) = used.order.front().copied() {
            let over = used.until.get(&oldest).is_none_or(|until| *until <= now);
            if !over && used.order.len() < self.most {
                break;
            }
            used.order.pop_front();
            used.until.remove(&oldest);
        }
        if used.until.insert(name, until).is_none() {
            used.order.push_back(name);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_used_once_until_it_has_no_meaning_and_there_are_so_many_at_most() {
        let at = UnixTime::from_secs;
        let once = Once::new(2);
        let first = |name: u8, until, now| once.is_first([name; 32], at(until), at(now));
        assert!(first(1, 10, 0));
        assert!(!first(1, 10, 9));
        assert!(first(1, 20, 10), "its time is over");
        assert!(first(2, 20, 11));
        assert!(!first(1, 20, 12), "no use makes room for itself");
        assert!(first(3, 20, 13), "the oldest makes room");
        assert!(!first(2, 20, 14) && !first(3, 20, 14));
        assert!(first(1, 20, 14), "it was forgotten for others");
        assert!(once.used.lock().unwrap().until.len() <= 2);
    }
}
