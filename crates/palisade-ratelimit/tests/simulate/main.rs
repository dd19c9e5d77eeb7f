//! Limits at scale: the crate itself on paused time, with a network and servers that are simulated.
//!
//! Each instance is a [`RateLimiter`](palisade_ratelimit::RateLimiter) with its leases, refusals, timeouts, gate and outage
//! policy. In place of Redis stands a server that decides by the crate's own rules. `cargo xtask simulate` runs it at full
//! size and writes `docs/scale.md`.

mod peer;
mod report;
#[path = "../support/redis.rs"]
mod server;
mod world;

use palisade_ratelimit::Outage;
use world::{Fault, Scenario, run};

/// A run that is short enough for every day.
fn small(instances: usize, shards: usize, keys: usize, lease: u32) -> Scenario {
    Scenario {
        seconds: 6,
        ..Scenario::of(instances, shards, keys, lease)
    }
}

/// The units that a way there and back adds: a request is admitted when its answer comes, up to so long after its charge.
fn late(scenario: &Scenario) -> f64 {
    f64::from(scenario.rate) * 2.0 * scenario.way.1 as f64 / 1_000.0 + 1.0
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_one_another() {
    let scenario = small(10, 4, 8, 5);
    let first = run(scenario);
    assert_eq!(run(scenario), first);
    let seed = 2;
    assert_ne!(run(Scenario { seed, ..scenario }), first);
}

#[test]
fn no_more_is_admitted_than_is_allowed_however_many_instances_and_shards() {
    // The last two have many times what they may, so that every lease is spent to its end.
    for (instances, shards, lease, demand) in [
        (1, 1, 1, 2.0),
        (10, 4, 1, 2.0),
        (10, 4, 10, 2.0),
        (100, 16, 5, 2.0),
        (4, 2, 5, 20.0),
        (3, 1, 20, 20.0),
    ] {
        let scenario = Scenario {
            demand,
            ..small(instances, shards, if demand > 2.0 { 2 } else { 8 }, lease)
        };
        let outcome = run(scenario);
        let most = f64::from(scenario.burst) + late(&scenario);
        assert!(outcome.worst <= most, "{scenario:?}: {}", outcome.worst);
        assert!(outcome.over() <= 1.0, "{scenario:?}: {}", outcome.over());
        assert!(outcome.offered as f64 > 1.5 * outcome.admitted as f64);
    }
}

#[test]
fn without_leases_hardly_anything_of_a_quota_is_left() {
    let outcome = run(small(20, 4, 8, 1));
    assert!(outcome.unused() < 0.02, "{}", outcome.unused());
}

/// Each instance has many requests of a key here, and the bucket has tokens to lend.
#[test]
fn leases_ask_a_shard_less() {
    let busy = |lease| Scenario {
        rate: 500,
        burst: 500,
        demand: 0.8,
        ..small(4, 2, 4, lease)
    };
    let (without, leased) = (run(busy(1)), run(busy(50)));
    assert_eq!(without.admitted, without.offered, "there is enough for all");
    // One call for each request, and for up to 50.
    let every = without.offered as f64 / 6.0 / 2.0;
    assert!(
        (without.mean() - every).abs() < 1.0,
        "{} {every}",
        without.mean()
    );
    assert!(leased.mean() < without.mean() / 5.0, "{}", leased.mean());
    assert!(
        leased.worst <= f64::from(busy(50).burst) + late(&busy(50)),
        "{}",
        leased.worst
    );
}

/// At most instances times units lie in leases, and a lease ends as the bucket refills.
#[test]
fn what_leases_hold_back_is_bounded() {
    let scenario = small(8, 2, 4, 5);
    let outcome = run(scenario);
    let unused = outcome.allowed.saturating_sub(outcome.admitted) as f64;
    // For each key, and what is on its way at the end.
    let held = 4.0 * 8.0 * 5.0 + 0.02 * outcome.allowed as f64;
    assert!(
        unused <= held,
        "{unused} of {}, at most {held}",
        outcome.allowed
    );
}

#[test]
fn a_lost_shard_does_what_the_outage_policy_says() {
    let lost = |outage| {
        let scenario = small(10, 4, 16, 1);
        run(Scenario {
            fault: Fault::LostShard,
            outage,
            ..scenario
        })
    };
    let denied = lost(Outage::Deny);
    assert!(denied.middle[0] < 0.1, "{:?}", denied.middle);
    let passed = lost(Outage::Allow);
    assert!(passed.middle[0] > 1.5, "{:?}", passed.middle);
    // Ten instances count for themselves, each as much as all together: with twice the demand everything passes.
    let local = lost(Outage::default());
    assert!(local.middle[0] > 1.5, "{:?}", local.middle);
    let most = f64::from(50) * 10.0 + late(&small(1, 1, 1, 1));
    assert!(local.worst <= most, "{}", local.worst);
}

#[test]
fn instances_that_are_cut_off_admit_no_more_than_a_limit_each() {
    let scenario = Scenario {
        fault: Fault::CutOff(3),
        demand: 20.0,
        ..small(10, 2, 2, 1)
    };
    let outcome = run(scenario);
    // Three by themselves, and the others together.
    let most = 4.0 * f64::from(scenario.burst) + 3.0 * 50.0 * 6.0 + late(&scenario);
    assert!(outcome.worst <= most, "{}", outcome.worst);
    assert!(
        outcome.over() > 1.2 && outcome.over() <= 4.0,
        "{}",
        outcome.over()
    );
}

/// The page holds what the full run says. A minute or so; `cargo xtask simulate` writes it.
#[test]
fn the_page_of_scale_is_what_the_simulation_says() {
    let write = std::env::var_os("PALISADE_WRITE_SCALE").is_some();
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/scale.md");
    if !write && std::env::var_os("PALISADE_FULL").is_none() {
        assert!(page.exists());
        return;
    }
    let told = report::page();
    if write {
        println!("{told}");
        std::fs::write(&page, told).unwrap();
    } else {
        let kept = std::fs::read_to_string(page).unwrap();
        assert_eq!(kept, told, "run `cargo xtask simulate`");
    }
}
