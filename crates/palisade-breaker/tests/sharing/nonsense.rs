//! Entries in Redis that are no news of breakers. A real Redis, and so real time.

use std::time::Duration;

use palisade_breaker::{BreakerHandle, BreakerLayer, PeerTrust, RedisSharing, SharingTask, State};
use redis::aio::MultiplexedConnection;

use crate::redis_server::{Server, eventually};

/// A process with two breakers, that open at the first failure.
async fn process(server: &Server, instance: &str) -> ([BreakerHandle; 2], SharingTask) {
    let breakers =
        ["billing", "search"].map(|name| BreakerLayer::new(name).failure_threshold(1).handle());
    let mut sharing = RedisSharing::new(server.client(), instance).trust(PeerTrust::Immediate);
    for breaker in &breakers {
        sharing = sharing.add_breaker(breaker.clone());
    }
    let task = sharing.spawn();
    eventually("connected", || task.is_connected()).await;
    (breakers, task)
}

fn trip(breaker: &BreakerHandle) {
    breaker.try_acquire().unwrap().failure();
}

async fn run(redis: &mut MultiplexedConnection, words: &[&[u8]]) {
    let mut command = redis::Cmd::new();
    words.iter().for_each(|word| {
        command.arg(*word);
    });
    let _: redis::Value = command.query_async(redis).await.unwrap();
}

#[tokio::test]
async fn a_message_that_is_no_text_is_passed_over() {
    let server = Server::start();
    let ([here, _], _here) = process(&server, "a").await;
    let ([there, _], task) = process(&server, "b").await;
    let mut redis = server.connection().await;
    run(
        &mut redis,
        &[
            b"PUBLISH",
            b"palisade:breaker:news",
            b"1 c opened \xff\xfe billing",
        ],
    )
    .await;
    // Less than it would take to connect anew.
    tokio::time::sleep(Duration::from_millis(25)).await;
    assert!(task.is_connected());
    trip(&here);
    eventually("heard", || there.state() == State::Open).await;
}

#[tokio::test]
async fn entries_that_are_none_are_passed_over() {
    let server = Server::start();
    let mut redis = server.connection().await;
    let set: &[u8] = b"palisade:breaker:{billing}";
    run(
        &mut redis,
        &[b"ZADD", set, b"+inf", b"\xff\xfe", b"+inf", b"for ever"],
    )
    .await;
    let ([here, other], here_task) = process(&server, "a").await;
    trip(&other);
    trip(&here);
    let ([there, other], task) = process(&server, "b").await;
    eventually("heard", || other.state() == State::Open).await;
    eventually("heard", || there.state() == State::Open).await;
    assert!(task.is_connected() && here_task.is_connected());
}

#[tokio::test]
async fn a_key_of_the_wrong_type_concerns_its_own_name_alone() {
    let server = Server::start();
    let mut redis = server.connection().await;
    let set: &[u8] = b"palisade:breaker:{billing}";
    run(&mut redis, &[b"SET", set, b"somebody else's"]).await;
    let ([billing, search], task) = process(&server, "a").await;
    let ([billing_there, search_there], _there) = process(&server, "b").await;
    trip(&search);
    eventually("heard", || search_there.state() == State::Open).await;
    // Even of the other one is told, which is only not remembered.
    trip(&billing);
    eventually("heard", || billing_there.state() == State::Open).await;
    let ([billing_late, search_late], _late) = process(&server, "c").await;
    eventually("remembered", || search_late.state() == State::Open).await;
    assert_eq!(billing_late.state(), State::Closed);
    assert!(task.is_connected());
    // As soon as the key is gone, the name is remembered as well.
    run(&mut redis, &[b"DEL", set]).await;
    tokio::time::sleep(Duration::from_secs(11)).await;
    let ([billing_later, _], _later) = process(&server, "d").await;
    eventually("remembered", || billing_later.state() == State::Open).await;
}
