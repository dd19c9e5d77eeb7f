//! Several threads on one table.

use super::*;

/// While the table doubles six times under them, threads find each key and what was charged to it.
#[test]
fn a_table_that_grows_under_several_threads_loses_no_charge() {
    const KEYS: u32 = 20_000;
    for limit in [
        Limit::fixed(3, HOUR),
        Limit::token_bucket(per_hour(1), burst(3)),
    ] {
        let bench = Bench::new(&[limit], KEYS as usize);
        let ask = |stride: u32| {
            // Each thread meets the keys in an order of its own: the strides have no divisor in common with the count.
            let keys = (0..2 * KEYS).map(|nth| nth.wrapping_mul(stride) % KEYS);
            keys.filter(|key| bench.admits(bench.ip(*key), 1)).count()
        };
        let passed: usize = std::thread::scope(|scope| {
            let threads = [1, 3, 7, 9].map(|stride| scope.spawn(move || ask(stride)));
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        assert_eq!(bench.store.overflowed(), 0);
        assert_eq!(passed, 3 * KEYS as usize, "{limit:?}");
        assert_eq!(bench.live(1), KEYS as usize);
    }
}

/// So many claimed keys that some move aside for others while threads ask for them.
#[test]
fn a_key_that_moves_aside_under_several_threads_loses_no_charge() {
    const KEYS: u32 = 8_000;
    let bench = Bench::new(&[Limit::fixed(3, HOUR)], 20_000);
    let ask = |stride: u32| {
        let keys = (0..2 * KEYS).map(|nth| nth.wrapping_mul(stride) % KEYS);
        keys.filter(|key| bench.admits(bench.claimed(*key), 1))
            .count()
    };
    let passed: usize = std::thread::scope(|scope| {
        let threads = [1, 3, 7, 9].map(|stride| scope.spawn(move || ask(stride)));
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    // A thread that finds all other sets locked has to do without: that is counted, and gives one key its three again.
    let lost = bench.store.overflowed() as usize;
    assert!(lost <= 8, "{lost} keys lost");
    let most = 3 * (KEYS as usize + lost);
    assert!(
        (3 * KEYS as usize..=most).contains(&passed),
        "{passed}, and {lost} keys lost"
    );
}

/// The time at which something passed: after the first, and by the second.
type Passed = (u64, u64);

/// The requests that pass when four threads ask for one key, by a clock that runs on under all of them, and how long
/// that takes. A thread may be overtaken between its look at the clock and its charge, on a busy machine by far.
fn passed_by_four_threads(limits: &[Limit], steps: u64) -> (Vec<Passed>, u64) {
    let bench = Bench::new(limits, 1_000);
    let clock = AtomicU64::new(S);
    let ask = |seed| {
        let rng = &mut TestRng::new(seed);
        let times = (0..steps / 4).map(|_| clock.fetch_add(rng.below(400_000), Ordering::Relaxed));
        let passed = times.filter(|now| bench.admits(bench.ip(7), *now));
        passed
            .map(|now| (now, clock.load(Ordering::Relaxed)))
            .collect::<Vec<_>>()
    };
    let mut passed: Vec<Passed> = std::thread::scope(|scope| {
        let threads = [1, 2, 3, 4].map(|seed| scope.spawn(move || ask(seed)));
        let passed = threads.into_iter().map(|thread| thread.join().unwrap());
        passed.flatten().collect()
    });
    passed.sort_unstable();
    (passed, clock.into_inner() - S)
}

#[test]
fn threads_together_admit_no_more_than_one_would() {
    // About 5,000 requests a second, so that every limit refuses most of them.
    let bucket = Limit::token_bucket(per_second(1_000), burst(50));
    let sliding = Limit::sliding(500, SECOND / 2);
    let log = Limit::exact(64, SECOND / 10);
    let fixed = Limit::fixed(200, SECOND / 10);
    for limits in [
        &[bucket][..],
        &[sliding],
        &[log],
        &[fixed],
        &[bucket, sliding, log],
    ] {
        let (times, took) = passed_by_four_threads(limits, steps(1_000_000));
        // Nobody knows when exactly a thread that was overtaken was let in, so that a group took at most so long.
        let spread = |count: usize, window: u64| {
            let groups = times.windows(count + 1);
            let last = |group: &[Passed]| group.iter().map(|(_, by)| *by).max();
            let nearest = groups
                .filter_map(|group| Some(last(group)? - group[0].0))
                .min();
            assert!(
                nearest >= Some(window),
                "{limits:?}: {} within {nearest:?} ns",
                count + 1
            );
        };
        // So much is sustained at least: the log in all of them, and 16/17 of a sliding window.
        let mut sustained = 640.0_f64;
        if limits.contains(&sliding) {
            spread(500, S / 2);
            sustained = sustained.max(1_000.0 * 16.0 / 17.0);
        }
        if limits.contains(&log) {
            spread(64, S / 10);
            sustained = 640.0;
        }
        if limits.contains(&bucket) {
            for most in [60, 100, 1_000] {
                // `most` + 1 admissions need at least the time in which all but the burst refill.
                spread(most, (most as u64 + 1 - 50) * S / 1_000);
            }
        }
        if limits.contains(&fixed) {
            // Windows of a key do not overlap.
            let windows = took / (S / 10) + 1;
            assert!(
                times.len() as u64 <= 200 * windows,
                "{} in {windows}",
                times.len()
            );
            sustained = 2_000.0;
        }
        let least = sustained * 0.95 * took as f64 / S as f64;
        assert!(
            times.len() as f64 >= least,
            "{limits:?}: {} in {took} ns",
            times.len()
        );
    }
}

#[test]
fn charges_to_several_tables_are_all_or_nothing_between_threads() {
    let first = Bench::new(&[Limit::fixed(1_000, HOUR)], 100);
    let second = Bench::new(&[Limit::fixed(700, HOUR)], 100);
    let passed = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (first, second, passed) = (&first, &second, &passed);
            scope.spawn(move || {
                let one = |bench: &'_ Bench| (bench.ip(1), bench.rules);
                let (key, rules) = one(first);
                let (other_key, other_rules) = one(second);
                for _ in 0..1_000 {
                    let mut charges = [
                        Charge {
                            table: &first.table,
                            policy: &rules,
                            rules: &rules,
                            key,
                            cost: 1,
                        },
                        Charge {
                            table: &second.table,
                            policy: &other_rules,
                            rules: &other_rules,
                            key: other_key,
                            cost: 1,
                        },
                    ];
                    // One thread names them the other way round, which must not end in a deadlock.
                    if thread == 0 {
                        charges.reverse();
                    }
                    passed.fetch_add(
                        charge(&charges, 1).unwrap().1.assessment.fits().into(),
                        Ordering::Relaxed,
                    );
                }
            });
        }
    });
    assert_eq!(passed.into_inner(), 700);
    let left = first
        .table
        .peek(&first.rules, &first.ip(1), 1, 0)
        .unwrap()
        .remaining;
    assert_eq!(
        left, 300,
        "3,300 refusals by the second charged the first nothing"
    );
}
