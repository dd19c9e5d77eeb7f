//! Requests that `BearerLayer` sends.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{Empty, Full};
use palisade_core::ResponseBody;
use palisade_secrets::{BearerLayer, Environment, Secrets, SecretsLayer};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::common::Store;

/// Answers with what it was sent as authorization.
#[allow(clippy::needless_pass_by_value, reason = "the signature of a service")]
fn echo(
    request: Request<()>,
) -> impl Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Clone {
    let seen = request.headers().get(header::AUTHORIZATION).cloned();
    let mut response = Response::new(Full::default());
    if let Some(seen) = seen {
        response.headers_mut().insert("x-seen", seen);
    }
    std::future::ready(Ok(response))
}

async fn sent(layer: &BearerLayer, request: Request<()>) -> Response<ResponseBody<Full<Bytes>>> {
    let mut service = layer.layer(service_fn(echo));
    service.ready().await.unwrap().call(request).await.unwrap()
}

async fn rotating(store: &Store) -> (Secrets, BearerLayer) {
    let secrets = Secrets::builder(Environment::Development)
        .provider(store.clone())
        .ttl(Duration::from_secs(100))
        .max_stale(Duration::from_secs(100))
        .build()
        .await
        .unwrap();
    let layer = BearerLayer::rotating(&secrets, "TOKEN");
    (secrets, layer)
}

#[tokio::test]
async fn the_token_takes_the_place_of_any_other() {
    let layer = BearerLayer::fixed("abc.DEF-123~+/==").unwrap();
    let request = Request::get("/")
        .header("authorization", "Basic x")
        .body(());
    let response = sent(&layer, request.unwrap()).await;
    let seen = &response.headers()["x-seen"];
    assert_eq!(seen, "Bearer abc.DEF-123~+/==");
    assert!(seen.is_sensitive());
}

#[test]
fn what_is_not_a_token_is_refused_without_being_shown() {
    for bad in [
        "",
        "=",
        "two words",
        "line\nbreak",
        "umlaut-\u{e4}",
        "a=b",
        "Bearer x",
    ] {
        let error = BearerLayer::fixed(bad).unwrap_err();
        assert_eq!(
            error.to_string(),
            "secret token: value is not a bearer token (RFC 6750, section 2.1)"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_rotated_token_is_used_from_the_next_read_on() {
    let store = Store::of([("TOKEN", "one")]);
    let (_, layer) = rotating(&store).await;
    for _ in 0..3 {
        let response = sent(&layer, Request::new(())).await;
        assert_eq!(response.headers()["x-seen"], "Bearer one");
    }
    store.set("TOKEN", "two");
    tokio::time::advance(Duration::from_secs(101)).await;
    let response = sent(&layer, Request::new(())).await;
    assert_eq!(response.headers()["x-seen"], "Bearer two");
    assert_eq!(store.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn without_a_token_nothing_is_sent() {
    let store = Store::of([]);
    let (_, layer) = rotating(&store).await;
    let response = sent(&layer, Request::new(())).await;
    assert_eq!(response.status(), 503);
    assert!(!response.headers().contains_key("x-seen"));

    store.broken(true);
    tokio::time::advance(Duration::from_secs(11)).await;
    assert_eq!(sent(&layer, Request::new(())).await.status(), 503);

    store.broken(false);
    store.set("TOKEN", "not a token");
    tokio::time::advance(Duration::from_secs(11)).await;
    assert_eq!(sent(&layer, Request::new(())).await.status(), 503);
}

#[tokio::test]
async fn off_passes_the_request_as_it_is() {
    let layer = BearerLayer::off().leak();
    let response = sent(&layer, Request::new(())).await;
    assert!(!response.headers().contains_key("x-seen"));
}

#[test]
fn what_the_layer_makes_may_be_shared_between_threads() {
    fn shared<T: Send + Sync + Clone + 'static>(_: T) {}
    let layer = BearerLayer::fixed("abc").unwrap();
    shared(layer.layer(()));
    shared(
        layer
            .repeat_unauthorized(|body: &String| Some(body.clone()))
            .layer(()),
    );
}

#[tokio::test]
async fn nothing_shows_the_token() {
    let store = Store::of([("TOKEN", "canary123")]);
    let (secrets, layer) = rotating(&store).await;
    let service = layer.layer(service_fn(echo));
    let shown = format!(
        "{:?} {layer:?} {service:?} {secrets:?} {:?} {:?}",
        BearerLayer::fixed("canary123").unwrap(),
        secrets.secret("TOKEN").await,
        SecretsLayer::new(secrets.clone()),
    );
    assert!(!shown.contains("canary123"), "{shown}");
}

#[tokio::test]
async fn a_handler_finds_the_secrets_in_its_request() {
    let store = Store::of([("TOKEN", "one")]);
    let (secrets, _) = rotating(&store).await;
    let handler = |request: Request<()>| async move {
        let found = Secrets::of(request.extensions()).is_some();
        let status = if found { 200 } else { 404 };
        let response = Response::builder().status(status);
        Ok::<_, Infallible>(response.body(Empty::<Bytes>::new()).unwrap())
    };
    let on = SecretsLayer::new(secrets).leak().layer(service_fn(handler));
    assert_eq!(on.oneshot(Request::new(())).await.unwrap().status(), 200);
    let off = SecretsLayer::off().layer(service_fn(handler));
    assert_eq!(off.oneshot(Request::new(())).await.unwrap().status(), 404);
}

mod repeated {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A server that takes one token and counts its requests.
    async fn asked(
        store: &Store,
        accepts: &'static str,
        body: &'static str,
    ) -> (u16, String, usize) {
        let (_, layer) = rotating(store).await;
        // Only a body that is not empty can be copied, in this test.
        let layer =
            layer.repeat_unauthorized(|body: &&'static str| (!body.is_empty()).then_some(*body));
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&requests);
        let service = layer.layer(service_fn(move |request: Request<&'static str>| {
            counted.fetch_add(1, Ordering::Relaxed);
            let good = request.headers()[header::AUTHORIZATION] == accepts;
            let mut response =
                Response::new(Full::new(Bytes::from_static(request.body().as_bytes())));
            *response.status_mut() = if good { 200 } else { 401 }.try_into().unwrap();
            std::future::ready(Ok::<_, Infallible>(response))
        }));
        // The token is known, and old enough for a complaint to be news.
        let warm = service.clone().oneshot(Request::new("warm")).await;
        drop(warm);
        tokio::time::advance(Duration::from_secs(10)).await;
        requests.store(0, Ordering::Relaxed);
        store.set("TOKEN", "two");
        let response = service.oneshot(Request::new(body)).await.unwrap();
        let status = response.status().as_u16();
        let body = http_body_util::BodyExt::collect(response.into_body())
            .await
            .unwrap();
        let body = String::from_utf8(body.to_bytes().to_vec()).unwrap();
        (status, body, requests.load(Ordering::Relaxed))
    }

    // Of an hour, so that no ordinary refresh comes in between.
    async fn rotating(store: &Store) -> (Secrets, BearerLayer) {
        let secrets = Secrets::builder(Environment::Development)
            .provider(store.clone())
            .ttl(Duration::from_secs(3_600))
            .build()
            .await
            .unwrap();
        let layer = BearerLayer::rotating(&secrets, "TOKEN");
        (secrets, layer)
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_request_is_sent_again_with_a_new_token_once() {
        let store = Store::of([("TOKEN", "one")]);
        assert_eq!(
            asked(&store, "Bearer two", "hello").await,
            (200, "hello".into(), 2)
        );
        let store = Store::of([("TOKEN", "one")]);
        assert_eq!(
            asked(&store, "Bearer three", "hello").await,
            (401, "hello".into(), 2)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn without_another_token_or_a_copy_it_is_sent_once() {
        let store = Store::of([("TOKEN", "two")]);
        assert_eq!(
            asked(&store, "Bearer x", "hello").await,
            (401, "hello".into(), 1)
        );
        let store = Store::of([("TOKEN", "one")]);
        assert_eq!(
            asked(&store, "Bearer two", "").await,
            (401, String::new(), 1)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_accepted_request_is_sent_once() {
        let store = Store::of([("TOKEN", "one")]);
        assert_eq!(
            asked(&store, "Bearer one", "hello").await,
            (200, "hello".into(), 1)
        );
    }
}
