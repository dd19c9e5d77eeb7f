//! Mixed load for a while, in flat memory. `PALISADE_ENDURANCE_SEC` says for how long; three minutes unless it is set.

use std::time::Duration;

use crate::load::{Load, NO_ANSWER};
use crate::support::Gateway;

const MIX: &[&str] = &[
    "ping",
    "me",
    "/api/public",
    "ping",
    "forged",
    "/nothing/here",
    "ping",
    "/api/quote",
    "/metrics",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes three minutes: cargo xtask test --full"]
async fn mixed_load_runs_in_flat_memory() {
    let wanted = std::env::var("PALISADE_ENDURANCE_SEC").ok();
    let seconds: u32 = wanted.map_or(180, |seconds| seconds.parse().expect("whole seconds"));
    let gateway = Gateway::start_with(&[("TRUSTED_PROXIES", "127.0.0.1")]);
    let token = gateway.token("ada").await;
    let load = Load::start(&gateway, &token, 8, MIX);
    let begun = palisade_core::time::now();
    let mut resident = Vec::new();
    for _ in 0..60 {
        tokio::time::sleep(Duration::from_secs(1) * seconds / 60).await;
        resident.push(gateway.resident_kib());
    }
    let end = palisade_core::time::now();
    let seen = load.stop().await;
    let mean = |part: &[u64]| part.iter().sum::<u64>() / part.len() as u64;
    // The first third fills what is bounded: pools, tables of keys, what the allocator keeps.
    let (early, late) = (mean(&resident[20..30]), mean(&resident[50..]));
    println!(
        "{} requests in {seconds} s: {early} KiB after a third, {late} KiB at the end, all: {resident:?}",
        seen.len()
    );
    for kind in MIX.iter().chain(&["login"]) {
        let phase = seen.phase(kind, begun, end);
        println!(
            "{kind}: {:?}, p99 {:?}, longest {:?}",
            phase.statuses, phase.p99, phase.longest
        );
        assert!(phase.total() > 0, "{kind} was not asked");
    }
    assert_eq!(seen.count(NO_ANSWER), 0);
    assert_eq!(seen.count(500), 0);
    assert!(late <= early + early / 10 + 2_048, "{resident:?}");
}
