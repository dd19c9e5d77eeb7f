use std::fmt;
use std::time::Duration;

use palisade_core::{Handle, Name};

use crate::Rejected;
use crate::shared::Shared;
use crate::state::grant::{Grant, Head, Started, Verdict};

/// The outcome of a call, as judged by a classifier or a closure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The server is well.
    Success,
    /// The server is not well.
    Failure,
    /// The server lives, and asks for fewer calls. Counts as a failure: fewer calls are what a breaker can give.
    Overload,
    /// The call says nothing about the server. It is not counted, and gives a trial back.
    Ignored,
}

impl Outcome {
    #[inline]
    pub(crate) const fn verdict(self, retry_after: Option<Duration>) -> Verdict {
        match self {
            Self::Success => Verdict::Success,
            Self::Failure | Self::Overload => Verdict::Failure(retry_after),
            Self::Ignored => Verdict::Ignored,
        }
    }
}

/// A permit to make one call, which is to be settled with its outcome.
///
/// It belongs to the epoch it was granted in: what is said after the breaker has moved on has no effect.
///
/// # Cancel safety
///
/// One that is dropped without a word is not counted, unless it lasted longer than the bound of
/// [`slow_call_rate`](crate::BreakerLayer::slow_call_rate), which counts as slow. A trial that is dropped makes room
/// for the next.
#[must_use = "the breaker learns nothing unless it is told how the call went"]
pub struct Permit {
    shared: Handle<Shared>,
    grant: Grant,
    started: Started,
}

impl Permit {
    /// Requests a permit for a call that is about to be made.
    #[inline]
    pub(crate) fn acquire(shared: &Handle<Shared>) -> Result<Self, Rejected> {
        match Self::acquire_fast(shared) {
            Some(permit) => Ok(permit),
            None => Self::acquire_slow(shared),
        }
    }

    /// Grants a permit without a lock; `None` where that takes a closer look.
    #[inline(always)]
    pub(crate) fn acquire_fast(shared: &Handle<Shared>) -> Option<Self> {
        let grant = shared.cell.admit_fast()?;
        Some(Self::new(shared.clone(), grant, shared.start()))
    }

    #[cold]
    pub(crate) fn acquire_slow(shared: &Handle<Shared>) -> Result<Self, Rejected> {
        let grant = shared.admit_slow()?;
        Ok(Self::new(shared.clone(), grant, shared.start()))
    }

    #[inline(always)]
    pub(crate) const fn new(shared: Handle<Shared>, grant: Grant, started: Started) -> Self {
        Self {
            shared,
            grant,
            started,
        }
    }

    /// The breaker that granted it.
    #[must_use]
    pub fn name(&self) -> Name {
        self.shared.name()
    }

    /// Returns whether the call is a trial, whose outcome opens or closes a half-open breaker.
    #[must_use]
    pub const fn is_trial(&self) -> bool {
        self.grant.is_trial()
    }

    /// The call succeeded.
    #[inline(always)]
    pub fn success(mut self) {
        self.end(Verdict::Success);
    }

    /// The call failed.
    pub fn failure(self) {
        self.settle(Outcome::Failure, None);
    }

    /// The call says nothing about the server.
    pub fn ignore(self) {
        self.settle(Outcome::Ignored, None);
    }

    /// The call went like this. Should it open the breaker, it stays open at least for `retry_after`, up to
    /// [`longest_open`](crate::BreakerLayer::longest_open).
    #[inline]
    pub fn settle(mut self, outcome: Outcome, retry_after: Option<Duration>) {
        self.end(outcome.verdict(retry_after));
    }

    /// The call succeeded so far, and the [`BodyPermit`] says what comes of its body. The permit has nothing more to
    /// settle.
    #[inline(always)]
    pub(crate) fn success_so_far(&mut self) -> Option<BodyPermit> {
        let grant = std::mem::replace(&mut self.grant, Grant::FREE);
        if grant.is_counted() {
            return Some(BodyPermit {
                shared: self.shared.clone(),
                grant,
                head: self.shared.head(self.started),
            });
        }
        self.after_trial(grant)
    }

    #[cold]
    fn after_trial(&self, trial: Grant) -> Option<BodyPermit> {
        if !trial.is_trial() {
            return None;
        }
        self.shared.settle_trial(trial, self.started);
        // The trial's success may itself have begun the next epoch.
        let epoch = self.shared.cell.word().epoch();
        if epoch.wrapping_sub(trial.epoch()) > 1 {
            self.shared.count(Verdict::Success);
            return None;
        }
        Some(BodyPermit {
            shared: self.shared.clone(),
            grant: Grant::trial(epoch, trial.number()),
            head: Head::UNKNOWN,
        })
    }

    /// Takes what there is to settle, and leaves a permit that has nothing more to settle.
    #[inline]
    pub(crate) fn take(&mut self) -> Self {
        Self {
            shared: self.shared.clone(),
            grant: std::mem::replace(&mut self.grant, Grant::FREE),
            started: self.started,
        }
    }

    /// Settles it where it lies, and leaves a permit that has nothing more to settle.
    #[inline(always)]
    pub(crate) fn end(&mut self, verdict: Verdict) {
        let grant = std::mem::replace(&mut self.grant, Grant::FREE);
        if !grant.is_free() {
            self.shared.settle(grant, verdict, self.started);
        }
    }
}

impl Drop for Permit {
    #[inline(always)]
    fn drop(&mut self) {
        let nothing_lost = self.grant.is_counted() && self.started == Started::UNKNOWN;
        if !self.grant.is_free() && !nothing_lost {
            self.end(Verdict::Cancelled);
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("breaker", &self.name())
            .field("trial", &self.is_trial())
            .finish_non_exhaustive()
    }
}

/// The permit of a call whose response body is still read. The call has succeeded when the body has ended or is dropped.
///
/// Of a trial the breaker has heard already, because it must not wait for a long body; the others it hears of at the end,
/// so that a call whose body breaks off is one failure and not a success before.
#[derive(Debug)]
pub(crate) struct BodyPermit {
    shared: Handle<Shared>,
    /// Of a trial, with the epoch that its success led to; free once it is told.
    grant: Grant,
    head: Head,
}

impl BodyPermit {
    /// The body ended like this.
    #[inline(always)]
    pub(crate) fn end(mut self, verdict: Verdict) {
        self.tell(verdict);
    }

    #[inline(always)]
    fn tell(&mut self, verdict: Verdict) {
        let grant = std::mem::replace(&mut self.grant, Grant::FREE);
        if grant.is_counted() {
            self.shared.settle_late(grant, verdict, self.head);
        } else if grant.is_trial() {
            self.settle_trial_late(grant, verdict);
        }
    }

    #[cold]
    fn settle_trial_late(&self, grant: Grant, verdict: Verdict) {
        self.shared.count(verdict);
        if let Verdict::Failure(asked) = verdict {
            self.shared.fail_late(grant.epoch(), asked);
        }
    }
}

impl Drop for BodyPermit {
    #[inline(always)]
    fn drop(&mut self) {
        self.tell(Verdict::Success);
    }
}
