//! Clients as groups of addresses: in requests, and for operators.

use crate::support::*;
use palisade_core::ClientIp;
use palisade_ratelimit::{HOUR, Key, Limit, Outcome, Policy, RateLimitLayer};

fn three() -> Policy {
    Policy::new("api").limit(Limit::fixed(3, HOUR))
}

#[tokio::test(start_paused = true)]
async fn operators_mean_the_group_that_the_layer_counts_by() {
    let client: std::net::IpAddr = "2001:db8:0:1ff::1".parse().unwrap();
    // The same /48, /56 and /64, from the left to the right.
    let others = ["2001:db8::1", "2001:db8:0:100::1", "2001:db8:0:1ff::2"];
    for (bits, sharing) in [(48, 3), (56, 2), (64, 1), (128, 0)] {
        let layer = RateLimitLayer::builder()
            .policy(three())
            .client_ip(ClientIp::peer().v6_prefix(bits))
            .build()
            .unwrap();
        let (service, limiter) = (serve(&layer), layer.limiter());
        assert_eq!(passed(&service, 9, || from(&client.to_string())).await, 3);
        assert_eq!(
            limiter.peek("api", client).await.outcome,
            Outcome::Limited,
            "/{bits}"
        );
        for (position, other) in others.into_iter().rev().enumerate() {
            let other: std::net::IpAddr = other.parse().unwrap();
            let left = limiter.peek("api", other).await.remaining;
            assert_eq!(
                left,
                if position < sharing { 0 } else { 3 },
                "/{bits} {other}"
            );
        }
        limiter.reset("api", Key::ip(client)).await.unwrap();
        assert_eq!(
            limiter.check("api", client, 1).await.remaining,
            2,
            "/{bits}"
        );
        assert_eq!(
            passed(&service, 9, || from(&client.to_string())).await,
            2,
            "/{bits}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn v4_clients_behind_nat64_share_neither_a_key_nor_a_site() {
    let layer = RateLimitLayer::builder()
        .policy(three())
        .v6_site_limit(Limit::fixed(4, HOUR))
        .build()
        .unwrap();
    let service = serve(&layer);
    for client in 1..=9 {
        let through = || from(&format!("64:ff9b::203.0.113.{client}"));
        assert_eq!(passed(&service, 9, through).await, 3, "{client}");
        let direct = || from(&format!("203.0.113.{client}"));
        assert_eq!(passed(&service, 9, direct).await, 0, "the same client");
    }
}
