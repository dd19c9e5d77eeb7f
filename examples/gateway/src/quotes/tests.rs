use palisade::auth::AuthLayer;
use palisade::breaker::State;
use palisade_core::time::now;
use palisade_tests::proxy::{Link, Proxy};

use super::*;
use crate::upstream;

const TOKEN: &str = "kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu";

/// Quotes over a network that breaks, and is mended; no answer may take longer than `most`.
async fn over(broken: Link, most: Duration) {
    let auth = AuthLayer::new().service_token("gateway", TOKEN).unwrap();
    let (addr, _switch) = upstream::start(auth.leak()).await.unwrap();
    let proxy = Proxy::before(addr).await;
    let variables = [
        ("CIRCUIT_BREAKER_THRESHOLD", "3"),
        ("CIRCUIT_BREAKER_TIMEOUT_SEC", "1"),
    ];
    let (settings, problems) = Settings::with(|_| None, |file| file.with_variables(&variables));
    assert!(problems.is_empty(), "{problems}");
    let bearer = BearerLayer::fixed(TOKEN).unwrap();
    let quotes = Quotes::new(proxy.addr(), bearer, &settings).unwrap();
    assert!(matches!(quotes.get().await, Ok(Quote::Fresh(_))));

    proxy.set(broken);
    let mut longest = Duration::ZERO;
    let mut asked = 0;
    while quotes.breaker().state() != State::Open {
        let since = now();
        assert!(
            matches!(quotes.get().await, Ok(Quote::Stale(_))),
            "{broken:?}"
        );
        longest = longest.max(since.elapsed());
        asked += 1;
        assert!(asked < 5, "{broken:?} does not open it");
    }
    assert!(longest < most, "{broken:?}: {longest:?}");
    // Now nobody waits for the network.
    let since = now();
    assert!(matches!(quotes.get().await, Ok(Quote::Stale(_))));
    let refused = since.elapsed();
    assert!(refused < Duration::from_millis(500), "{refused:?}");

    proxy.set(Link::Up);
    let since = now();
    while !matches!(quotes.get().await, Ok(Quote::Fresh(_))) {
        assert!(
            since.elapsed() < Duration::from_secs(10),
            "{broken:?} is never over"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!(
        "upstream {broken:?}: {asked} quotes open the breaker, the longest after {longest:?}; then {refused:?}; \
         fresh again after {:?}",
        since.elapsed()
    );
}

#[tokio::test]
async fn an_upstream_that_resets_connections_is_left_alone_until_it_is_well() {
    over(Link::Reset, Duration::from_secs(2)).await;
}

#[tokio::test]
#[ignore = "takes five seconds: cargo xtask test --full"]
async fn an_upstream_behind_a_partition_is_left_alone_until_it_is_well() {
    // Two attempts of a second each, and the pause between them.
    over(Link::Partitioned, Duration::from_secs(4)).await;
}
