//! The breaker beside a naive model of it, which keeps everything and counts anew each time.
//!
//! 20,000 random steps in an ordinary run, and a million with `PALISADE_FULL=1`.

mod common;

use std::time::Duration;

use common::advance;
use palisade_breaker::{BreakerHandle, BreakerLayer, Outcome, Permit, State};
use proptest::prelude::*;

#[derive(Debug, Clone, Copy)]
struct Settings {
    threshold: u32,
    window: u64,
    in_a_row: bool,
    open_for: u64,
    lease: u64,
    trials: u32,
    successes: u32,
}

#[derive(Debug, Clone)]
enum Step {
    Advance(u64),
    Acquire,
    Settle(prop::sample::Index, Outcome),
    Drop(prop::sample::Index),
    Set(State),
}

fn settings() -> impl Strategy<Value = Settings> {
    (
        1..5_u32,
        1..50_u64,
        any::<bool>(),
        1..50_u64,
        1..80_u64,
        1..4_u32,
        1..4_u32,
    )
        .prop_map(
            |(threshold, window, in_a_row, open_for, lease, trials, successes)| Settings {
                threshold,
                window,
                in_a_row,
                open_for,
                lease,
                trials,
                successes,
            },
        )
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![
        4 => Just(Outcome::Failure),
        3 => Just(Outcome::Success),
        1 => Just(Outcome::Ignored),
        1 => Just(Outcome::Overload),
    ];
    let set = prop_oneof![
        Just(State::Closed),
        Just(State::ForcedOpen),
        Just(State::Disabled),
        Just(State::MetricsOnly),
    ];
    prop_oneof![
        20 => (0..60_u64).prop_map(Step::Advance),
        40 => Just(Step::Acquire),
        40 => (any::<prop::sample::Index>(), outcome).prop_map(|(which, how)| Step::Settle(which, how)),
        10 => any::<prop::sample::Index>().prop_map(Step::Drop),
        2 => set.prop_map(Step::Set),
    ]
}

#[derive(Debug)]
struct Model {
    settings: Settings,
    now: u64,
    state: State,
    /// The number of changes of the state; a permit from before the last change is void.
    age: u32,
    /// The calls settled since the last change: their times, and whether they failed.
    settled: Vec<(u64, bool)>,
    open_until: u64,
    /// Trials that hold a lease: which, and until when.
    trials: Vec<(u32, u64)>,
    granted: u32,
    successes: u32,
}

#[derive(Debug, Clone, Copy)]
struct Grant {
    age: u32,
    trial: Option<u32>,
    counted: bool,
}

impl Model {
    fn go(&mut self, state: State) {
        self.state = state;
        self.age += 1;
        self.settled.clear();
        self.trials.clear();
        self.successes = 0;
        self.open_until = self.now + self.settings.open_for;
    }

    fn acquire(&mut self) -> Option<Grant> {
        if self.state == State::Open && self.now >= self.open_until {
            self.go(State::HalfOpen);
        }
        let mut trial = None;
        match self.state {
            State::Open | State::ForcedOpen => return None,
            State::HalfOpen => {
                if self.trials.len() as u32 == self.settings.trials {
                    let oldest = self.trials.iter().position(|(_, over)| *over <= self.now)?;
                    self.trials.remove(oldest);
                }
                self.granted += 1;
                self.trials
                    .push((self.granted, self.now + self.settings.lease));
                trial = Some(self.granted);
            }
            _ => {}
        }
        Some(Grant {
            age: self.age,
            trial,
            counted: self.state != State::Disabled,
        })
    }

    fn failures(&self) -> u32 {
        let counted: Vec<_> = if self.settings.in_a_row {
            self.settled
                .iter()
                .rev()
                .take_while(|(_, failed)| *failed)
                .collect()
        } else {
            let young = |at: u64| self.now - at < self.settings.window;
            self.settled
                .iter()
                .filter(|(at, failed)| *failed && young(*at))
                // No more are kept than a trip needs.
                .take(self.settings.threshold as usize)
                .collect()
        };
        counted.len() as u32
    }

    fn settle(&mut self, grant: Grant, outcome: Option<Outcome>) {
        if grant.age != self.age || !grant.counted {
            return;
        }
        let failed = match outcome {
            Some(Outcome::Success) => Some(false),
            Some(Outcome::Failure | Outcome::Overload) => Some(true),
            _ => None,
        };
        if let Some(number) = grant.trial {
            let Some(place) = self.trials.iter().position(|(trial, _)| *trial == number) else {
                return;
            };
            self.trials.remove(place);
            match failed {
                Some(true) => self.go(State::Open),
                Some(false) => {
                    self.successes += 1;
                    if self.successes == self.settings.successes {
                        self.go(State::Closed);
                    }
                }
                None => {}
            }
        } else if let Some(failed) = failed {
            self.settled.push((self.now, failed));
            let is_enough = failed && self.failures() >= self.settings.threshold;
            // In the shadow mode the count goes on.
            if is_enough && self.state == State::Closed {
                self.go(State::Open);
            }
        }
    }
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn breaker(settings: Settings) -> BreakerHandle {
    let layer = if settings.in_a_row {
        BreakerLayer::new("x").consecutive_failures(settings.threshold)
    } else {
        let layer = BreakerLayer::new("x").failure_threshold(settings.threshold);
        layer.window(millis(settings.window))
    };
    layer
        .open_for(millis(settings.open_for))
        .trial_lease(millis(settings.lease))
        .trials(settings.trials)
        .successes_to_close(settings.successes)
        .handle()
}

async fn take(
    step: Step,
    breaker: &BreakerHandle,
    model: &mut Model,
    held: &mut Vec<(Permit, Grant)>,
) -> Result<(), TestCaseError> {
    match step {
        Step::Advance(by) => {
            advance(millis(by)).await;
            model.now += by;
        }
        Step::Acquire => match (breaker.try_acquire(), model.acquire()) {
            (Ok(permit), Some(grant)) => {
                prop_assert_eq!(permit.is_trial(), grant.trial.is_some());
                held.push((permit, grant));
            }
            (Err(_), None) => {}
            (real, model) => prop_assert!(false, "{real:?} against {model:?}"),
        },
        Step::Settle(which, outcome) if !held.is_empty() => {
            let (permit, grant) = held.remove(which.index(held.len()));
            permit.settle(outcome, None);
            model.settle(grant, Some(outcome));
        }
        Step::Drop(which) if !held.is_empty() => {
            let (permit, grant) = held.remove(which.index(held.len()));
            drop(permit);
            model.settle(grant, None);
        }
        Step::Set(state) => {
            match state {
                State::ForcedOpen => breaker.force_open(),
                State::Disabled => breaker.disable(),
                State::MetricsOnly => breaker.metrics_only(),
                _ => breaker.reset(),
            }
            // What a person has chosen already stays as it is.
            if state != model.state || state == State::Closed {
                model.go(state);
            }
        }
        Step::Settle(..) | Step::Drop(_) => {}
    }
    let metrics = breaker.metrics();
    prop_assert_eq!(metrics.state, model.state);
    prop_assert_eq!(metrics.failures, model.failures());
    prop_assert_eq!(metrics.trials_in_flight as usize, model.trials.len());
    let open = model.state == State::Open && model.now < model.open_until;
    let left = open.then(|| millis(model.open_until - model.now));
    prop_assert_eq!(breaker.retry_after(), left);
    Ok(())
}

fn config() -> ProptestConfig {
    let full = std::env::var_os("PALISADE_FULL").is_some();
    ProptestConfig::with_cases(if full { 10_000 } else { 200 })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_step_leads_where_the_model_goes(
        settings in settings(),
        steps in prop::collection::vec(step(), 100),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let breaker = breaker(settings);
            let mut model = Model {
                settings,
                now: 0,
                state: State::Closed,
                age: 0,
                settled: Vec::new(),
                open_until: 0,
                trials: Vec::new(),
                granted: 0,
                successes: 0,
            };
            let mut held = Vec::new();
            for step in steps {
                take(step, &breaker, &mut model, &mut held).await?;
            }
            Ok::<_, TestCaseError>(())
        })?;
    }
}
