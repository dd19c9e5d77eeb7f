//! Tables under keys, charges and refunds; how many keys they hold, and what several threads do to them.

mod capacity;
mod threads;

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
use crate::test_support::{TestRng, steps};

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
            .table(
                Name::from_static("bench"),
                &rules,
                hasher.slot_hasher(),
                |_| false,
            )
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
        let rng = &mut TestRng::new(seed as u64);
        let mut model: HashMap<u32, Vec<Word>> = HashMap::new();
        let mut now = 0;
        for _ in 0..steps(1_000_000) / 3 {
            now += rng.below(S / 1_000);
            // Some keys often, most of them seldom.
            let number = if rng.below(4) == 0 {
                rng.below(16)
            } else {
                rng.below(10_000)
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
fn a_network_of_zeros_is_a_key_like_any_other() {
    let bench = Bench::new(&[Limit::fixed(2, HOUR)], 1_000);
    let zeros = bench.hasher.address(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    assert!(bench.admits(zeros, 1) && bench.admits(zeros, 1));
    for number in 0..1_000 {
        bench.charge(bench.ip(number), 1);
        assert!(!bench.admits(zeros, 1), "forgotten with key {number}");
    }
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
