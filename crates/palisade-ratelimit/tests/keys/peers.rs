//! Faults that were found in other limiters, and that this one must not have.

use std::num::NonZeroU8;

use crate::support::*;
use palisade_core::ClientIp;
use palisade_ratelimit::{
    HOUR, Limit, Policy, RateLimitBuilder, RateLimitLayer, burst, per_second,
};

fn one_an_hour() -> RateLimitBuilder {
    RateLimitLayer::builder().policy(Policy::new("api").limit(Limit::fixed(1, HOUR)))
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_one_with_nine_tenths_of_a_second_left() {
    let bucket = Limit::token_bucket(per_second(1), burst(1));
    let service = serve(
        &RateLimitLayer::builder()
            .policy(Policy::new("api").limit(bucket))
            .build()
            .unwrap(),
    );
    assert_eq!(status(&service, from("203.0.113.7")).await, 200);
    advance(100).await;
    assert_eq!(
        header(&send(&service, from("203.0.113.7")).await, "retry-after"),
        Some("1")
    );
}

#[tokio::test(start_paused = true)]
async fn a_spoofed_x_forwarded_for_buys_nothing() {
    let believing_nobody = serve(&one_an_hour().build().unwrap());
    let behind_a_proxy = serve(
        &one_an_hour()
            .client_ip(ClientIp::trusting(["10.0.0.0/8"]).unwrap())
            .build()
            .unwrap(),
    );
    let mut passed = [0, 0];
    for spoof in 0..1_000_u32 {
        let made_up = std::net::Ipv4Addr::from_bits(0x0606_0000 + spoof);
        let direct = with(from("203.0.113.7"), "x-forwarded-for", &made_up.to_string());
        passed[0] += usize::from(status(&believing_nobody, direct).await == 200);
        let forwarded = with(
            from("10.0.0.1"),
            "x-forwarded-for",
            &format!("{made_up}, 203.0.113.7"),
        );
        passed[1] += usize::from(status(&behind_a_proxy, forwarded).await == 200);
    }
    assert_eq!(passed, [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn an_entry_with_a_port_is_the_client_and_not_the_spoof_beside_it() {
    let service = serve(
        &one_an_hour()
            .client_ip(ClientIp::trusting_hops(NonZeroU8::MIN))
            .build()
            .unwrap(),
    );
    for (spoof, expected) in [("6.6.6.6", 200), ("7.7.7.7", 429), ("8.8.8.8", 429)] {
        let request = with(
            from("10.0.0.1"),
            "x-forwarded-for",
            &format!("{spoof}, 203.0.113.7:4433"),
        );
        assert_eq!(status(&service, request).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn rotating_inside_a_v6_64_buys_nothing() {
    let service = serve(&one_an_hour().build().unwrap());
    let mut passed = 0;
    // A step that is odd, so that bits of the whole lower half change.
    let rotations = if std::env::var_os("PALISADE_FULL").is_some() {
        100_000
    } else {
        5_000
    };
    for rotation in (0..rotations).map(|number: u32| number.wrapping_mul(0x9e37_79b1)) {
        let address = format!("2001:db8:7:9::{:x}:{:x}", rotation >> 16, rotation & 0xffff);
        passed += usize::from(status(&service, from(&address)).await == 200);
    }
    assert_eq!(passed, 1);
}

#[tokio::test(start_paused = true)]
async fn v4_mapped_clients_do_not_share_a_bucket() {
    let service = serve(&one_an_hour().build().unwrap());
    for host in 1..=50 {
        assert_eq!(
            status(&service, from(&format!("::ffff:203.0.113.{host}"))).await,
            200
        );
    }
    assert_eq!(
        status(&service, from("203.0.113.1")).await,
        429,
        "mapped or not, it is the same client"
    );
}
