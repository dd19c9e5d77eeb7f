use std::sync::Arc;
use std::time::Duration;

use palisade_core::time::Instant;

use super::extent::LONGEST;
use super::grant::{Grant, MachineEvent, Refusal, Verdict};
use super::news::EventQueue;
use super::open_time::OpenTime;
use super::phase::Phase;
use super::plan::Plan;
use super::ramp::{Ramp, Step};
use super::rules::{Ending, Rules};
use super::window::Tally;
use super::word::{Code, Word};
use super::{Cause, Reason, State};

/// The breaker itself, without a lock or a clock.
///
/// Invariants: every transition begins a new epoch; what was granted in an earlier epoch is settled without effect; at
/// most `plan.trials` trials hold a lease at any time.
#[derive(Debug)]
pub(crate) struct Machine {
    plan: Arc<Plan>,
    phase: Phase,
    epoch: u32,
    rules: Rules,
    open_time: OpenTime,
    /// Until then a peer has trouble with the same server, so one failure is enough.
    advised_until: Option<Instant>,
    /// In the shadow mode: until then it would have been open.
    would_be_open_until: Option<Instant>,
    pub(super) news: EventQueue,
}

impl Machine {
    pub(crate) fn new(plan: Arc<Plan>, seed: u64) -> Self {
        Self {
            phase: Phase::Closed(None),
            epoch: 0,
            rules: Rules::new(&plan),
            open_time: OpenTime::new(seed),
            advised_until: None,
            would_be_open_until: None,
            news: EventQueue::default(),
            plan,
        }
    }

    /// Admits or refuses a call.
    pub(crate) fn admit(&mut self, now: Instant) -> Result<Grant, Refusal> {
        let counted = Grant::counted(self.epoch);
        match &mut self.phase {
            Phase::Closed(None) | Phase::MetricsOnly => Ok(counted),
            Phase::Closed(Some(ramp)) => match ramp.step(now) {
                Step::Refuse => Err(Refusal::for_now(Reason::Ramp)),
                Step::Admit => Ok(counted),
                Step::Over => {
                    self.phase = Phase::Closed(None);
                    Ok(counted)
                }
            },
            Phase::Disabled => Ok(Grant::FREE),
            Phase::ForcedOpen => Err(Refusal::for_now(Reason::Forced)),
            Phase::Open { until, .. } if now < *until => {
                Err(Refusal::new(Reason::Open, Some(*until - now)))
            }
            Phase::Open { .. } => {
                self.half_open(now);
                self.admit_trial(now)
            }
            Phase::HalfOpen { .. } => self.admit_trial(now),
        }
    }

    fn half_open(&mut self, now: Instant) {
        let half_open = Phase::HalfOpen {
            trials: Box::default(),
            successes: 0,
            failures: 0,
            since: now,
        };
        self.go(half_open, Cause::TimeOver, None);
    }

    fn admit_trial(&mut self, now: Instant) -> Result<Grant, Refusal> {
        let Phase::HalfOpen { trials, .. } = &mut self.phase else {
            return Err(Refusal::for_now(Reason::TrialsTaken));
        };
        if trials.len() >= self.plan.trials.get() {
            if !trials.lose_one(now) {
                let lease_over = trials.first_lease_over();
                let wait = lease_over.map(|over| over.saturating_duration_since(now));
                return Err(Refusal::new(Reason::TrialsTaken, wait));
            }
            self.news.push(MachineEvent::LeaseLost);
        }
        let number = trials.start(now + self.plan.lease());
        self.news.push(MachineEvent::Trial);
        Ok(Grant::trial(self.epoch, number))
    }

    /// Takes a granted call's end to account. `slow` says that it took as long as a slow call.
    pub(crate) fn settle(&mut self, now: Instant, grant: Grant, verdict: Verdict, slow: bool) {
        // Late results say how the server was, not how it is.
        if grant.is_free() || grant.epoch() != self.epoch {
            return;
        }
        if grant.is_trial() {
            self.settle_trial(now, grant.number(), verdict, slow);
        } else {
            self.record(now, verdict, slow);
        }
    }

    fn record(&mut self, now: Instant, verdict: Verdict, slow: bool) {
        if !matches!(self.phase, Phase::Closed(_) | Phase::MetricsOnly) {
            return;
        }
        let (ending, asked) = match verdict {
            Verdict::Success => (Ending::Succeeded, None),
            Verdict::Failure(asked) => (Ending::Failed, asked),
            Verdict::Cancelled if slow => (Ending::Abandoned, None),
            Verdict::Ignored | Verdict::Cancelled => return,
        };
        let advised = ending == Ending::Failed && self.is_advised(now);
        let enough = self.rules.record(&self.plan, now, ending, slow);
        if !enough && !advised {
            return;
        }
        match self.phase {
            Phase::Closed(_) => self.open(now, Cause::Tripped, asked),
            _ => self.report_would_trip(now),
        }
    }

    /// Reports that it would have tripped, and not again for as long as it would then have been open.
    fn report_would_trip(&mut self, now: Instant) {
        if self.would_be_open_until.is_none_or(|until| until <= now) {
            self.would_be_open_until = Some(now + self.plan.open_for.min(LONGEST));
            self.news.push(MachineEvent::WouldTrip);
        }
    }

    fn settle_trial(&mut self, now: Instant, number: u32, verdict: Verdict, slow: bool) {
        let Phase::HalfOpen {
            trials, successes, ..
        } = &mut self.phase
        else {
            return;
        };
        if !trials.end(number) {
            return;
        }
        let too_slow = slow && self.plan.slow.is_some();
        match verdict {
            Verdict::Failure(asked) => self.fail_trial(now, asked),
            Verdict::Success if too_slow => self.fail_trial(now, None),
            Verdict::Success => {
                *successes += 1;
                if *successes >= self.plan.successes_to_close.get() {
                    self.close(now);
                }
            }
            Verdict::Ignored | Verdict::Cancelled => {}
        }
    }

    fn fail_trial(&mut self, now: Instant, asked: Option<Duration>) {
        let Phase::HalfOpen { failures, .. } = &mut self.phase else {
            return;
        };
        *failures += 1;
        if *failures > self.plan.trials_may_fail {
            self.open(now, Cause::TrialFailed, asked);
        }
    }

    /// The service could not even become ready: a failure that nobody was granted leave for.
    pub(crate) fn fail_readiness(&mut self, now: Instant) {
        match &self.phase {
            Phase::Closed(_) | Phase::MetricsOnly => {
                self.record(now, Verdict::Failure(None), false);
            }
            Phase::Open { until, .. } if *until <= now => {
                self.half_open(now);
                self.fail_trial(now, None);
            }
            Phase::HalfOpen { .. } => self.fail_trial(now, None),
            Phase::Open { .. } | Phase::ForcedOpen | Phase::Disabled => {}
        }
    }

    /// A trial that had succeeded turned out to have failed, with how long the server asked to be left alone.
    pub(crate) fn fail_late(&mut self, now: Instant, epoch: u32, asked: Option<Duration>) {
        if epoch != self.epoch {
            return;
        }
        match &mut self.phase {
            Phase::HalfOpen { successes, .. } => {
                *successes = successes.saturating_sub(1);
                self.fail_trial(now, asked);
            }
            _ => self.record(now, Verdict::Failure(asked), false),
        }
    }

    fn open(&mut self, now: Instant, cause: Cause, asked: Option<Duration>) {
        let open_for = self.open_time.next(&self.plan, asked);
        self.open_until(now, open_for, cause);
    }

    fn open_until(&mut self, now: Instant, open_for: Duration, cause: Cause) {
        let until = now + open_for.min(LONGEST);
        self.go(Phase::Open { until, cause }, cause, Some(open_for));
    }

    fn close(&mut self, now: Instant) {
        self.open_time.start_anew();
        let ramp = (!self.plan.ramp.is_zero())
            .then(|| Box::new(Ramp::new(now, self.plan.ramp.min(LONGEST))));
        self.go(Phase::Closed(ramp), Cause::Recovered, None);
    }

    fn go(&mut self, phase: Phase, cause: Cause, open_for: Option<Duration>) {
        let from = self.code().state();
        self.phase = phase;
        self.epoch = self.epoch.wrapping_add(1);
        self.rules.clear();
        self.advised_until = None;
        self.would_be_open_until = None;
        let to = self.code().state();
        // Closed anew it counts anew, and has still been closed before.
        if from != to {
            self.news.push(MachineEvent::Transition {
                from,
                to,
                cause,
                open_for,
            });
        }
    }

    /// Sets the state by hand: one of those that a person chooses, or closed with nothing counted.
    pub(crate) fn set(&mut self, state: State) {
        let phase = match state {
            chosen if chosen == self.code().state() && chosen != State::Closed => return,
            State::ForcedOpen => Phase::ForcedOpen,
            State::Disabled => Phase::Disabled,
            State::MetricsOnly => Phase::MetricsOnly,
            State::Closed | State::Open | State::HalfOpen => {
                self.open_time.start_anew();
                Phase::Closed(None)
            }
        };
        self.go(phase, Cause::Manual, None);
    }

    /// Opens for so long because a person says so, and then lets trials through.
    pub(crate) fn open_by_hand(&mut self, now: Instant, time: Duration) {
        self.open_until(now, time, Cause::Manual);
    }

    /// Another process, or this one before it was restarted, is open for so long; never shortens an open time here.
    pub(crate) fn follow_peer(&mut self, now: Instant, left: Duration) {
        let left = self.accepted(left);
        let wanted = now + left;
        match &mut self.phase {
            Phase::Closed(_) => self.open_until(now, left, Cause::Peer),
            Phase::Open { until, cause } if *until < wanted => {
                (*until, *cause) = (wanted, Cause::Peer);
            }
            _ => {}
        }
    }

    /// Another process is open for so long: until then, or the next transition, one failure trips here too.
    pub(crate) fn advise(&mut self, now: Instant, left: Duration) {
        if matches!(self.phase, Phase::Closed(_)) {
            self.advised_until = self.advised_until.max(Some(now + self.accepted(left)));
        }
    }

    /// The part of a peer's open time that is accepted.
    fn accepted(&self, left: Duration) -> Duration {
        let most = self.plan.longest_open.max(self.plan.open_for);
        left.min(most).min(LONGEST)
    }

    fn is_advised(&self, now: Instant) -> bool {
        self.advised_until.is_some_and(|until| now < until)
    }

    /// The other process has recovered.
    pub(crate) fn clear_advice(&mut self) {
        self.advised_until = None;
    }

    pub(crate) fn tally(&mut self, now: Instant) -> (u32, Option<Tally>) {
        self.rules.tally(&self.plan, now)
    }

    /// Drops the events of the construction.
    pub(crate) fn clear_events(&mut self) {
        self.news = EventQueue::default();
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Whether it may be forgotten for one that begins in this state: it stands there itself with no trouble that still
    /// counts, or its open time has been over for so long, without a call, that no failure of then would count.
    pub(crate) fn is_forgettable(&self, now: Instant, begins: State) -> bool {
        let is_past = |at: Instant| now.saturating_duration_since(at) >= self.plan.memory();
        match &self.phase {
            Phase::Closed(ramp) => {
                let is_open_to_all = ramp.as_ref().is_none_or(|ramp| ramp.is_over(now));
                let is_clean = self.rules.has_no_failures(&self.plan, now);
                begins == State::Closed && is_open_to_all && is_clean && !self.is_advised(now)
            }
            Phase::Open { until, .. } => begins == State::Closed && is_past(*until),
            Phase::HalfOpen { trials, since, .. } => {
                begins == State::Closed && trials.len() == 0 && is_past(*since)
            }
            Phase::MetricsOnly => {
                begins == State::MetricsOnly && self.rules.has_no_failures(&self.plan, now)
            }
            Phase::Disabled => begins == State::Disabled,
            Phase::ForcedOpen => false,
        }
    }

    /// The state in one word.
    pub(crate) fn word(&self) -> Word {
        let trials = self.trials_in_flight();
        Word::new(self.code(), trials, self.rules.in_a_row(), self.epoch)
    }

    pub(crate) const fn code(&self) -> Code {
        self.phase.code()
    }

    pub(crate) fn trials_in_flight(&self) -> u32 {
        self.phase.trials_in_flight()
    }

    /// The end of the open time, or of the first trial's lease.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.phase.deadline()
    }

    /// Whether it is open because of its own calls, and not of a peer or a person.
    #[cfg(feature = "redis")]
    pub(crate) fn is_open_by_itself(&self) -> bool {
        self.phase.is_open_by_itself()
    }
}

#[cfg(test)]
mod tests;
