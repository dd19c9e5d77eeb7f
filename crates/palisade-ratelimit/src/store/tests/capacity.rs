//! The keys that a table holds: their number, those that make room for others, and those that outlive a flood.

use super::*;

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

/// While a table grows keys go to the set of their choice, and later some have to leave it again.
#[test]
fn a_key_that_comes_back_to_a_set_has_one_count() {
    const KEYS: u32 = 800;
    for _ in 0..500 {
        let bench = Bench::new(&[Limit::fixed(1, HOUR)], 1_250);
        let keys = (0..2 * KEYS).map(|nth| bench.claimed(nth % KEYS));
        let passed = keys.filter(|key| bench.admits(*key, 1)).count() as u64;
        let lost = bench.store.overflowed();
        assert!(
            passed <= u64::from(KEYS) + lost,
            "{passed}, and {lost} keys lost"
        );
    }
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
        let slot_hasher = full.hasher().unwrap().slot_hasher();
        let _held = full.table(Name::from_static("full"), &bench.rules, slot_hasher, |_| {
            false
        });
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
    let expensive = Charge {
        table: &bench.table,
        policy: &bench.rules,
        rules: &bench.rules,
        key: bench.ip(1),
        cost: 2,
    };
    assert!(!charge(&[expensive], 1).unwrap().1.assessment.fits());
    assert_eq!(bench.live(1), 0);
}
