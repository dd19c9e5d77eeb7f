use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use palisade_core::Name;

use super::*;
use crate::limit::{
    Assessment, HOUR, Limit, MINUTE, Rules, SECOND, Word, burst, per_hour, per_second,
};
use crate::store::digest::{HashedKey, Hasher};
use crate::test_support::{Dice, steps};

fn rules(limits: &[Limit]) -> Rules {
    let compiled: Vec<_> = limits
        .iter()
        .map(|limit| limit.compile().unwrap())
        .collect();
    Rules::new(&compiled).unwrap()
}

/// A policy's table in a store of its own.
struct Bench {
    store: Memory,
    hasher: Hasher,
    rules: Rules,
    table: Arc<Table>,
}

impl Bench {
    fn new(limits: &[Limit], capacity: usize) -> Self {
        let store = Memory::with_capacity(capacity);
        let hasher = store.hasher().unwrap();
        let rules = rules(limits);
        let (table, rules) = store
            .table(Name::from_static("bench"), &rules, hasher.spots(), |_| {
                false
            })
            .unwrap();
        Self {
            store,
            hasher,
            rules,
            table,
        }
    }

    fn ip(&self, number: u32) -> HashedKey {
        self.hasher.address(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    fn claimed(&self, number: u32) -> HashedKey {
        HashedKey {
            claimed: true,
            ..self.hasher.text(2, [b"x", &number.to_le_bytes()])
        }
    }

    fn charge(&self, key: HashedKey, now: u64) -> Assessment {
        let one = Charge {
            table: &self.table,
            policy: &self.rules,
            rules: &self.rules,
            key,
            cost: 1,
        };
        charge(&[one], now).unwrap().1.assessment
    }

    fn admits(&self, key: HashedKey, now: u64) -> bool {
        self.charge(key, now).fits()
    }

    fn live(&self, now: u64) -> usize {
        self.table.keys().live(now)
    }
}

const S: u64 = 1_000_000_000;

#[test]
fn a_table_answers_as_a_map_of_its_keys_would() {
    let policies = [
        vec![Limit::token_bucket(per_second(10), burst(3))],
        vec![
            Limit::token_bucket(per_second(10), burst(3)),
            Limit::fixed(5, SECOND),
        ],
        vec![Limit::exact(2, SECOND), Limit::sliding(20, MINUTE)],
    ];
    for (seed, limits) in policies.iter().enumerate() {
        let bench = Bench::new(limits, 20_000);
        let dice = &mut Dice::new(seed as u64);
        let mut model: HashMap<u32, Vec<Word>> = HashMap::new();
        let mut now = 0;
        for _ in 0..steps(1_000_000) / 3 {
            now += dice.below(S / 1_000);
            // Some keys often, most of them seldom.
            let number = if dice.below(4) == 0 {
                dice.below(16)
            } else {
                dice.below(10_000)
            } as u32;
            let state = model
                .entry(number)
                .or_insert_with(|| Word::zeros(bench.rules.words()));
            let expected = bench.rules.assess(state, now, 1).unwrap();
            if expected.fits() {
                bench.rules.commit(state, now, 1);
            }
            let key = if number.is_multiple_of(2) {
                bench.ip(number)
            } else {
                bench.claimed(number)
            };
            assert_eq!(bench.charge(key, now), expected, "key {number} at {now}");
        }
        assert_eq!(bench.store.overflowed(), 0);
    }
}

#[test]
fn a_table_holds_as_many_keys_as_it_was_made_for() {
    for capacity in [100, 5_000, 100_000] {
        let bench = Bench::new(&[Limit::fixed(1, HOUR)], capacity);
        for number in 0..capacity as u32 {
            assert!(bench.admits(bench.ip(number), 1));
        }
        for number in 0..capacity as u32 {
            assert!(
                !bench.admits(bench.ip(number), 2),
                "key {number} of {capacity} was lost"
            );
        }
        assert_eq!(bench.live(2), capacity);
        assert_eq!(bench.store.overflowed(), 0);
    }
}

#[test]
fn a_claimed_key_is_moved_aside_before_one_is_lost() {
    let capacity = 20_000;
    let bench = Bench::new(&[Limit::fixed(1, HOUR)], capacity);
    // Nearly half of the slots that such keys may have. Hundreds find both of their sets full of them.
    for number in 0..capacity as u32 * 2 / 5 {
        assert!(bench.admits(bench.claimed(number), 1));
    }
    for number in 0..capacity as u32 * 2 / 5 {
        assert!(
            !bench.admits(bench.claimed(number), 2),
            "key {number} was lost"
        );
    }
    assert_eq!(bench.store.overflowed(), 0);
}

#[test]
fn a_key_of_one_token_bucket_takes_at_most_64_bytes() {
    let capacity = 100_000;
    let bench = Bench::new(&[Limit::token_bucket(per_hour(1), burst(1))], capacity);
    for number in 0..capacity as u32 {
        assert!(bench.admits(bench.ip(number), 1));
    }
    assert_eq!(bench.live(1), capacity);
    let bytes = bench.store.bytes() / capacity;
    assert!(bytes <= 64, "{bytes} bytes a key");
    // Whatever the capacity; sets come in round numbers.
    for capacity in (10_000..300_000).step_by(7_777) {
        let full = Memory::preallocated(capacity);
        let spots = full.hasher().unwrap().spots();
        let _held = full.table(Name::from_static("full"), &bench.rules, spots, |_| false);
        let bytes = full.bytes() as f64 / capacity as f64;
        assert!(
            (50.0..63.0).contains(&bytes),
            "{bytes} bytes for {capacity}"
        );
    }
}

#[test]
fn keys_that_are_full_again_make_room_without_loss() {
    let bench = Bench::new(&[Limit::token_bucket(per_second(1), burst(1))], 1_000);
    for generation in 0..50 {
        let now = 1 + generation * 2 * S;
        for number in 0..1_000 {
            assert!(bench.admits(bench.ip(generation as u32 * 1_000 + number), now));
        }
        assert_eq!(bench.live(now), 1_000);
    }
    assert_eq!(bench.store.overflowed(), 0, "nothing live was pushed out");
    assert!(bench.store.bytes() < 200_000, "{}", bench.store.bytes());
}

/// A table that never shrinks, or that grows without a bound, is a way to take a server down.
#[test]
fn a_flood_of_keys_grows_the_table_to_its_bound_and_ends_no_debt() {
    for limit in [
        Limit::token_bucket(per_hour(5), burst(5)),
        Limit::exact(5, HOUR),
        Limit::sliding(5, HOUR),
    ] {
        let capacity = 100_000;
        let bench = Bench::new(&[limit], capacity);
        for number in 0..capacity as u32 {
            bench.charge(bench.ip(1_000_000_000 + number), 1);
        }
        let bytes = bench.store.bytes();
        let debtors: Vec<_> = (0..20)
            .map(|number| bench.ip(2_000_000_000 + number))
            .collect();
        for debtor in &debtors {
            for _ in 0..5 {
                assert!(bench.admits(*debtor, S));
            }
        }
        // All within a second, so that no debt can end by itself.
        // The whole flood for the default kind of limit, a tenth of it for the others.
        let flood = steps(10_000_000)
            / if limit == Limit::token_bucket(per_hour(5), burst(5)) {
                1
            } else {
                10
            };
        for number in 0..flood as u32 {
            let key = if number.is_multiple_of(2) {
                bench.ip(number)
            } else {
                bench.claimed(number)
            };
            bench.charge(key, S + u64::from(number) % 1_000);
        }
        for debtor in &debtors {
            assert!(
                !bench.admits(*debtor, 2 * S),
                "the flood ended a debt, {limit:?}"
            );
        }
        assert!(bench.store.overflowed() > 0);
        let grown = bench.store.bytes() as f64 / bytes as f64;
        assert!(
            grown <= 1.05 || bench.store.bytes() / capacity <= 64,
            "grew by {grown}"
        );
        // Twice the capacity, rounded up to whole sets.
        assert!(bench.live(2 * S) <= 2 * capacity + 1_000);
    }
}

#[test]
fn claimed_keys_hold_at_most_half_of_the_table() {
    let capacity = 10_000;
    let bench = Bench::new(&[Limit::fixed(1, HOUR)], capacity);
    for number in 0..200_000 {
        bench.charge(bench.claimed(number), 1);
    }
    let claimed = bench.live(1);
    for number in 0..200_000 {
        bench.charge(bench.ip(number), 1);
    }
    let slots = bench.live(1);
    assert!(claimed * 2 <= slots, "{claimed} of {slots}");
    assert!(slots >= capacity);
}

#[test]
fn a_table_for_more_keys_than_memory_can_hold_starts_small() {
    let bench = Bench::new(&[Limit::fixed(1, HOUR)], usize::MAX);
    assert!(bench.admits(bench.ip(1), 1) && !bench.admits(bench.ip(1), 1));
    assert!(bench.store.bytes() < 100_000, "{}", bench.store.bytes());
}

#[test]
fn a_network_of_zeros_is_a_key_like_any_other() {
    let bench = Bench::new(&[Limit::fixed(2, HOUR)], 1_000);
    let zeros = bench.hasher.address(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    assert!(bench.admits(zeros, 1) && bench.admits(zeros, 1));
    for number in 0..1_000 {
        bench.charge(bench.ip(number), 1);
        assert!(!bench.admits(zeros, 1), "forgotten with key {number}");
    }
}

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
    // Whoever finds all other sets locked has to do without: that is counted, and gives one key its three again.
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
        let dice = &mut Dice::new(seed);
        let times = (0..steps / 4).map(|_| clock.fetch_add(dice.below(400_000), Ordering::Relaxed));
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

#[test]
fn a_reset_key_is_as_good_as_new_and_a_refund_brings_back_one() {
    for limit in [
        Limit::fixed(2, HOUR),
        Limit::sliding(2, HOUR),
        Limit::exact(2, HOUR),
    ] {
        let bench = Bench::new(&[limit], 100);
        let key = bench.ip(1);
        assert!(bench.admits(key, S) && bench.admits(key, 2 * S) && !bench.admits(key, 3 * S));
        bench.table.refund(&bench.rules, &key, 2 * S, 1);
        assert!(bench.admits(key, 4 * S) && !bench.admits(key, 4 * S));
        bench.table.reset(&key);
        assert!(bench.admits(key, 5 * S) && bench.admits(key, 5 * S) && !bench.admits(key, 5 * S));
    }
}

#[test]
fn what_was_charged_by_a_clock_that_was_overtaken_is_given_back_too() {
    for limit in [
        Limit::fixed(2, MINUTE),
        Limit::sliding(2, MINUTE),
        Limit::exact(2, MINUTE),
    ] {
        let bench = Bench::new(&[limit], 100);
        let key = bench.ip(1);
        let one = Charge {
            table: &bench.table,
            policy: &bench.rules,
            rules: &bench.rules,
            key,
            cost: 1,
        };
        let charged = |now| charge(&[one], now).unwrap().1;
        assert!(charged(60 * S).assessment.fits());
        // This thread read the clock before the one that opened the window, or the step of one.
        let late = charged(60 * S - 10);
        assert!(late.assessment.fits() && !bench.admits(key, 61 * S));
        bench.table.refund(&bench.rules, &key, late.at, 1);
        assert!(bench.admits(key, 61 * S), "{limit:?}");
        assert!(!bench.admits(key, 61 * S), "{limit:?}");
    }
}

#[test]
fn a_key_over_its_own_smaller_quota_outlives_a_flood() {
    for limit in [Limit::fixed(100, HOUR), Limit::exact(50, HOUR)] {
        let bench = Bench::new(&[limit], 100);
        let small = bench.rules.scaled(std::num::NonZeroU32::MIN);
        let debtor = Charge {
            table: &bench.table,
            policy: &bench.rules,
            rules: &small,
            key: bench.ip(1),
            cost: 1,
        };
        let admits = |now| charge(&[debtor], now).unwrap().1.assessment.fits();
        assert!(admits(S));
        for number in 100..20_000 {
            assert!(bench.admits(bench.ip(number), 2 * S));
        }
        assert!(bench.store.overflowed() > 0);
        assert!(!admits(3 * S), "{limit:?}");
    }
}

#[test]
fn a_refused_newcomer_takes_no_slot() {
    let bench = Bench::new(&[Limit::fixed(1, HOUR)], 100);
    let dear = Charge {
        table: &bench.table,
        policy: &bench.rules,
        rules: &bench.rules,
        key: bench.ip(1),
        cost: 2,
    };
    assert!(!charge(&[dear], 1).unwrap().1.assessment.fits());
    assert_eq!(bench.live(1), 0);
}
