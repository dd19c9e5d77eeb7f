//! Charges in Redis that are given back, and refusals that end by it.

use std::net::IpAddr;
use std::time::Duration;

use crate::server::{Server, api, in_redis, limiter, patient};
use crate::support::{from, passed, serve, status};
use palisade_core::time::now;
use palisade_ratelimit::{HOUR, Key, Limit, Outage, Policy, RateLimitLayer, burst, per_hour};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn honest_sign_ins_in_parallel_lock_nobody_out() {
    let server = Server::start();
    let login = Policy::login().refund_when(|status| status.is_success());
    let layer = in_redis(login, patient(&server).await).build().unwrap();
    let (service, limiter) = (serve(&layer), layer.limiter());
    for address in 1..=20 {
        let address = format!("203.0.113.{address}");
        let at_once: Vec<_> = (0..12)
            .map(|_| {
                let (service, request) = (service.clone(), from(&address));
                tokio::spawn(async move { status(&service, request).await })
            })
            .collect();
        for sign_in in at_once {
            sign_in.await.unwrap();
        }
        // Refunds are on their way when the answers are there.
        let key = Key::from(address.parse::<IpAddr>().unwrap());
        let start = now();
        while limiter.peek("login", key).await.remaining < 5 {
            assert!(start.elapsed() < Duration::from_secs(60), "{address}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(passed(&service, 5, || from(&address)).await, 5, "{address}");
    }
}

#[tokio::test]
async fn a_refund_elsewhere_is_heard_of_within_a_second() {
    let server = Server::start();
    let one = limiter(api(Limit::exact(1, HOUR)), patient(&server).await).await;
    let other = limiter(api(Limit::exact(1, HOUR)), patient(&server).await).await;
    let key = Key::text("alice");
    let charge = one.charge("api", key, 1).await.unwrap();
    assert!(!other.check("api", key, 1).await.is_allowed());
    charge.refund().await;
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    assert!(other.check("api", key, 1).await.is_allowed());
}

#[tokio::test]
async fn during_an_outage_what_was_charged_here_is_given_back_here() {
    let mut server = Server::start();
    let grace = Duration::from_secs(600);
    let policy = api(Limit::exact(5, HOUR)).on_outage(Outage::LocalFallback { grace });
    let limiter = limiter(policy, patient(&server).await).await;
    let key = Key::text("alice");
    let before = limiter.charge("api", key, 1).await.unwrap();
    server.kill();
    for attempt in 0..20 {
        let charge = limiter.charge("api", key, 1).await;
        assert!(charge.is_ok(), "attempt {attempt}");
        charge.unwrap().refund().await;
    }
    // What Redis was charged is no charge of the fallback's: giving it back makes no room here.
    before.refund().await;
    for _ in 0..5 {
        assert!(limiter.check("api", key, 1).await.is_allowed());
    }
    assert!(!limiter.check("api", key, 1).await.is_allowed());
}

#[tokio::test]
async fn after_an_outage_what_was_charged_here_is_no_gift_in_redis() {
    let mut server = Server::start();
    let grace = Duration::from_secs(600);
    let policy =
        api(Limit::token_bucket(per_hour(1), burst(5))).on_outage(Outage::LocalFallback { grace });
    let redis = patient(&server).await;
    let limiter = limiter(policy, redis.clone()).await;
    let key = Key::text("alice");
    server.kill();
    let mut during = Vec::new();
    for _ in 0..5 {
        during.push(limiter.charge("api", key, 1).await.unwrap());
    }
    server.restart();
    while redis.is_down() {
        let _ = limiter.check("probe", key, 0).await;
        let _ = limiter.check("api", Key::text("other"), 1).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for _ in 0..5 {
        assert!(limiter.check("api", key, 1).await.is_allowed());
    }
    for charge in during {
        charge.refund().await;
    }
    assert!(!limiter.check("api", key, 1).await.is_allowed());
}

#[tokio::test(start_paused = true)]
async fn a_refund_by_status_reaches_the_table_that_was_charged() {
    let login = Policy::login().refund_when(|status| status.is_success());
    let service = serve(&RateLimitLayer::builder().policy(login).build().unwrap());
    assert_eq!(passed(&service, 50, || from("203.0.113.7")).await, 50);
}
