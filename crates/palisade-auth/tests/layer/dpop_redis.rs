//! Proofs that were used, shared by several instances.

use std::time::Duration;

use palisade_auth::{AuthLayer, RedisProofs};

use super::dpop::{Client, dpop, with_proof};
use super::support::redis::Server;
use super::support::{layer, through};

async fn instance(server: &Server, prefix: &str) -> AuthLayer {
    let proofs = RedisProofs::new(server.connection().await)
        .prefix(prefix)
        .timeout(Duration::from_secs(5));
    layer().dpop(dpop().redis(proofs).build().unwrap())
}

#[tokio::test]
async fn a_proof_that_was_used_at_one_instance_is_refused_at_another_and_while_redis_is_away() {
    let mut server = Server::start().await;
    let (one, other) = (instance(&server, "a").await, instance(&server, "a").await);
    let apart = instance(&server, "b").await;
    let client = Client::new();
    let token = client.token();
    let used = |jti: &str| with_proof(&token, &client.proof(&token, jti));
    assert_eq!(through(&one, used("1")).await.status, 200);
    assert_eq!(
        through(&other, used("1")).await.reason(),
        "dpop_proof_replayed"
    );
    assert_eq!(through(&other, used("2")).await.status, 200);
    assert_eq!(
        through(&apart, used("1")).await.status,
        200,
        "of another prefix"
    );
    let keys: Vec<String> = server.ask(&["KEYS", "a:dpop:*"]).await;
    assert_eq!(keys.len(), 2);
    let left: u64 = server.ask(&["TTL", &keys[0]]).await;
    // A minute, 30 seconds that clocks differ by, and one for rounding.
    assert!((80..=91).contains(&left), "{left}");
    server.kill();
    let answered = through(&one, used("3")).await;
    assert_eq!(
        (answered.status, answered.reason()),
        (503, "store_unavailable")
    );
}
