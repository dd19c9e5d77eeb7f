//! Every algorithm against a naive model of it, over long random histories.
//!
//! The models keep what they are asked and compute with exact integers; they share no code with the rules.

use std::num::NonZeroU32;
use std::time::Duration;

use super::*;
use crate::test_support::{Dice, steps};

/// A limit by its definition.
#[derive(Debug, Clone)]
enum Model {
    /// `level` is in parts of a token, of which there are `period` in one.
    Bucket {
        level: u128,
        last: u64,
        count: u128,
        period: u128,
        burst: u128,
    },
    Fixed {
        began: u64,
        used: u64,
        quota: u64,
        window: u64,
    },
    /// The times at which admitted units stop counting, and the times at which they were charged.
    Log {
        held: Vec<(u64, u64)>,
        quota: u64,
        window: u64,
        step: Option<u64>,
    },
}

impl Model {
    fn of(limit: &Limit) -> Self {
        let nanos = |window: Duration| u64::try_from(window.as_nanos()).unwrap();
        let log = |quota: u32, window, step| Self::Log {
            held: Vec::new(),
            quota: quota.into(),
            window: nanos(window),
            step,
        };
        match limit.0 {
            Kind::TokenBucket { rate, burst } => Self::Bucket {
                level: u128::from(burst.count()) * rate.period().as_nanos(),
                last: 0,
                count: rate.count().into(),
                period: rate.period().as_nanos(),
                burst: burst.count().into(),
            },
            Kind::Fixed { quota, window } => Self::Fixed {
                began: 0,
                used: 0,
                quota: quota.into(),
                window: nanos(window),
            },
            Kind::Sliding { quota, window } => log(quota, window, Some(nanos(window) / 16)),
            Kind::Exact { quota, window } => log(quota, window, None),
            #[cfg(feature = "calendar")]
            Kind::Calendar { .. } => unreachable!("has a model of its own"),
        }
    }

    fn advance(&mut self, now: u64) {
        match self {
            Self::Bucket {
                level,
                last,
                count,
                period,
                burst,
            } => {
                *level = (*level + u128::from(now - *last) * *count).min(*burst * *period);
                *last = now;
            }
            Self::Fixed {
                began,
                used,
                window,
                ..
            } => {
                if now >= *began + *window {
                    *used = 0;
                }
            }
            Self::Log { held, .. } => held.retain(|(release, _)| *release > now),
        }
    }

    fn left(&mut self, now: u64) -> u64 {
        self.advance(now);
        match self {
            Self::Bucket { level, period, .. } => u64::try_from(*level / *period).unwrap(),
            Self::Fixed { used, quota, .. } => *quota - *used,
            Self::Log { held, quota, .. } => *quota - held.len() as u64,
        }
    }

    fn charge(&mut self, now: u64, cost: u64) {
        self.advance(now);
        match self {
            Self::Bucket { level, period, .. } => *level -= u128::from(cost) * *period,
            Self::Fixed { began, used, .. } => {
                if *used == 0 {
                    *began = now;
                }
                *used += cost;
            }
            Self::Log {
                held, window, step, ..
            } => {
                let release = match step {
                    // The step that the request fell into, and 16 more.
                    Some(step) => (now / *step + 17) * *step,
                    None => now + *window,
                };
                held.extend((0..cost).map(|_| (release, now)));
            }
        }
    }

    fn refund(&mut self, now: u64, charged_at: u64, cost: u64) {
        self.advance(now);
        match self {
            Self::Bucket {
                level,
                period,
                burst,
                ..
            } => *level = (*level + u128::from(cost) * *period).min(*burst * *period),
            Self::Fixed { began, used, .. } => {
                if charged_at >= *began {
                    *used = used.saturating_sub(cost);
                }
            }
            Self::Log { held, .. } => {
                for _ in 0..cost {
                    if let Some(position) =
                        held.iter().position(|(_, charged)| *charged == charged_at)
                    {
                        held.swap_remove(position);
                    }
                }
            }
        }
    }
}

const MILLI: u64 = 1_000_000;

/// Limits whose interval is a whole number of nanoseconds, so that the rule and the model agree to the nanosecond.
fn some_limit(dice: &mut Dice) -> Limit {
    let window = Duration::from_millis([16, 160, 1_600, 16_000][dice.below(4) as usize]);
    let quota = 1 + dice.below(40) as u32;
    match dice.below(4) {
        0 => {
            let count = [1, 2, 4, 5, 8, 10, 100, 1_000][dice.below(8) as usize];
            Limit::token_bucket(Rate::new(count, window), burst(1 + dice.below(30) as u32))
        }
        1 => Limit::fixed(quota, window),
        2 => Limit::sliding(if dice.below(8) == 0 { 70_000 } else { quota }, window),
        _ => Limit::exact(quota, window),
    }
}

/// Mostly next to nothing, sometimes about a window, seldom long.
fn some_gap(dice: &mut Dice) -> u64 {
    match dice.below(10) {
        0..4 => 0,
        4..7 => dice.below(MILLI),
        7..9 => dice.below(200 * MILLI),
        _ => dice.below(20_000 * MILLI),
    }
}

#[test]
fn policies_decide_as_their_naive_models_do() {
    for seed in 0..20 {
        let dice = &mut Dice::new(seed);
        let limits: Vec<Limit> = (0..=dice.below(4)).map(|_| some_limit(dice)).collect();
        let compiled: Vec<Rule> = limits
            .iter()
            .map(|limit| limit.compile().unwrap())
            .collect();
        let rules = Rules::new(&compiled).unwrap();
        let state = Word::zeros(rules.words());
        let mut models: Vec<Model> = limits.iter().map(Model::of).collect();
        let mut now = 0;
        let mut last_charge = None;
        for step in 0..steps(1_000_000) / 20 {
            now += some_gap(dice);
            if let Some((at, cost)) = last_charge.filter(|_| dice.below(16) == 0) {
                rules.refund(&state, at, cost);
                models
                    .iter_mut()
                    .for_each(|model| model.refund(now, at, cost));
                last_charge = None;
            }
            let cost = [1, 1, 1, 0, 2, 7][dice.below(6) as usize];
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
                last_charge = Some((now, cost)).filter(|_| cost > 0);
                let left = models
                    .iter_mut()
                    .map(|model| model.left(now))
                    .min()
                    .unwrap();
                assert_eq!(assessed.remaining, left, "{place}");
            }
        }
    }
}

#[test]
fn a_wait_is_as_long_as_it_must_be_and_no_longer() {
    let mut waits = 0;
    for seed in 0..40 {
        let dice = &mut Dice::new(seed);
        let rule = some_limit(dice).compile().unwrap();
        let state = Word::zeros(rule.words());
        let mut now = 0;
        for _ in 0..steps(200_000) / 40 {
            now += some_gap(dice);
            let cost = 1 + dice.below(3);
            match rule.check(&state, now, cost).fit {
                Fit::Fits => rule.commit(&state, now, cost),
                Fit::Wait(wait) => {
                    waits += 1;
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
        let dice = &mut Dice::new(seed);
        let rule = some_limit(dice).compile().unwrap();
        let [state, unused] = [(); 2].map(|()| Word::zeros(rule.words()));
        let mut now = 0;
        for _ in 0..steps(100_000) / 40 {
            now += some_gap(dice);
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

/// The times of all admitted units of a greedy client that comes in random gaps.
fn admitted(rule: &Rule, seed: u64, longest_gap: u64, steps: u64) -> Vec<u64> {
    let dice = &mut Dice::new(seed);
    let state = Word::zeros(rule.words());
    let mut now = 0;
    let mut times = Vec::new();
    for _ in 0..steps {
        now += dice.below(longest_gap);
        if rule.check(&state, now, 1).fit == Fit::Fits {
            rule.commit(&state, now, 1);
            times.push(now);
        }
    }
    times
}

#[test]
fn a_token_bucket_admits_at_most_burst_and_rate_times_time_on_every_interval() {
    // 7 and 300 do not divide a second: rounding must not admit more.
    for (seed, (count, size)) in [(7_u32, 3_u32), (300, 20), (10, 20), (1, 1), (999, 5)]
        .into_iter()
        .enumerate()
    {
        let rule = Limit::token_bucket(per_second(count), burst(size))
            .compile()
            .unwrap();
        let times = admitted(
            &rule,
            seed as u64,
            2_000_000_000 / u64::from(count),
            steps(200_000) / 5,
        );
        assert!(times.len() > 1_000);
        // On the interval from the i-th to the j-th, j - i + 1 <= burst + rate * t. So the greatest of i - rate * t[i]
        // so far bounds all earlier beginnings at once. Everything times a second, to stay with integers.
        let mut greatest = i128::MIN;
        for (position, time) in times.iter().enumerate() {
            let lead = position as i128 * 1_000_000_000 - i128::from(count) * i128::from(*time);
            greatest = greatest.max(-lead);
            let worst = lead + greatest + 1_000_000_000;
            assert!(
                worst <= i128::from(size) * 1_000_000_000,
                "{count}/s, burst {size}, number {position}"
            );
        }
    }
}

#[test]
fn windows_admit_at_most_their_quota_in_every_trailing_window() {
    let window = 1_000_000_007;
    for (seed, quota) in [1, 2, 10, 64].into_iter().enumerate() {
        let duration = Duration::from_nanos(window);
        for limit in [
            Limit::sliding(quota, duration),
            Limit::exact(quota, duration),
        ] {
            let rule = limit.compile().unwrap();
            let times = admitted(
                &rule,
                seed as u64,
                2 * window / u64::from(quota),
                steps(200_000) / 8,
            );
            assert!(times.len() > 1_000);
            for (first, last) in times.iter().zip(&times[quota as usize..]) {
                assert!(
                    last - first >= window,
                    "{limit:?}: {} within a window, at {first}",
                    quota + 1
                );
            }
        }
    }
}

#[test]
fn a_sliding_window_releases_at_most_a_sixteenth_late() {
    let window = 1_600_000_000;
    let rule = Limit::sliding(1, Duration::from_nanos(window))
        .compile()
        .unwrap();
    let dice = &mut Dice::new(1);
    for _ in 0..1_000 {
        let state = Word::zeros(rule.words());
        let start = dice.below(100 * window);
        rule.commit(&state, start, 1);
        assert_ne!(
            rule.check(&state, start + window - 1, 1).fit,
            Fit::Fits,
            "released early"
        );
        assert_eq!(
            rule.check(&state, start + window + window / 16, 1).fit,
            Fit::Fits,
            "released late"
        );
    }
}

#[test]
fn a_sliding_window_and_a_log_admit_no_2n_where_peers_do() {
    // A counter of two windows, a fixed window and a bucket of burst N each let N pass at the end of one window and N
    // at the beginning of the next.
    let around_an_edge = |rule: &Rule| {
        let state = Word::zeros(rule.words());
        let second = 1_000 * MILLI;
        let mut most = 0;
        for phase in 0..32 {
            state.iter().for_each(|word| word.set(0));
            let start = 100 * second + phase * second / 32;
            let mut passed = 0;
            for now in [start, start + second * 9 / 10] {
                for _ in 0..50 {
                    if rule.check(&state, now, 1).fit == Fit::Fits {
                        rule.commit(&state, now, 1);
                        passed += 1;
                    }
                }
            }
            most = most.max(passed);
        }
        most
    };
    assert_eq!(
        around_an_edge(&Limit::sliding(10, SECOND).compile().unwrap()),
        10
    );
    assert_eq!(
        around_an_edge(&Limit::exact(10, SECOND).compile().unwrap()),
        10
    );
    assert_eq!(
        around_an_edge(
            &Limit::token_bucket(per_second(10), burst(10))
                .compile()
                .unwrap()
        ),
        19
    );
}

#[test]
fn a_clock_that_runs_back_between_threads_admits_no_more() {
    for seed in 0..40 {
        let dice = &mut Dice::new(seed);
        let rule = some_limit(dice).compile().unwrap();
        let state = Word::zeros(rule.words());
        let (mut latest, mut times) = (0, Vec::new());
        for _ in 0..5_000 {
            latest += dice.below(50 * MILLI);
            let now = latest - dice.below(latest.min(5 * MILLI) + 1);
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
        let dice = &mut Dice::new(seed);
        // Intervals that are whole nanoseconds: governor rounds others down, and so admits a little more than the rate.
        let (count, size) = (
            [1, 2, 5, 10, 1_000][dice.below(5) as usize],
            1 + dice.below(30) as u32,
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
            let gap = some_gap(dice) / u64::from(count);
            now += gap;
            clock.advance(Duration::from_nanos(gap));
            let cost = 1 + dice.below(3) as u32;
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
