//! Answers that are kept for everybody.

use std::time::Duration;

use http::HeaderMap;
use serde_json::Value;

use crate::support::{Gateway, hardened};

/// Asks for what everybody may know: the headers, and when the answer was made.
async fn public(
    gateway: &Gateway,
    query: &str,
    header: Option<(&str, &str)>,
) -> (HeaderMap, Value) {
    let mut request = gateway
        .client
        .get(gateway.at(&format!("/api/public{query}")));
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    let (status, headers, body) = hardened(request.send().await.unwrap()).await;
    assert_eq!(status, 200);
    (headers, body["as_of"].clone())
}

#[tokio::test]
async fn an_answer_for_everybody_is_kept_and_every_request_is_counted_and_named() {
    let gateway = Gateway::start();
    // The head alone fills the cache too, with a whole answer.
    let head = gateway.client.head(gateway.at("/api/public"));
    let head = head.send().await.unwrap();
    assert_eq!(head.headers()["cache-status"], "gateway; fwd=miss; stored");
    tokio::time::sleep(Duration::from_millis(1_100)).await;

    let (first, as_of) = public(&gateway, "", None).await;
    assert!(as_of.is_string(), "{as_of}");
    let status = first["cache-status"].to_str().unwrap();
    assert!(status.starts_with("gateway; hit; ttl=5"), "{status}");
    assert!(first["age"].to_str().unwrap().parse::<u32>().unwrap() >= 1);
    // The time at which it was made is no later than the head's, whose second is over.
    let (second, same) = public(&gateway, "?made=up", None).await;
    assert_eq!(same, as_of);

    // Outside of the cache each request has its own.
    assert_ne!(first["x-request-id"], second["x-request-id"]);
    assert_ne!(head.headers()["x-request-id"], first["x-request-id"]);
    let remaining = |headers: &HeaderMap| -> u32 {
        let remaining = headers["x-ratelimit-remaining"].to_str().unwrap();
        remaining.parse().unwrap()
    };
    assert_eq!(
        [head.headers(), &first, &second].map(remaining),
        [99, 98, 97]
    );
}

#[tokio::test]
async fn what_says_who_asks_is_neither_kept_nor_answered_from_the_cache() {
    let gateway = Gateway::start();
    let key = gateway.api_key.clone();
    for header in [
        ("authorization", "Bearer a.b.c"),
        ("x-api-key", &*key),
        ("cookie", "session=1"),
    ] {
        let (headers, _) = public(&gateway, "", Some(header)).await;
        assert_eq!(headers["cache-status"], "gateway; fwd=bypass", "{header:?}");
    }
    let (headers, _) = public(&gateway, "", None).await;
    assert_eq!(headers["cache-status"], "gateway; fwd=miss; stored");
    let (headers, _) = public(&gateway, "", Some(("cookie", "session=1"))).await;
    assert_eq!(headers["cache-status"], "gateway; fwd=bypass");
}

#[tokio::test]
async fn a_kept_answer_ends_with_its_time_to_live() {
    let gateway = Gateway::start_with(&[("PUBLIC_CACHE_TTL_SEC", "1")]);
    let (_, as_of) = public(&gateway, "", None).await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let (headers, later) = public(&gateway, "", None).await;
    assert_eq!(headers["cache-status"], "gateway; fwd=miss; stored");
    assert_ne!(later, as_of);
}
