//! Proofs that were used, in memory. Pure: handed the time.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use palisade_core::time::Instant;

use super::proof::Proof;
use crate::Refusal;

/// Half of a digest, which is long enough that nobody finds two of one name.
type Name = [u8; 16];

/// One key may have this part of what is remembered, so that nobody fills it alone.
const SHARE: usize = 16;

/// A bounded memory of proofs. Those of two periods are kept, each as long as a proof can be accepted.
pub(super) struct MemoryProofs {
    state: Mutex<State>,
    /// The number of proofs that one period has.
    capacity: usize,
}

#[derive(Default)]
struct State {
    current: Period,
    last: Period,
    began_at: Option<Instant>,
}

#[derive(Default)]
struct Period {
    used: HashSet<Name>,
    by_key: HashMap<Name, usize>,
}

impl MemoryProofs {
    pub(super) fn new(proofs: usize) -> Self {
        Self {
            state: Mutex::default(),
            capacity: (proofs / 2).max(1),
        }
    }

    /// Remembers a proof, unless it is known already.
    pub(super) fn remember(
        &self,
        proof: &Proof,
        life: Duration,
        now: Instant,
    ) -> Result<(), Refusal> {
        let (id, key) = (half(&proof.id), half(&proof.thumbprint));
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.turn(life, now);
        if state.current.used.contains(&id) || state.last.used.contains(&id) {
            return Err(Refusal::DpopProofReplayed);
        }
        let full = state.current.used.len() >= self.capacity;
        let most = (self.capacity / SHARE).max(1);
        let of_key = state.current.by_key.get(&key).copied().unwrap_or(0);
        if full || of_key >= most {
            drop(state);
            tracing::warn!(target: "palisade_auth", full, "more DPoP proofs than are remembered");
            return Err(Refusal::Overloaded);
        }
        state.current.used.insert(id);
        *state.current.by_key.entry(key).or_default() += 1;
        Ok(())
    }
}

impl State {
    fn turn(&mut self, life: Duration, now: Instant) {
        let began_at = *self.began_at.get_or_insert(now);
        let passed = now.saturating_duration_since(began_at);
        if passed < life {
            return;
        }
        let ended = std::mem::take(&mut self.current);
        self.last = match passed < life.saturating_mul(2) {
            true => ended,
            false => Period::default(),
        };
        self.began_at = Some(now);
    }
}

fn half(digest: &[u8; 32]) -> Name {
    let mut name = [0; 16];
    name.copy_from_slice(&digest[..16]);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(90);

    fn proof(key: u8, id: u16) -> Proof {
        let mut name = [key; 32];
        name[..2].copy_from_slice(&id.to_be_bytes());
        Proof {
            thumbprint: [key; 32],
            id: name,
        }
    }

    #[test]
    fn a_proof_is_remembered_for_as_long_as_it_can_be_accepted() {
        let start = palisade_core::time::now();
        for first_used in [0, 1, 89, 90, 200] {
            let proofs = MemoryProofs::new(100);
            let used =
                |key, at| proofs.remember(&proof(key, 7), LIFE, start + Duration::from_secs(at));
            assert_eq!(used(9, 0), Ok(()), "begins the first period");
            assert_eq!(used(1, first_used), Ok(()));
            for later in [0, 1, 45, 89] {
                let again = used(1, first_used + later);
                assert_eq!(
                    again,
                    Err(Refusal::DpopProofReplayed),
                    "{first_used} {later}"
                );
            }
            assert_eq!(used(2, first_used + 89), Ok(()), "of another key");
        }
    }

    #[test]
    fn no_more_proofs_are_remembered_than_was_said() {
        let start = palisade_core::time::now();
        let proofs = MemoryProofs::new(64);
        let at = |key: u8, id, seconds| {
            proofs.remember(&proof(key, id), LIFE, start + Duration::from_secs(seconds))
        };
        // Of 32 in a period one key has two.
        assert_eq!((at(0, 1, 0), at(0, 2, 0)), (Ok(()), Ok(())));
        assert_eq!(at(0, 3, 0), Err(Refusal::Overloaded), "one key alone");
        for key in 1..16 {
            assert_eq!((at(key, 1, 0), at(key, 2, 0)), (Ok(()), Ok(())), "{key}");
        }
        assert_eq!(at(16, 1, 89), Err(Refusal::Overloaded), "all keys together");
        assert_eq!(at(16, 1, 90), Ok(()), "in the next period");
        assert_eq!(at(0, 3, 90), Ok(()));
        assert_eq!(at(0, 1, 90), Err(Refusal::DpopProofReplayed));
        assert_eq!(at(0, 1, 270), Ok(()), "two periods later");
    }
}
