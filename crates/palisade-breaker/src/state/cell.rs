use std::sync::PoisonError;
use std::time::Duration;

use palisade_core::time::Instant;

use super::Reason;
use super::grant::{Grant, MachineEvent, Refusal, Verdict};
use super::machine::Machine;
use super::plan::Plan;
use super::word::{Code, Word};
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering};

/// The machine behind a lock, with what most calls must know of it in front of the lock.
///
/// Invariant: `word` and `deadline` are written under the lock alone, the deadline first. So who reads a word and then
/// the deadline sees a deadline that is as new as the word or newer. A newer one of the same kind only ever refuses a
/// call that would have been refused a moment earlier or later; one of the other kind refuses nobody.
#[derive(Debug)]
pub(crate) struct Cell {
    word: AtomicU64,
    /// Zero for none, or nanoseconds after `base`, and in the lowest bit which kind it is: the end of the open time, or of
    /// the first lease.
    deadline: AtomicU64,
    base: Instant,
    most_trials: u32,
    /// A success is no news to the machine, unless failures in a row are counted and there are some.
    record_success: RecordSuccess,
    machine: Mutex<Machine>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RecordSuccess {
    Never,
    AfterFailures,
    Always,
}

impl Cell {
    pub(crate) fn new(machine: Machine, now: Instant) -> Self {
        let plan = machine.plan();
        Self {
            word: AtomicU64::new(machine.word().bits()),
            deadline: AtomicU64::new(0),
            base: now,
            most_trials: plan.trials.get(),
            record_success: if plan.records_every_call() || plan.count_calls {
                RecordSuccess::Always
            } else if plan.counts_in_a_row() {
                RecordSuccess::AfterFailures
            } else {
                RecordSuccess::Never
            },
            machine: Mutex::new(machine),
        }
    }

    #[inline]
    pub(crate) fn word(&self) -> Word {
        Word::from_bits(self.word.load(Ordering::Acquire))
    }

    /// Grants a call without a lock or a clock: the path of a healthy server.
    #[inline]
    pub(crate) fn admit_fast(&self) -> Option<Grant> {
        let word = self.word();
        match word.code() {
            Code::Closed | Code::MetricsOnly => Some(Grant::counted(word.epoch())),
            Code::Disabled => Some(Grant::FREE),
            _ => None,
        }
    }

    /// Whether a call is sure to be refused now, without a lock. The clock is read only where time decides.
    pub(crate) fn refuse_fast(&self, now: impl FnOnce() -> Instant) -> Option<Refusal> {
        let word = self.word();
        let (reason, full) = match word.code() {
            Code::ForcedOpen => {
                return Some(Refusal::for_now(Reason::Forced));
            }
            Code::Open => (Reason::Open, true),
            Code::HalfOpen => (Reason::TrialsTaken, word.trials() >= self.most_trials),
            _ => return None,
        };
        if !full {
            return None;
        }
        let left = self.until_deadline(word.code(), now())?;
        Some(Refusal::of_nanos(reason, left))
    }

    /// Admits or refuses a call, under the lock.
    pub(crate) fn admit(&self, now: Instant) -> (Result<Grant, Refusal>, Vec<MachineEvent>) {
        self.change(|machine| machine.admit(now))
    }

    /// Whether the machine has nothing to learn from the success of this call.
    #[inline]
    pub(crate) fn ignores_success(&self, grant: Grant) -> bool {
        match self.record_success {
            _ if !grant.is_counted() => grant.is_free(),
            RecordSuccess::Never => true,
            RecordSuccess::AfterFailures => self.word().failures() == 0,
            RecordSuccess::Always => false,
        }
    }

    /// Takes a granted call's end to account, under the lock.
    pub(crate) fn settle(
        &self,
        now: Instant,
        grant: Grant,
        verdict: Verdict,
        slow: bool,
    ) -> Vec<MachineEvent> {
        self.change(|machine| machine.settle(now, grant, verdict, slow))
            .1
    }

    /// Changes the machine, and lets everybody see it. If there is something to tell, ask [`go_on`](Self::go_on) afterwards
    /// until there is no more.
    pub(crate) fn change<T>(
        &self,
        change: impl FnOnce(&mut Machine) -> T,
    ) -> (T, Vec<MachineEvent>) {
        let mut machine = self.lock();
        let answer = change(&mut machine);
        let is_lease = u64::from(machine.code() == Code::HalfOpen);
        let deadline = machine.deadline().map_or(0, |at| {
            // A bit of time is lost beyond three centuries.
            self.nanos(at).clamp(1, u64::MAX >> 1) << 1 | is_lease
        });
        self.deadline.store(deadline, Ordering::Relaxed);
        self.word.store(machine.word().bits(), Ordering::Release);
        (answer, machine.news.begin())
    }

    /// Changes the machine without events, before it is in use.
    pub(crate) fn make_ready(&self, change: impl FnOnce(&mut Machine)) {
        let _ = self.change(|machine| {
            change(machine);
            machine.clear_events();
        });
    }

    /// Takes the events that came while others were reported.
    pub(crate) fn go_on(&self) -> Vec<MachineEvent> {
        self.lock().news.go_on()
    }

    /// Nanoseconds until the open time or the first lease is over, whichever a machine in this state has; `None` when it
    /// is over, or there is none, or the machine has moved on.
    #[inline]
    pub(crate) fn until_deadline(&self, code: Code, now: Instant) -> Option<u64> {
        let deadline = self.deadline.load(Ordering::Relaxed);
        if deadline & 1 != u64::from(code == Code::HalfOpen) {
            return None;
        }
        let left = (deadline >> 1).checked_sub(self.nanos(now))?;
        (left > 0).then_some(left)
    }

    /// The machine, only to look at.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time so many nanoseconds after the cell was made.
    pub(crate) fn instant(&self, nanos: u64) -> Instant {
        self.base + Duration::from_nanos(nanos)
    }

    /// Nanoseconds from when the cell was made, which no process outlives.
    #[inline]
    pub(crate) fn nanos(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.base);
        let secs = since.as_secs().saturating_mul(1_000_000_000);
        secs.saturating_add(since.subsec_nanos().into())
    }
}

impl Plan {
    const fn counts_in_a_row(&self) -> bool {
        self.failures.consecutive.is_some()
    }
}
