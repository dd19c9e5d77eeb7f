//! The memory of a million keys: in a process of its own, because it reads the memory of the process.
#![cfg(target_os = "linux")]

use palisade_breaker::{BreakerLayer, State, key_fn};
use tower::{Layer, ServiceExt, service_fn};

/// Resident bytes of this process, without the pages of its program, which come as it runs.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .unwrap();
    line.trim()
        .trim_end_matches(" kB")
        .parse::<usize>()
        .unwrap()
        * 1024
}

#[tokio::test]
async fn a_million_keys_take_a_bounded_memory_and_evict_no_open_breaker() {
    const MOST: usize = 100_000;
    let key = key_fn(|request: &u64| Some(format!("host-{request}.example:8443")));
    let layer = BreakerLayer::new("x")
        .failure_threshold(1)
        .keyed(key)
        .most_keys(MOST);
    let handle = layer.handle();
    let service = layer.layer(service_fn(|request: u64| async move {
        if request < 10 { Err("down") } else { Ok(()) }
    }));
    let before = resident();
    for request in 0..1_000_000 {
        let _ = service.clone().oneshot(request).await;
    }
    let each = (resident() - before) / MOST;
    println!("{each} bytes a key");
    assert!(each <= 512, "{each} bytes a key");
    assert!(handle.keys() <= MOST && handle.keys() > MOST * 9 / 10);
    let open = handle.not_closed();
    assert_eq!(open.len(), 10);
    assert!(open.iter().all(|(_, state)| *state == State::Open));
}
