use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::body::Body;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use tower::ServiceExt;

use super::*;

/// A router behind a cache, and how often its handler was asked.
fn router(
    respond: impl Fn(u32) -> Response + Clone + Send + Sync + 'static,
) -> (Router, Arc<AtomicU32>) {
    let asked = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&asked);
    let handler = move || {
        let (counted, respond) = (Arc::clone(&counted), respond.clone());
        async move {
            let nth = counted.fetch_add(1, Ordering::SeqCst);
            // Long enough for others to ask meanwhile, on paused time.
            tokio::time::sleep(Duration::from_millis(10)).await;
            respond(nth)
        }
    };
    let cache = AnswerCache::new(Duration::from_secs(60));
    let route = get(handler).route_layer(from_fn_with_state(cache, cached));
    (Router::new().route("/{name}", route), asked)
}

async fn ask(router: &Router, path: &str) -> (String, String) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.headers()[CACHE_STATUS]
        .to_str()
        .unwrap()
        .to_owned();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn with(name: &'static str, value: &'static str) -> Response {
    ([(name, value)], "hello").into_response()
}

#[tokio::test(start_paused = true)]
async fn who_asks_while_an_answer_is_made_waits_for_it() {
    let (router, asked) = router(|nth| format!("answer {nth}").into_response());
    let answers = futures_util::future::join_all((0..100).map(|_| ask(&router, "/a"))).await;
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert!(
        answers.iter().all(|(_, body)| body == "answer 0"),
        "{answers:?}"
    );
    let misses = answers
        .iter()
        .filter(|(status, _)| status == "gateway; fwd=miss; stored");
    assert_eq!(misses.count(), 1, "{answers:?}");
    assert_eq!(
        ask(&router, "/b").await.1,
        "answer 1",
        "another path has its own"
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_keeps_from_others_is_not_kept() {
    let cases: [fn() -> Response; 8] = [
        || with("set-cookie", "session=1"),
        || with("cache-control", "Private"),
        || with("cache-control", "max-age=60, no-store"),
        || with("cache-control", "no-cache"),
        || with("vary", "accept-language"),
        || StatusCode::NOT_FOUND.into_response(),
        || StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        || vec![b'x'; (64 << 10) + 1].into_response(),
    ];
    for (case, respond) in cases.into_iter().enumerate() {
        let (router, asked) = router(move |_| respond());
        // At once, and afterwards: nobody gets what was made for another.
        let answers = futures_util::future::join_all((0..3).map(|_| ask(&router, "/a"))).await;
        let again = ask(&router, "/a").await;
        assert_eq!(asked.load(Ordering::SeqCst), 4, "case {case}");
        for (status, _) in answers.iter().chain([&again]) {
            assert_eq!(status, "gateway; fwd=miss", "case {case}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_hangs_up_while_an_answer_is_made_leaves_it_to_the_next() {
    let (router, asked) = router(|nth| format!("answer {nth}").into_response());
    let (first, second) = (ask(&router, "/a"), ask(&router, "/a"));
    let gone = tokio::time::timeout(Duration::from_millis(5), first);
    let (gone, (_, answer)) = futures_util::future::join(gone, second).await;
    assert!(gone.is_err());
    assert_eq!(
        (answer.as_str(), asked.load(Ordering::SeqCst)),
        ("answer 1", 2)
    );
    assert!(ask(&router, "/a").await.0.starts_with("gateway; hit"));
}

#[tokio::test(start_paused = true)]
async fn paths_that_are_made_up_do_not_fill_the_memory() {
    let cache = AnswerCache::new(Duration::from_secs(60));
    let kept = |name: u32| {
        let answer = Answer {
            headers: HeaderMap::new(),
            body: Bytes::new(),
            made: now(),
        };
        cache.answers.insert(name.to_string(), Arc::new(answer))
    };
    for name in 0..1_000 {
        kept(name).await;
    }
    cache.answers.run_pending_tasks().await;
    assert!(cache.answers.entry_count() <= MOST);
}
