//! The page of the full run.

use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use palisade_ratelimit::Outage;

use crate::world::{Fault, Outcome, Scenario, run};

const HEAD: &str = "\
# Limits at scale

What many instances with one Redis cluster admit, leave unused, and ask of each shard. Written by `cargo xtask simulate`.
No cluster ran for it: each instance is a `RateLimiter` of this crate, with its leases, remembered refusals, timeout, gate
and outage policy, on paused time. In place of a shard stands a server that decides by the crate's own rules, which decide
as the scripts do (`the_scripts_decide_as_the_memory_store_does`). One seed, so that every run says the same.

## What it assumes

- Each key may have 50 requests a second with bursts of 50, and is sent twice as many, at random times (a Poisson process),
  by a load balancer that picks one of all instances for each request. A run is 12 seconds.
- A message takes 1 to 4 ms from an instance to a shard and as long back, in whole milliseconds; instances wait 25 ms.
- A shard decides in no time. What a Redis can do in a second is measured in [performance](performance.md).
- Clocks run alike. Keys lie on shards by a hash of their names. Nobody is blocked, and nothing is given back.
- *allowed* is the burst and 12 seconds of the rate, for each key. *Worst burst* is the most that one key was admitted
  beyond its rate in any time, which is 50 where nothing is exceeded. A request counts as admitted when its answer comes,
  up to 8 ms late: so 50.4 is the bound, and 1 for the request itself.
";

fn row(page: &mut String, scenario: &Scenario, outcome: &Outcome) {
    let unused = match scenario.demand > 1.0 {
        true => format!("{:.1} %", 100.0 * outcome.unused()),
        false => "-".into(),
    };
    let _ = writeln!(
        page,
        "| {} | {} | {} | {} | {:.3} | {:.1} | {} | {:.1} % | {:.0} | {:.0} |",
        scenario.instances,
        scenario.shards,
        scenario.keys,
        scenario.lease,
        outcome.over(),
        outcome.worst,
        unused,
        100.0 * outcome.refused(),
        outcome.mean(),
        outcome.busiest(),
    );
}

const COLUMNS: &str = "\
| instances | shards | keys | lease | admitted / allowed | worst burst | quota unused | refused | calls a second on a shard | on the busiest |
|---|---|---|---|---|---|---|---|---|---|
";

pub(crate) fn page() -> String {
    let mut page = String::from(HEAD);
    page.push_str("\n## Instances, shards and leases\n\n");
    let mut scenarios = Vec::new();
    for (instances, shards, keys) in [
        (10, 1, 64),
        (10, 64, 64),
        (100, 4, 64),
        (1_000, 16, 32),
        (10_000, 64, 16),
    ] {
        scenarios.extend([1, 10].map(|lease| Scenario::of(instances, shards, keys, lease)));
    }
    table(&mut page, &scenarios);
    page.push_str(
        "\nWithout leases the number of instances changes nothing: the shard decides. There are hardly fewer calls than \
         requests, because a key that is over its limit is refused without a call only until its next token, 20 ms later. \
         With leases nobody is admitted more, and what lies in them is not there for others. Where an instance sees a key less \
         than once in the time of a lease, a lease saves no call and holds back a part of the quota.\n",
    );
    page.push_str("\n## The same with less demand than quota\n\nBursts of 50, and 40 requests a second for each key.\n\n");
    let mut scenarios = Vec::new();
    for (instances, shards, keys) in [(10, 1, 64), (100, 4, 64), (10_000, 16, 16)] {
        scenarios.extend([1, 10].map(|lease| Scenario {
            demand: 0.8,
            ..Scenario::of(instances, shards, keys, lease)
        }));
    }
    table(&mut page, &scenarios);
    page.push_str(
        "\nWhat is refused here is refused because others hold it. So a lease is no larger than a small part of the burst \
         over the number of instances that a key has requests in.\n",
    );
    page.push_str("\n## Few instances, busy keys\n\n");
    page.push_str(
        "Four keys of 500 a second with bursts of 500, and 400 requests a second for each.\n\n",
    );
    let mut scenarios = Vec::new();
    for instances in [4, 16] {
        scenarios.extend([1, 10, 50].map(|lease| Scenario {
            rate: 500,
            burst: 500,
            demand: 0.8,
            ..Scenario::of(instances, 2, 4, lease)
        }));
    }
    table(&mut page, &scenarios);
    page.push_str(
        "\nThis is what leases are for. 16 instances with 50 each want more than a burst of 500 has to lend: the calls rise again.\n",
    );
    faults(&mut page);
    page
}

/// Runs them on all processors, each as if it were alone.
fn outcomes(scenarios: &[Scenario]) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(vec![None; scenarios.len()]);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = run(*scenario);
                    let place = scenarios
                        .iter()
                        .position(|other| std::ptr::eq(other, scenario));
                    done.lock().unwrap()[place.unwrap()] = Some(outcome);
                }
            });
        }
    });
    let done = done.into_inner().unwrap();
    done.into_iter().flatten().collect()
}

fn table(page: &mut String, scenarios: &[Scenario]) {
    page.push_str(COLUMNS);
    for (scenario, outcome) in scenarios.iter().zip(outcomes(scenarios)) {
        row(page, scenario, &outcome);
    }
}

fn faults(page: &mut String) {
    page.push_str(
        "\n## What a lost shard does\n\nIn the middle third of the run one of 4 shards answers nobody; then it is back, \
         without its keys. 10 instances, 16 keys. *Over the rate* is what was admitted in that third, over what the rate \
         allows in it.\n\n| outage policy | its keys, over the rate | other keys, over the rate | admitted / allowed | worst burst |\n\
         |---|---|---|---|---|\n",
    );
    let lost = |outage| Scenario {
        fault: Fault::LostShard,
        outage,
        ..Scenario::of(10, 4, 16, 1)
    };
    let policies = [Outage::Deny, Outage::default(), Outage::Allow];
    let names = ["`Deny`", "`LocalFallback`", "`Allow`"].map(str::to_owned);
    rows(page, &names, &policies.map(lost));
    page.push_str(
        "\nThe gate stands before the whole store of an instance, and not before each shard: while one is lost the keys of the \
         others are at times decided by the outage policy too, until a probe that reaches another shard opens it again. With \
         `Deny` that costs them little, since a bucket refills meanwhile; with `LocalFallback` each instance has a whole limit \
         of its own for that time.\n",
    );
    page.push_str(
        "\n## Instances that are cut off, and slow messages\n\nWith `LocalFallback`. Of 10 instances so many reach no shard \
         in the middle third; or so many of a thousand messages take 40 ms longer, which is a timeout. 2 shards, 16 keys.\n\n\
         | | keys of the first shard, over the rate | other keys, over the rate | admitted / allowed | worst burst |\n\
         |---|---|---|---|---|\n",
    );
    let cut_off = [1, 5, 10].map(|instances| Scenario {
        fault: Fault::CutOff(instances),
        ..Scenario::of(10, 2, 16, 1)
    });
    let slow = [1, 10].map(|slow| Scenario {
        slow,
        ..Scenario::of(10, 2, 16, 1)
    });
    let names = [
        "1 cut off",
        "5 cut off",
        "10 cut off",
        "1 of 1,000 slow",
        "10 of 1,000 slow",
    ];
    rows(
        page,
        &names.map(str::to_owned),
        &[&cut_off[..], &slow[..]].concat(),
    );
    page.push_str(
        "\nAn instance that cannot ask counts by itself, with the whole limit: n of them admit up to n limits more, as far as \
         there is demand, which is twice the limit here. `Deny` keeps the limit and refuses everybody instead. A message that \
         comes too late was charged all the same, and the request is counted here once more.\n",
    );
}

fn rows(page: &mut String, names: &[String], scenarios: &[Scenario]) {
    for (name, outcome) in names.iter().zip(outcomes(scenarios)) {
        let [first, others] = outcome.middle;
        let _ = writeln!(
            page,
            "| {name} | {first:.2} | {others:.2} | {:.3} | {:.1} |",
            outcome.over(),
            outcome.worst
        );
    }
}
