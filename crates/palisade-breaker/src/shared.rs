use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use palisade_core::Name;
use palisade_core::time::{self, Instant};

use crate::event::BreakerEvent;
use crate::setup::Setup;
use crate::state::cell::Cell;
use crate::state::grant::{Grant, Head, MachineEvent, Refusal, Started, Verdict};
use crate::state::machine::Machine;
use crate::waiting::Waiters;
use crate::{Cause, Reason, Rejected, State};

/// One breaker: what all clones of a layer, its services, permits and handles have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) setup: Arc<Setup>,
    /// The key of the breaker in a keyed layer.
    key: Option<Arc<str>>,
    pub(crate) cell: Cell,
    /// Nanoseconds.
    slow_bound: Option<NonZeroU64>,
    pub(crate) rejected: AtomicU64,
    pub(crate) transitions: AtomicU64,
    pub(crate) leases_lost: AtomicU64,
    /// Services that wait until a call is let through.
    pub(crate) waiting: Waiters,
}

impl Shared {
    pub(crate) fn new(setup: Setup) -> Self {
        Self::made(Arc::new(setup), None)
    }

    /// One of many, told apart by its key.
    pub(crate) fn with_key(setup: Arc<Setup>, key: Arc<str>) -> Self {
        Self::made(setup, Some(key))
    }

    fn made(setup: Arc<Setup>, key: Option<Arc<str>>) -> Self {
        // Without random bytes every process draws the same jitter: less spread, and nothing worse.
        let seed = (setup.plan.jitter > 0.0)
            .then(palisade_core::random::bytes)
            .and_then(Result::ok);
        let seed = seed.map_or(0, u64::from_le_bytes);
        let mut machine = Machine::new(Arc::clone(&setup.plan), seed);
        if setup.begins != State::Closed {
            machine.set(setup.begins);
        }
        let now = time::now();
        let cell = Cell::new(machine, now);
        cell.make_ready(|machine| {
            if setup.begins_open {
                machine.open_by_hand(now, setup.plan.open_for);
            }
        });
        Self {
            slow_bound: setup.plan.slow.map(|rule| {
                let nanos = u64::try_from(rule.bound.as_nanos()).unwrap_or(u64::MAX);
                NonZeroU64::new(nanos).unwrap_or(NonZeroU64::MIN)
            }),
            cell,
            setup,
            key,
            rejected: AtomicU64::new(0),
            transitions: AtomicU64::new(0),
            leases_lost: AtomicU64::new(0),
            waiting: Waiters::default(),
        }
    }

    pub(crate) fn name(&self) -> Name {
        self.setup.name
    }

    /// Shows the state in the metrics, before the first transition does.
    pub(crate) fn announce(&self) {
        if self.key.is_none() {
            self.setup.counters.state(self.name(), self.state());
        }
    }

    /// Admits or refuses a call under the lock, where the word alone does not admit it.
    pub(crate) fn admit_slow(&self) -> Result<Grant, Rejected> {
        if let Some(refusal) = self.cell.refuse_fast(time::now) {
            return Err(self.refused(self.rejection(refusal)));
        }
        let (admitted, events) = self.cell.admit(time::now());
        self.tell(events);
        admitted.map_err(|refusal| self.refused(self.rejection(refusal)))
    }

    /// Whether a call is sure to be refused, so that the guarded service need not be asked whether it is ready.
    #[inline]
    pub(crate) fn refuse_early(&self) -> Option<Refusal> {
        if self.cell.admit_fast().is_some() {
            return None;
        }
        self.refuse_slow()
    }

    #[cold]
    fn refuse_slow(&self) -> Option<Refusal> {
        self.cell.refuse_fast(time::now)
    }

    #[inline]
    pub(crate) fn rejection(&self, refusal: Refusal) -> Rejected {
        Rejected {
            name: self.name(),
            retry_after: refusal.retry_after(),
            state: match refusal.reason {
                Reason::Open => State::Open,
                Reason::Forced => State::ForcedOpen,
                Reason::TrialsTaken => State::HalfOpen,
                _ => State::Closed,
            },
            reason: refusal.reason,
        }
    }

    /// The service was called without having been polled ready.
    pub(crate) fn not_ready(&self) -> Rejected {
        Rejected {
            name: self.name(),
            retry_after: None,
            state: self.state(),
            reason: Reason::NotReady,
        }
    }

    /// Counts and reports a refusal that a caller gets to see.
    #[inline]
    pub(crate) fn refused(&self, rejected: Rejected) -> Rejected {
        self.rejected.fetch_add(1, Ordering::Relaxed);
        self.setup.counters.rejected(rejected.name, rejected.reason);
        if !self.setup.observers.is_empty()
            || tracing::enabled!(target: "palisade_breaker", tracing::Level::DEBUG)
        {
            self.notify_rejected(rejected);
        }
        rejected
    }

    #[cold]
    fn notify_rejected(&self, rejected: Rejected) {
        let key = self.key.clone();
        self.notify_event(&BreakerEvent::Rejected { rejected, key });
    }

    /// The start of a call, if its duration matters.
    #[inline]
    pub(crate) fn start(&self) -> Started {
        if self.slow_bound.is_none() {
            return Started::UNKNOWN;
        }
        Started::at(self.cell.nanos(time::now()))
    }

    #[inline(always)]
    pub(crate) fn settle(&self, grant: Grant, verdict: Verdict, started: Started) {
        if verdict == Verdict::Success && self.cell.ignores_success(grant) {
            return;
        }
        self.settle_with_news(grant, verdict, started);
    }

    #[inline(never)]
    fn settle_with_news(&self, grant: Grant, verdict: Verdict, started: Started) {
        let now = time::now();
        let slow = self.is_slow(started, self.cell.nanos(now));
        self.count(verdict);
        self.settle_at(now, grant, verdict, slow);
    }

    fn is_slow(&self, started: Started, nanos: u64) -> bool {
        self.slow_bound
            .is_some_and(|bound| started.until(nanos).is_some_and(|took| took >= bound.get()))
    }

    fn settle_at(&self, now: Instant, grant: Grant, verdict: Verdict, slow: bool) {
        self.tell(self.cell.settle(now, grant, verdict, slow));
        if grant.is_trial() {
            self.waiting.wake();
        }
    }

    /// Counts a call in the metrics.
    pub(crate) fn count(&self, verdict: Verdict) {
        self.setup.counters.call(self.name(), verdict);
    }

    /// The arrival of a response's head, if the duration of its call matters.
    #[inline]
    pub(crate) fn head(&self, started: Started) -> Head {
        if self.slow_bound.is_none() {
            return Head::UNKNOWN;
        }
        let nanos = self.cell.nanos(time::now());
        Head::new(nanos, self.is_slow(started, nanos))
    }

    /// Settles a trial by the head of its response, and leaves its count in the metrics to the end of its body.
    pub(crate) fn settle_trial(&self, grant: Grant, started: Started) {
        let now = time::now();
        let slow = self.is_slow(started, self.cell.nanos(now));
        self.settle_at(now, grant, Verdict::Success, slow);
    }

    /// Settles a call that is no trial at the end of its body. It lasted until its head.
    #[inline(always)]
    pub(crate) fn settle_late(&self, grant: Grant, verdict: Verdict, head: Head) {
        if verdict == Verdict::Success && self.cell.ignores_success(grant) {
            return;
        }
        self.settle_late_with_news(grant, verdict, head);
    }

    #[inline(never)]
    fn settle_late_with_news(&self, grant: Grant, verdict: Verdict, head: Head) {
        let now = match (verdict, head.nanos()) {
            (Verdict::Success, Some(nanos)) => self.cell.instant(nanos),
            _ => time::now(),
        };
        self.count(verdict);
        self.settle_at(now, grant, verdict, head.is_slow());
    }

    /// The guarded service failed to become ready.
    pub(crate) fn fail_readiness(&self) {
        let now = time::now();
        self.change(|machine| machine.fail_readiness(now));
    }

    /// A trial failed after its success had been taken to account.
    pub(crate) fn fail_late(&self, epoch: u32, asked: Option<Duration>) {
        let now = time::now();
        self.change(|machine| machine.fail_late(now, epoch, asked));
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Machine)) {
        let ((), events) = self.cell.change(change);
        self.tell(events);
        self.waiting.wake();
    }

    pub(crate) fn state(&self) -> State {
        self.cell.word().code().state()
    }

    fn tell(&self, events: Vec<MachineEvent>) {
        if !events.is_empty() {
            self.notify_in_order(events);
        }
    }

    #[cold]
    fn notify_in_order(&self, mut events: Vec<MachineEvent>) {
        let mut reporting = Reporting {
            shared: self,
            is_over: false,
        };
        while !events.is_empty() {
            for event in events {
                self.notify_one(event);
            }
            events = self.cell.go_on();
        }
        reporting.is_over = true;
    }

    /// Hands a transition to the task that shares it. Nobody is waited for.
    #[cfg(feature = "redis")]
    fn publish(&self, from: State, to: State, cause: Cause, open_for: Option<Duration>) {
        if let Some(what) = crate::share::Change::of(from, to, cause, open_for) {
            self.setup.wire.send(self.name(), &self.key, what);
        }
    }

    #[cfg(not(feature = "redis"))]
    const fn publish(&self, _: State, _: State, _: Cause, _: Option<Duration>) {}

    #[cold]
    fn notify_one(&self, event: MachineEvent) {
        let (name, key) = (self.name(), self.key.clone());
        let event = match event {
            MachineEvent::Transition {
                from,
                to,
                cause,
                open_for,
            } => {
                self.transitions.fetch_add(1, Ordering::Relaxed);
                self.setup.counters.transition(name, to, self.key.is_none());
                self.publish(from, to, cause, open_for);
                BreakerEvent::Transition {
                    name,
                    key,
                    from,
                    to,
                    cause,
                    open_for,
                }
            }
            MachineEvent::Trial => BreakerEvent::Trial { name, key },
            MachineEvent::LeaseLost => {
                self.leases_lost.fetch_add(1, Ordering::Relaxed);
                self.setup.counters.lease_lost(name);
                BreakerEvent::LeaseLost { name, key }
            }
            MachineEvent::WouldTrip => {
                self.setup.counters.would_trip(name);
                BreakerEvent::WouldTrip { name, key }
            }
        };
        self.notify_event(&event);
    }

    #[inline(never)]
    fn notify_event(&self, event: &BreakerEvent) {
        event.trace();
        self.setup.observers.tell(event);
    }
}

/// Calling observers, which one thread does at a time. A panic of one ends it, and loses the events that wait.
struct Reporting<'a> {
    shared: &'a Shared,
    is_over: bool,
}

impl Drop for Reporting<'_> {
    fn drop(&mut self) {
        while !self.is_over {
            self.is_over = self.shared.cell.go_on().is_empty();
        }
    }
}
