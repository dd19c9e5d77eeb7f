//! API keys in Redis, against servers that the tests start for themselves.

use std::time::Duration;

use crate::support::redis::Server;
use crate::support::{Clock, NOW, SECRET, through};
use http::Request;
use palisade_auth::websocket::Tickets;
use palisade_auth::{
    ApiKeyInfo, ApiKeyOwner, AuthLayer, HmacKeys, MemoryApiKeys, RedisApiKeys, Refusal,
};
use palisade_core::Principal;
use palisade_core::time::UnixTime;

/// A timeout that holds on a machine which is busy with other tests.
async fn keys(server: &Server, clock: &Clock) -> RedisApiKeys {
    let secret = HmacKeys::current(SECRET).unwrap();
    RedisApiKeys::new("pal", secret, server.connection().await)
        .unwrap()
        .timeout(Duration::from_secs(5))
        .clock(clock.wall())
}

fn layer(keys: &RedisApiKeys) -> AuthLayer {
    AuthLayer::new().api_keys(keys.clone())
}

fn partner() -> Principal {
    Principal::service("bookings", "partner")
        .scopes(["read"])
        .roles(["user"])
}

fn with_key(key: &str) -> Request<()> {
    Request::get("/").header("x-api-key", key).body(()).unwrap()
}

async fn reason(layer: &AuthLayer, key: &str) -> (u16, Option<&'static str>) {
    let answered = through(layer, with_key(key)).await;
    let reason = (answered.status != 200).then(|| answered.reason());
    (answered.status, reason)
}

#[tokio::test]
async fn a_key_made_at_one_instance_speaks_for_its_owner_at_another() {
    let (server, clock) = (Server::start().await, Clock::default());
    let (here, there) = (keys(&server, &clock).await, keys(&server, &clock).await);
    let owner = ApiKeyOwner::new(partner().tenant("acme")).requests_per_minute(90);
    let key = here.create(owner).await.unwrap();
    let layer = layer(&there).status(|principal| {
        assert!(principal.has_scope("read") && principal.has_role("user"));
        assert_eq!(principal.tenant_name(), Some("acme"));
        let info = principal.claims_as::<ApiKeyInfo>().unwrap();
        assert_eq!(info.requests_per_minute, Some(90));
        palisade_auth::AccountStatus::Active
    });
    let answered = through(&layer, with_key(key.as_str())).await;
    assert_eq!(
        (answered.status, &*answered.body),
        (200, "service partner of api-key")
    );
    let record = there.record(key.id()).await.unwrap().unwrap();
    assert_eq!((record.id(), record.owner_issuer()), (key.id(), "bookings"));
    assert_eq!(there.revoke(key.id()).await, Ok(true));
    assert_eq!(there.revoke(key.id()).await, Ok(false));
    let gone = reason(&self::layer(&here), key.as_str()).await;
    assert_eq!(gone, (401, Some("key_unknown")));
}

#[tokio::test]
async fn two_secrets_live_while_a_key_in_redis_is_rotated() {
    let (server, clock) = (Server::start().await, Clock::default());
    let keys = keys(&server, &clock).await;
    let layer = layer(&keys);
    let first = keys.create(ApiKeyOwner::new(partner())).await.unwrap();
    let second = keys.rotate(first.id()).await.unwrap().unwrap();
    assert_eq!(second.id(), first.id());
    assert_eq!(second.record().digests().len(), 2);
    assert_eq!(reason(&layer, first.as_str()).await.0, 200);
    assert_eq!(reason(&layer, second.as_str()).await.0, 200);
    let third = keys.rotate(first.id()).await.unwrap().unwrap();
    assert_eq!(reason(&layer, first.as_str()).await.0, 401);
    assert_eq!(reason(&layer, second.as_str()).await.0, 200);
    assert_eq!(keys.retire(first.id()).await, Ok(true));
    assert_eq!(keys.retire(first.id()).await, Ok(false));
    assert_eq!(reason(&layer, second.as_str()).await.0, 401);
    assert_eq!(reason(&layer, third.as_str()).await.0, 200);
    for unknown in ["AAAAAAAAAAAA", "no id", ""] {
        assert!(keys.rotate(unknown).await.unwrap().is_none(), "{unknown}");
        assert_eq!(keys.retire(unknown).await, Ok(false));
    }
}

#[tokio::test]
async fn the_last_use_of_a_key_is_known_to_all_and_a_guess_is_none() {
    let (server, clock) = (Server::start().await, Clock::default());
    let (here, there) = (keys(&server, &clock).await, keys(&server, &clock).await);
    let key = here.create(ApiKeyOwner::new(partner())).await.unwrap();
    let elsewhere = MemoryApiKeys::new("pal").unwrap();
    elsewhere.insert(key.record().clone());
    let guess = elsewhere.rotate(key.id()).unwrap().unwrap();
    assert_eq!(reason(&layer(&here), guess.as_str()).await.0, 401);
    assert_eq!(there.last_used(key.id()).await, Ok(None));
    clock.pass(7);
    assert_eq!(reason(&layer(&here), key.as_str()).await.0, 200);
    let used = Ok(Some(UnixTime::from_secs(NOW + 7)));
    assert_eq!(there.last_used(key.id()).await, used);
    // An instance whose clock is behind does not set it back.
    let behind = keys(&server, &Clock::default()).await;
    assert_eq!(reason(&layer(&behind), key.as_str()).await.0, 200);
    assert_eq!(there.last_used(key.id()).await, used);
    assert_eq!(there.last_used("AAAAAAAAAAAA").await, Ok(None));
}

#[tokio::test]
async fn a_key_in_redis_expires_and_is_forgotten_a_day_later() {
    let (server, clock) = (Server::start().await, Clock::default());
    let keys = keys(&server, &clock).await;
    let owner = ApiKeyOwner::new(partner()).expires_at(UnixTime::from_secs(NOW + 60));
    let key = keys.create(owner).await.unwrap();
    assert_eq!(reason(&layer(&keys), key.as_str()).await.0, 200);
    clock.pass(60);
    let expired = reason(&layer(&keys), key.as_str()).await;
    assert_eq!(expired, (401, Some("key_expired")));
    let names: Vec<String> = server.ask(&["KEYS", "*:key:*"]).await;
    let forgotten: u64 = server.ask(&["EXPIRETIME", &names[0]]).await;
    assert_eq!(forgotten, NOW + 60 + 86_400);
}

#[tokio::test]
async fn every_key_of_a_subject_in_redis_ends_with_the_subject() {
    let (server, clock) = (Server::start().await, Clock::default());
    let (here, there) = (keys(&server, &clock).await, keys(&server, &clock).await);
    let make = async |owner: Principal| here.create(ApiKeyOwner::new(owner)).await.unwrap();
    let ours = [make(partner()).await, make(partner()).await];
    let namesake = make(Principal::service("other", "partner")).await;
    let bob = make(Principal::user("bookings", "bob")).await;
    assert_eq!(there.revoke_subject("nobody", "partner").await, Ok(0));
    assert_eq!(there.revoke_subject("bookings", "partner").await, Ok(2));
    assert_eq!(there.revoke_subject("bookings", "partner").await, Ok(0));
    for key in &ours {
        assert_eq!(reason(&layer(&here), key.as_str()).await.0, 401);
    }
    assert_eq!(reason(&layer(&here), namesake.as_str()).await.0, 200);
    assert_eq!(there.revoke_subject("api-key", "partner").await, Ok(1));
    assert_eq!(reason(&layer(&here), namesake.as_str()).await.0, 401);
    assert_eq!(reason(&layer(&here), bob.as_str()).await.0, 200);
    let names: Vec<String> = server.ask(&["KEYS", "*"]).await;
    assert!(names.iter().all(|name| !name.contains("bob")), "{names:?}");
}

#[tokio::test]
async fn who_can_write_to_redis_cannot_make_up_a_key_or_a_scope() {
    let (server, clock) = (Server::start().await, Clock::default());
    let keys = keys(&server, &clock).await;
    let layer = layer(&keys);
    let key = keys.create(ApiKeyOwner::new(partner())).await.unwrap();
    let mallory = Principal::service("bookings", "mallory");
    let other = keys.create(ApiKeyOwner::new(mallory)).await.unwrap();
    let name = format!("{{palisade:api-keys}}:key:{}", key.id());
    let name_of_other = format!("{{palisade:api-keys}}:key:{}", other.id());
    let owner: String = server.ask(&["HGET", &name, "owner"]).await;
    let secret: String = server.ask(&["HGET", &name, "secret"]).await;
    let everything: Vec<String> = server.ask(&["HGETALL", &name]).await;
    let text = &key.as_str()[17..49];
    assert!(everything.iter().all(|kept| !kept.contains(text)));

    let forged = owner.replace(r#"["read"]"#, r#"["write"]"#);
    assert_ne!(forged, owner);
    let _: i64 = server.ask(&["HSET", &name, "owner", &forged]).await;
    assert_eq!(reason(&layer, key.as_str()).await.0, 401);
    let _: i64 = server.ask(&["HSET", &name_of_other, "owner", &owner]).await;
    assert_eq!(reason(&layer, other.as_str()).await.0, 401);
    // The digest of a secret that is known, with a MAC of another key's secret or with none.
    let _: i64 = server.ask(&["HSET", &name, "owner", &owner]).await;
    let of_other: String = server.ask(&["HGET", &name_of_other, "secret"]).await;
    let known = secret.split_once('.').unwrap().1;
    for forged in [of_other.clone(), format!("AAAA.{known}"), known.to_owned()] {
        let _: i64 = server.ask(&["HSET", &name, "secret", &forged]).await;
        assert_eq!(reason(&layer, key.as_str()).await.0, 401, "{forged}");
    }
    let _: i64 = server.ask(&["HSET", &name, "secret", &secret]).await;
    assert_eq!(reason(&layer, key.as_str()).await.0, 200);
}

#[tokio::test]
async fn redis_killed_and_restarted_refuses_keys_with_503_and_then_knows_them_again() {
    let (mut server, clock) = (Server::that_persists().await, Clock::default());
    let keys = keys(&server, &clock).await;
    let layer = layer(&keys);
    let key = keys.create(ApiKeyOwner::new(partner())).await.unwrap();
    let ended = keys.create(ApiKeyOwner::new(partner())).await.unwrap();
    keys.revoke(ended.id()).await.unwrap();
    server.kill();
    let refused = reason(&layer, key.as_str()).await;
    assert_eq!(refused, (503, Some("store_unavailable")));
    let malformed = reason(&layer, &format!("{}0", key.as_str())).await;
    assert_eq!(malformed, (401, Some("key_malformed")), "nobody was asked");
    let away = Some(Refusal::StoreUnavailable);
    assert_eq!(keys.revoke(key.id()).await.err(), away);
    assert_eq!(keys.revoke_subject("bookings", "partner").await.err(), away);
    assert_eq!(keys.last_used(key.id()).await.err(), away);
    assert!(keys.create(ApiKeyOwner::new(partner())).await.is_err());
    assert!(keys.rotate(key.id()).await.is_err());

    server.restart().await;
    while reason(&layer, key.as_str()).await.0 == 503 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(reason(&layer, key.as_str()).await.0, 200);
    assert_eq!(reason(&layer, ended.as_str()).await.0, 401);
}

#[tokio::test]
async fn a_ticket_is_void_once_its_key_in_redis_is_gone() {
    let (server, clock) = (Server::start().await, Clock::default());
    let keys = keys(&server, &clock).await;
    let key = keys.create(ApiKeyOwner::new(partner())).await.unwrap();
    let tickets = Tickets::with_clock(clock.wall());
    let layer = layer(&keys).tickets(tickets.clone());
    let principal = std::sync::Arc::new(key.record().principal().clone());
    let opening = |ticket: &str| {
        Request::get(format!("/ws?ticket={ticket}"))
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .body(())
            .unwrap()
    };
    let good = tickets.issue(std::sync::Arc::clone(&principal)).unwrap();
    assert_eq!(through(&layer, opening(&good)).await.status, 200);
    assert_eq!(keys.last_used(key.id()).await, Ok(None), "no use of it");
    let ticket = tickets.issue(principal).unwrap();
    keys.revoke(key.id()).await.unwrap();
    assert_eq!(through(&layer, opening(&ticket)).await.status, 401);
}

#[tokio::test]
async fn keys_that_were_kept_elsewhere_move_to_redis() {
    let (server, clock) = (Server::start().await, Clock::default());
    let keys = keys(&server, &clock).await;
    let memory = MemoryApiKeys::new("pal").unwrap();
    let first = memory.create(ApiKeyOwner::new(partner())).unwrap();
    let second = memory.rotate(first.id()).unwrap().unwrap();
    keys.insert(second.record()).await.unwrap();
    for key in [&first, &second] {
        assert_eq!(reason(&layer(&keys), key.as_str()).await.0, 200);
    }
    // Once more replaces it.
    keys.insert(first.record()).await.unwrap();
    assert_eq!(reason(&layer(&keys), first.as_str()).await.0, 200);
    assert_eq!(reason(&layer(&keys), second.as_str()).await.0, 401);
    assert!(
        RedisApiKeys::new(
            "P",
            HmacKeys::current(SECRET).unwrap(),
            server.connection().await
        )
        .is_err()
    );
}
