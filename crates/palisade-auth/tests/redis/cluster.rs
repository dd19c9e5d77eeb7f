//! Every store of this crate in a Redis Cluster of three nodes, which the test starts for itself.

use std::collections::HashSet;
use std::time::Duration;

use crate::support::redis::Server;
use crate::support::{SECRET, clock, good_token, issuer, sent_back, through, with_cookie};
use http::{HeaderMap, Request};
use palisade_auth::revocation::{RedisRevocation, SubjectRevocation};
use palisade_auth::{
    ApiKeyOwner, AuthLayer, HmacKeys, JwtVerifier, RedisApiKeys, RedisRefreshTokens, RedisSessions,
    Refusal,
};
use palisade_core::{Principal, RequestScope};

const TIMEOUT: Duration = Duration::from_secs(20);

async fn cluster() -> [Server; 3] {
    let start = || Server::start_with(&["--cluster-enabled", "yes"]);
    let nodes = [start().await, start().await, start().await];
    let slots = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];
    for (node, (first, last)) in nodes.iter().zip(slots) {
        let _: String = node.ask(&["CLUSTER", "ADDSLOTSRANGE", first, last]).await;
        let port = nodes[0].port.to_string();
        let _: String = node.ask(&["CLUSTER", "MEET", "127.0.0.1", &port]).await;
    }
    for node in &nodes {
        for _ in 0..600 {
            let text: String = node.ask(&["CLUSTER", "INFO"]).await;
            if text.contains("cluster_state:ok") && text.contains("cluster_known_nodes:3") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    nodes
}

#[tokio::test]
async fn every_store_works_in_a_cluster_of_three_nodes() {
    let nodes = cluster().await;
    let urls = nodes
        .iter()
        .map(|node| format!("redis://127.0.0.1:{}/", node.port));
    let client = redis::cluster::ClusterClient::builder(urls)
        .response_timeout(TIMEOUT)
        .build()
        .unwrap();
    let connection = client.get_async_connection().await.unwrap();
    let secret = || HmacKeys::current(SECRET).unwrap();
    let revoked = RedisRevocation::new(connection.clone())
        .timeout(TIMEOUT)
        .clock(clock());
    let refresh = RedisRefreshTokens::new(secret(), connection.clone())
        .timeout(TIMEOUT)
        .revoking(revoked.clone());
    let sessions = RedisSessions::builder(secret(), connection.clone())
        .timeout(TIMEOUT)
        .build()
        .unwrap();
    let keys = RedisApiKeys::new("pal", secret(), connection)
        .unwrap()
        .timeout(TIMEOUT);
    let accounts = SubjectRevocation::new()
        .store(revoked.clone())
        .store(refresh.clone())
        .store(sessions.clone())
        .store(keys.clone());
    let jwt = JwtVerifier::builder()
        .issuer(issuer())
        .revocation(revoked)
        .clock(clock())
        .build()
        .unwrap();
    let layer = AuthLayer::new()
        .bearer(jwt.clone())
        .sessions(sessions.clone())
        .api_keys(keys.clone());
    let scope = RequestScope::detached();
    assert!(jwt.authenticate(&good_token()).await.is_ok());

    let mut proofs = Vec::new();
    for number in 0..20 {
        let name = if number == 0 {
            "alice".to_owned()
        } else {
            format!("u-{number}")
        };
        let user = Principal::user("bookings", &name);
        let token = refresh.begin(&user).await.unwrap();
        let token = refresh.rotate(token.as_str(), &scope).await.unwrap();
        let before = sessions.begin(&user, &HeaderMap::new()).await.unwrap();
        let before = with_cookie(&sent_back(&before));
        let cookie = sent_back(&sessions.begin(&user, before.headers()).await.unwrap());
        let key = keys.create(ApiKeyOwner::new(user)).await.unwrap();
        let key = keys.rotate(key.id()).await.unwrap().unwrap();
        proofs.push((
            name,
            token.as_str().to_owned(),
            cookie,
            key.as_str().to_owned(),
        ));
    }
    let with_key = |key: &str| Request::get("/").header("x-api-key", key).body(()).unwrap();
    for (name, _, cookie, key) in &proofs {
        assert_eq!(through(&layer, with_cookie(cookie)).await.status, 200);
        assert_eq!(through(&layer, with_key(key)).await.status, 200);
        assert_eq!(
            sessions.of_subject("bookings", name).await.unwrap().len(),
            1
        );
    }
    let mut used = HashSet::new();
    for (number, node) in nodes.iter().enumerate() {
        if node.ask::<u64>(&["DBSIZE"]).await > 0 {
            used.insert(number);
        }
    }
    assert_eq!(used.len(), 3, "users lie on all nodes");

    for (name, token, cookie, key) in &proofs {
        accounts.revoke("bookings", name, &scope).await.unwrap();
        let refused = refresh.rotate(token, &scope).await;
        assert_eq!(refused.err(), Some(Refusal::RefreshInvalid));
        assert_eq!(through(&layer, with_cookie(cookie)).await.status, 401);
        assert_eq!(through(&layer, with_key(key)).await.status, 401);
    }
    let refused = jwt.authenticate(&good_token()).await;
    assert_eq!(refused.err(), Some(Refusal::Revoked));
}
