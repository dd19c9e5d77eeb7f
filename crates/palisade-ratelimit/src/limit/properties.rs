//! Every algorithm against a naive model of it, over long random histories.
//!
//! The models keep what they are asked and compute with exact integers; they share no code with the rules.

mod intervals;
mod model;

use std::num::NonZeroU32;
use std::time::Duration;

use super::*;
use crate::test_support::{TestRng, steps};
use model::Model;

const MILLI: u64 = 1_000_000;

/// Limits whose interval is a whole number of nanoseconds, so that the rule and the model agree to the nanosecond.
fn some_limit(rng: &mut TestRng) -> Limit {
    let window = Duration::from_millis([16, 160, 1_600, 16_000][rng.below(4) as usize]);
    let quota = 1 + rng.below(40) as u32;
    match rng.below(4) {
        0 => {
            let count = [1, 2, 4, 5, 8, 10, 100, 1_000][rng.below(8) as usize];
            Limit::token_bucket(Rate::new(count, window), burst(1 + rng.below(30) as u32))
        }
        1 => Limit::fixed(quota, window),
        2 => Limit::sliding(if rng.below(8) == 0 { 70_000 } else { quota }, window),
        _ => Limit::exact(quota, window),
    }
}

/// Mostly next to nothing, sometimes about a window, seldom long.
fn some_gap(rng: &mut TestRng) -> u64 {
    match rng.below(10) {
        0..4 => 0,
        4..7 => rng.below(MILLI),
        7..9 => rng.below(200 * MILLI),
        _ => rng.below(20_000 * MILLI),
    }
}

/// Recent charges, to be given back in any order, or never.
#[derive(Default)]
struct Charged(Vec<(u64, u64)>);

impl Charged {
    fn note(&mut self, now: u64, cost: u64) {
        if self.0.len() == 30 {
            self.0.remove(0);
        }
        self.0.push((now, cost));
    }

    /// One of them, mostly none.
    fn take(&mut self, rng: &mut TestRng) -> Option<(u64, u64)> {
        let some = rng.below(16) == 0 && !self.0.is_empty();
        some.then(|| self.0.swap_remove(rng.below(self.0.len() as u64) as usize))
    }
}

#[test]
fn policies_decide_as_their_naive_models_do() {
    for seed in 0..20 {
        let rng = &mut TestRng::new(seed);
        let limits: Vec<Limit> = (0..=rng.below(4)).map(|_| some_limit(rng)).collect();
        let compiled: Vec<Rule> = limits
            .iter()
            .map(|limit| limit.compile().unwrap())
            .collect();
        let rules = Rules::new(&compiled).unwrap();
        let state = Word::zeros(rules.words());
        let mut models: Vec<Model> = limits.iter().map(Model::of).collect();
        let mut now = 0;
        let mut charged = Charged::default();
        for step in 0..steps(1_000_000) / 20 {
            now += some_gap(rng);
            if let Some((at, cost)) = charged.take(rng) {
                rules.refund(&state, at, cost);
                models
                    .iter_mut()
                    .for_each(|model| model.refund(now, at, cost));
            }
            let cost = [1, 1, 1, 0, 2, 7][rng.below(6) as usize];
            let fewest = models
                .iter_mut()
                .map(|model| model.left(now))
                .min()
                .unwrap();
            let assessed = rules.assess(&state, now, cost).unwrap();
            let place = format!("seed {seed}, step {step}, now {now}, cost {cost}, {limits:?}");
            assert_eq!(assessed.fits(), cost <= fewest, "{place}");
            if assessed.fits() {
                rules.commit(&state, now, cost);
                models.iter_mut().for_each(|model| model.charge(now, cost));
                charged.note(now, cost);
                let left = models
                    .iter_mut()
                    .map(|model| model.left(now))
                    .min()
                    .unwrap();
                assert_eq!(assessed.remaining, left, "{place}");
            }
            let reset = models.iter_mut().map(|model| model.reset(now)).max();
            let full_in = rules.full_at(&state).saturating_sub(now);
            assert_eq!(Some(full_in), reset, "{place}");
        }
    }
}

#[test]
fn a_rule_tells_what_is_left_and_when_it_is_full_as_its_naive_model_does() {
    for seed in 0..60 {
        let rng = &mut TestRng::new(seed);
        let limit = some_limit(rng);
        let rule = limit.compile().unwrap();
        let state = Word::zeros(rule.words());
        let mut model = Model::of(&limit);
        let mut now = 0;
        let mut charged = Charged::default();
        for step in 0..steps(300_000) / 60 {
            now += match rng.below(8) {
                0 => model.reset(now),
                _ => some_gap(rng),
            };
            if let Some((at, cost)) = charged.take(rng) {
                rule.refund(&state, at, cost);
                model.refund(now, at, cost);
            }
            for cost in [0, 1, 2, 7, 100_000] {
                let Check {
                    fit,
                    remaining,
                    reset,
                } = rule.check(&state, now, cost);
                assert_eq!(
                    (fit == Fit::Fits, remaining, reset),
                    model.assess(now, cost),
                    "seed {seed}, step {step}, now {now}, cost {cost}, {limit:?}"
                );
            }
            let cost = 1 + rng.below(3);
            if model.left(now) >= cost {
                rule.commit(&state, now, cost);
                model.charge(now, cost);
                charged.note(now, cost);
            }
        }
    }
}

#[test]
fn a_wait_is_as_long_as_it_must_be_and_no_longer() {
    let mut waits = 0;
    for seed in 0..40 {
        let rng = &mut TestRng::new(seed);
        let rule = some_limit(rng).compile().unwrap();
        let state = Word::zeros(rule.words());
        let (mut now, mut last_wait) = (0, 0);
        for _ in 0..steps(200_000) / 40 {
            now += match rng.below(4) {
                0 => last_wait,
                _ => some_gap(rng),
            };
            last_wait = 0;
            let cost = 1 + rng.below(3);
            match rule.check(&state, now, cost).fit {
                Fit::Fits => rule.commit(&state, now, cost),
                Fit::Wait(wait) => {
                    waits += 1;
                    last_wait = wait;
                    assert_eq!(
                        rule.check(&state, now + wait, cost).fit,
                        Fit::Fits,
                        "{rule:?}"
                    );
                    assert_ne!(
                        rule.check(&state, now + wait - 1, cost).fit,
                        Fit::Fits,
                        "{rule:?}"
                    );
                }
                Fit::Never => {
                    assert!(cost > u64::from(rule.quota()) || matches!(rule, Rule::TokenBucket(_)));
                }
            }
        }
    }
    assert!(waits > 1_000);
}

#[test]
fn a_full_limit_says_what_an_unused_one_says() {
    for seed in 0..40 {
        let rng = &mut TestRng::new(seed);
        let rule = some_limit(rng).compile().unwrap();
        let [state, unused] = [(); 2].map(|()| Word::zeros(rule.words()));
        let mut now = 0;
        for _ in 0..steps(100_000) / 40 {
            now += some_gap(rng);
            if rule.check(&state, now, 1).fit == Fit::Fits {
                let reset = rule.check(&state, now, 1).reset;
                rule.commit(&state, now, 1);
                let full_at = rule.full_at(&state);
                assert_eq!(now + reset, full_at, "{rule:?}");
                for cost in 0..4 {
                    assert_eq!(
                        rule.check(&state, full_at, cost),
                        rule.check(&unused, full_at, cost),
                        "{rule:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_clock_that_runs_back_between_threads_admits_no_more() {
    for seed in 0..40 {
        let rng = &mut TestRng::new(seed);
        let rule = some_limit(rng).compile().unwrap();
        let state = Word::zeros(rule.words());
        let (mut latest, mut times) = (0, Vec::new());
        for _ in 0..5_000 {
            latest += rng.below(50 * MILLI);
            let now = latest - rng.below(latest.min(5 * MILLI) + 1);
            if rule.check(&state, now, 1).fit == Fit::Fits {
                rule.commit(&state, now, 1);
                times.push(now);
            }
        }
        times.sort_unstable();
        let quota = rule.quota() as usize;
        match rule {
            Rule::SlidingWindow(_) | Rule::ExactLog(_) if quota < times.len() => {
                for (first, last) in times.iter().zip(&times[quota..]) {
                    assert!(last - first >= rule.window(), "{rule:?}");
                }
            }
            _ => {}
        }
    }
}

#[test]
fn a_scaled_policy_keeps_its_proportions() {
    let compile = |limits: &[Limit]| {
        let rules: Vec<Rule> = limits
            .iter()
            .map(|limit| limit.compile().unwrap())
            .collect();
        Rules::new(&rules).unwrap()
    };
    let policy = compile(&[
        Limit::token_bucket(per_second(10), burst(20)),
        Limit::fixed(1_000, HOUR),
    ]);
    let larger = compile(&[
        Limit::token_bucket(per_second(50), burst(100)),
        Limit::fixed(5_000, HOUR),
    ]);
    let smaller = compile(&[
        Limit::token_bucket(per_second(1), burst(2)),
        Limit::fixed(100, HOUR),
    ]);
    assert_eq!(policy.scaled(NonZeroU32::new(50).unwrap()), larger);
    assert_eq!(policy.scaled(NonZeroU32::new(1).unwrap()), smaller);
}

#[test]
fn no_number_makes_a_rule_panic() {
    let extremes = [
        0,
        1,
        u64::from(u32::MAX),
        u64::MAX / 2,
        u64::MAX - 1,
        u64::MAX,
    ];
    let windows = [
        Duration::from_millis(1),
        Duration::from_nanos(1_000_001),
        Duration::from_secs(366 * 86_400),
    ];
    for window in windows {
        for quota in [1, 64, 65_535, 65_536, u32::MAX] {
            let limits = [
                Limit::token_bucket(Rate::new(quota, window), burst(1)),
                Limit::fixed(quota, window),
                Limit::sliding(quota, window),
                Limit::exact(quota.min(64), window),
            ];
            for rule in limits.iter().filter_map(|limit| limit.compile().ok()) {
                let state = Word::zeros(rule.words());
                for now in extremes {
                    for cost in extremes {
                        if rule.check(&state, now, cost).fit == Fit::Fits {
                            rule.commit(&state, now, cost);
                        }
                        rule.full_at(&state);
                        rule.refund(&state, now, cost);
                    }
                }
            }
        }
    }
}

#[test]
fn a_token_bucket_decides_as_governor_does() {
    use governor::clock::FakeRelativeClock;
    use governor::{Quota, RateLimiter};
    for seed in 0..10 {
        let rng = &mut TestRng::new(seed);
        // Intervals that are whole nanoseconds: governor rounds others down, and so admits a little more than the rate.
        let (count, size) = (
            [1, 2, 5, 10, 1_000][rng.below(5) as usize],
            1 + rng.below(30) as u32,
        );
        let clock = FakeRelativeClock::default();
        let quota = Quota::per_second(NonZeroU32::new(count).unwrap())
            .allow_burst(NonZeroU32::new(size).unwrap());
        let theirs = RateLimiter::direct_with_clock(quota, clock.clone());
        let ours = Limit::token_bucket(per_second(count), burst(size))
            .compile()
            .unwrap();
        let (state, mut now) = (Word::zeros(1), 0);
        for step in 0..steps(1_000_000) / 10 {
            let gap = some_gap(rng) / u64::from(count);
            now += gap;
            clock.advance(Duration::from_nanos(gap));
            let cost = 1 + rng.below(3) as u32;
            let passes = matches!(theirs.check_n(NonZeroU32::new(cost).unwrap()), Ok(Ok(())));
            let check = ours.check(&state, now, cost.into());
            assert_eq!(
                check.fit == Fit::Fits,
                passes,
                "seed {seed}, step {step}, {count}/s, burst {size}"
            );
            if passes {
                ours.commit(&state, now, cost.into());
            }
        }
    }
}
