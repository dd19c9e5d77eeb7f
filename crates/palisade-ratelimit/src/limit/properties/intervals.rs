//! The most that the algorithms admit in any interval, by greedy clients.

use std::time::Duration;

use super::*;

/// The times of all admitted units of a greedy client that comes in random gaps.
fn admitted(rule: &Rule, seed: u64, longest_gap: u64, steps: u64) -> Vec<u64> {
    let rng = &mut TestRng::new(seed);
    let state = Word::zeros(rule.words());
    let mut now = 0;
    let mut times = Vec::new();
    for _ in 0..steps {
        now += rng.below(longest_gap);
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
    let rng = &mut TestRng::new(1);
    for _ in 0..1_000 {
        let state = Word::zeros(rule.words());
        let start = rng.below(100 * window);
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
