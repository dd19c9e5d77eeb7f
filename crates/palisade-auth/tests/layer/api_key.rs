//! API keys through the layer.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use crate::support::{NOW, get, through};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use palisade_auth::{
    ApiKeyInfo, ApiKeyOwner, ApiKeyRecord, ApiKeys, AuthLayer, MemoryApiKeys, Refusal,
};
use palisade_core::Principal;
use palisade_core::time::{UnixTime, WallClock};
use tower::{Layer, Service, ServiceExt};

fn owner() -> ApiKeyOwner {
    ApiKeyOwner::new(Principal::service("any", "partner").scopes(["read"]))
}

fn with_key(key: &str) -> Request<()> {
    Request::get("/").header("x-api-key", key).body(()).unwrap()
}

async fn reason(layer: &AuthLayer, key: &str) -> &'static str {
    let answered = through(layer, with_key(key)).await;
    assert_eq!(answered.status, 401, "{}", answered.body);
    answered.reason()
}

#[tokio::test]
async fn a_key_speaks_for_its_owner() {
    let keys = MemoryApiKeys::new("pal").unwrap();
    let key = keys.create(owner()).unwrap();
    let layer = AuthLayer::new().api_keys(keys);
    assert_eq!(
        through(&layer, with_key(key.as_str())).await.body,
        "service partner of api-key"
    );
    assert_eq!(through(&layer, get("/")).await.status, 401);
    let both = Request::get("/")
        .header("x-api-key", key.as_str())
        .header("authorization", "Bearer abc")
        .body(())
        .unwrap();
    assert_eq!(through(&layer, both).await.reason(), "several_credentials");
    assert!(!format!("{key:?} {layer:?}").contains(key.as_str()));
}

#[tokio::test]
async fn keys_that_do_not_hold_are_refused() {
    let keys = MemoryApiKeys::new("pal").unwrap();
    let stranger = MemoryApiKeys::new("pal").unwrap().create(owner()).unwrap();
    let layer = AuthLayer::new().api_keys(keys.clone());
    assert_eq!(reason(&layer, "nonsense").await, "key_malformed");
    assert_eq!(reason(&layer, stranger.as_str()).await, "key_unknown");
    // The id of one key with the secret of another: both are well formed.
    let mine = keys.create(owner()).unwrap();
    let record = ApiKeyRecord::stored(mine.id(), stranger.record().digests().to_vec(), &owner());
    keys.insert(record);
    assert_eq!(reason(&layer, mine.as_str()).await, "key_unknown");
}

#[tokio::test]
async fn two_secrets_live_while_a_key_is_rotated() {
    let keys = MemoryApiKeys::new("pal").unwrap();
    let layer = AuthLayer::new().api_keys(keys.clone());
    let first = keys.create(owner()).unwrap();
    let second = keys.rotate(first.id()).unwrap().unwrap();
    assert_eq!(first.id(), second.id());
    for key in [&first, &second] {
        assert_eq!(through(&layer, with_key(key.as_str())).await.status, 200);
    }
    let third = keys.rotate(first.id()).unwrap().unwrap();
    assert_eq!(reason(&layer, first.as_str()).await, "key_unknown");
    assert!(keys.retire(first.id()));
    assert_eq!(reason(&layer, second.as_str()).await, "key_unknown");
    assert_eq!(through(&layer, with_key(third.as_str())).await.status, 200);
    assert!(keys.revoke(first.id()));
    assert_eq!(reason(&layer, third.as_str()).await, "key_unknown");
    assert!(keys.rotate("missing").unwrap().is_none());
}

#[tokio::test]
async fn a_key_expires_and_says_when_it_was_used() {
    let seconds = Arc::new(AtomicU64::new(NOW));
    let read = Arc::clone(&seconds);
    let clock = WallClock::from_fn(move || UnixTime::from_secs(read.load(Ordering::Relaxed)));
    let keys = MemoryApiKeys::with_clock("pal", clock).unwrap();
    let layer = AuthLayer::new().api_keys(keys.clone());
    let key = keys
        .create(owner().expires_at(UnixTime::from_secs(NOW + 10)))
        .unwrap();
    seconds.store(NOW + 9, Ordering::Relaxed);
    assert_eq!(through(&layer, with_key(key.as_str())).await.status, 200);
    assert_eq!(
        keys.take_used(),
        [(key.id().to_owned(), UnixTime::from_secs(NOW + 9))]
    );
    seconds.store(NOW + 10, Ordering::Relaxed);
    assert_eq!(reason(&layer, key.as_str()).await, "key_expired");
    assert!(
        keys.take_used().is_empty(),
        "told once, and a refusal is no use"
    );
}

#[tokio::test]
async fn a_limiter_can_read_the_keys_own_limit() {
    let keys = MemoryApiKeys::new("pal").unwrap();
    let key = keys.create(owner().requests_per_minute(30)).unwrap();
    let info: &ApiKeyInfo = key.record().principal().claims_as().unwrap();
    assert_eq!((&*info.id, info.requests_per_minute), (key.id(), Some(30)));
}

#[test]
fn prefixes_are_short_and_plain() {
    for bad in ["", "p", "Pal", "pal_", "averylongprefix"] {
        assert!(MemoryApiKeys::new(bad).is_err(), "{bad}");
    }
}

/// Panics when it is called without having been polled ready, as some services do.
struct Strict {
    ready: bool,
    calls: Arc<AtomicUsize>,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self {
            ready: false,
            calls: Arc::clone(&self.calls),
        }
    }
}

impl Service<Request<()>> for Strict {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Full<Bytes>>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        assert!(
            std::mem::take(&mut self.ready),
            "called before it was ready"
        );
        self.calls.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Ok(Response::new(Full::default())))
    }
}

#[tokio::test]
async fn a_loader_is_asked_by_id_and_the_ready_service_waits() {
    let key = MemoryApiKeys::new("pal").unwrap().create(owner()).unwrap();
    let (record, asked) = (key.record().clone(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&asked);
    let keys = ApiKeys::loader("pal", move |id| {
        count.fetch_add(1, Ordering::Relaxed);
        let found = (id == record.id()).then(|| record.clone());
        async move {
            tokio::task::yield_now().await;
            Ok(found)
        }
    })
    .unwrap();
    let layer = AuthLayer::new().api_keys(keys);
    let calls = Arc::new(AtomicUsize::new(0));
    let mut service = layer.layer(Strict {
        ready: false,
        calls: Arc::clone(&calls),
    });
    for _ in 0..2 {
        let response = service
            .ready()
            .await
            .unwrap()
            .call(with_key(key.as_str()))
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
    }
    assert_eq!(calls.load(Ordering::Relaxed), 2);

    let dropped = service.ready().await.unwrap().call(with_key(key.as_str()));
    drop(dropped);
    assert_eq!(reason(&layer, "pal_nonsense").await, "key_malformed");
    assert_eq!(
        asked.load(Ordering::Relaxed),
        3,
        "nobody asks about a malformed key"
    );
    let stranger = MemoryApiKeys::new("pal").unwrap().create(owner()).unwrap();
    assert_eq!(reason(&layer, stranger.as_str()).await, "key_unknown");
}

#[tokio::test]
async fn a_loader_that_cannot_answer_is_a_503() {
    let key = MemoryApiKeys::new("pal").unwrap().create(owner()).unwrap();
    let keys = ApiKeys::loader("pal", |_| async { Err(Refusal::StoreUnavailable) }).unwrap();
    let answered = through(
        &AuthLayer::new().api_keys(keys).optional(),
        with_key(key.as_str()),
    )
    .await;
    assert_eq!(
        (answered.status, answered.reason()),
        (503, "store_unavailable")
    );
}

#[tokio::test]
async fn a_loader_that_answers_with_the_record_of_another_key_is_not_believed() {
    let key = MemoryApiKeys::new("pal").unwrap().create(owner()).unwrap();
    let digests = key.record().digests().to_vec();
    let keys = ApiKeys::loader("pal", move |_| {
        let record = ApiKeyRecord::stored("another", digests.clone(), &owner());
        async move { Ok(Some(record)) }
    })
    .unwrap();
    let layer = AuthLayer::new().api_keys(keys);
    assert_eq!(reason(&layer, key.as_str()).await, "key_unknown");
}

#[tokio::test]
async fn every_key_of_a_subject_ends_with_the_subject() {
    use palisade_auth::revocation::SubjectRevocation;
    use palisade_core::RequestScope;

    let keys = MemoryApiKeys::new("pal").unwrap();
    let of = |issuer: &str, subject: &str| {
        keys.create(ApiKeyOwner::new(Principal::user(issuer, subject)))
            .unwrap()
    };
    let (first, second) = (of("bookings", "alice"), of("bookings", "alice"));
    let (elsewhere, bob) = (of("https://idp.example/", "alice"), of("bookings", "bob"));
    assert_eq!(first.record().owner_issuer(), "bookings");
    let layer = AuthLayer::new().api_keys(keys.clone());

    let accounts = SubjectRevocation::new().store(keys.clone());
    let scope = RequestScope::detached();
    accounts.revoke("bookings", "alice", &scope).await.unwrap();
    for ended in [first, second] {
        assert_eq!(reason(&layer, ended.as_str()).await, "key_unknown");
    }
    for other in [&elsewhere, &bob] {
        let answered = through(&layer, with_key(other.as_str())).await;
        assert_eq!(answered.status, 200);
    }
    assert_eq!(
        keys.revoke_subject(ApiKeys::ISSUER, "alice"),
        1,
        "the principal of the key itself"
    );
}
