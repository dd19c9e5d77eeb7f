//! A filter that is replaced while requests are under way.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use http::{HeaderValue, Request, Response};
use palisade_core::filter::{Exchange, Filter, FilterLayer, ReplaceBody, SharedFilter, Step};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::{Words, hello};

/// Marks requests and responses with a number, which must be the same on both.
#[derive(Debug, Clone)]
struct Mark {
    number: u64,
    alive: Arc<AtomicU64>,
}

impl Mark {
    fn new(number: u64, alive: &Arc<AtomicU64>) -> Self {
        alive.fetch_add(1, Ordering::Relaxed);
        let alive = Arc::clone(alive);
        Self { number, alive }
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Filter for Mark {
    type Kept = u64;
    type Wait = Infallible;
    type Watch = ();

    fn on_request<B>(&self, _: &mut Exchange, request: &mut Request<B>) -> Step<Self> {
        request
            .headers_mut()
            .insert("mark", HeaderValue::from(self.number));
        Step::Pass(self.number)
    }

    fn on_response<B: ReplaceBody>(&self, _: &mut Exchange, kept: u64, response: &mut Response<B>) {
        assert_eq!(kept, self.number, "a request keeps its filter");
        response
            .headers_mut()
            .insert("mark", HeaderValue::from(kept));
    }
}

fn mark<B>(response: &Response<B>) -> u64 {
    response.headers()["mark"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap()
}

#[tokio::test]
async fn a_request_keeps_its_filter_and_the_next_has_the_new_one() {
    let alive = Arc::new(AtomicU64::new(0));
    let (filter, reload) = SharedFilter::reloadable(Mark::new(1, &alive));
    let (open, opened) = tokio::sync::oneshot::channel::<()>();
    let mut opened = Some(opened);
    let service = FilterLayer::new(filter).layer(service_fn(move |_: Request<()>| {
        let opened = opened.take();
        async move {
            if let Some(opened) = opened {
                let _ = opened.await;
            }
            Ok::<Response<Words>, Infallible>(hello())
        }
    }));
    let mut service = service;
    let first = tokio::spawn(service.ready().await.unwrap().call(Request::new(())));
    tokio::task::yield_now().await;
    reload.replace(Mark::new(2, &alive));
    let second = service
        .ready()
        .await
        .unwrap()
        .call(Request::new(()))
        .await
        .unwrap();
    assert_eq!(mark(&second), 2);
    open.send(()).unwrap();
    assert_eq!(mark(&first.await.unwrap().unwrap()), 1);
    assert_eq!(
        alive.load(Ordering::Relaxed),
        1,
        "what was replaced is freed"
    );
}

#[test]
fn under_load_every_request_meets_exactly_one_filter_and_none_is_lost() {
    const SWAPS: u64 = 1_000;
    let alive = Arc::new(AtomicU64::new(0));
    let (filter, reload) = SharedFilter::reloadable(Mark::new(0, &alive));
    let service = FilterLayer::new(filter.leak()).layer(service_fn(async |request: Request<()>| {
        let seen = request.headers()["mark"].clone();
        let mut response = hello();
        response.headers_mut().insert("seen", seen);
        Ok::<Response<Words>, Infallible>(response)
    }));
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let workers: Vec<_> = (0..2)
            .map(|_| {
                threads.spawn(|| {
                    let mut count = 0;
                    let mut last = 0;
                    while !done.load(Ordering::Acquire) || count < 50_000 {
                        let call = service.clone().oneshot(Request::new(()));
                        let response = tokio_test::block_on(call).unwrap();
                        assert_eq!(response.headers()["seen"], response.headers()["mark"]);
                        let now = mark(&response);
                        assert!(now >= last, "time does not run backwards");
                        last = now;
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        for number in 1..=SWAPS {
            reload.replace(Mark::new(number, &alive));
            std::thread::yield_now();
        }
        done.store(true, Ordering::Release);
        let served: u64 = workers
            .into_iter()
            .map(|worker| worker.join().unwrap())
            .sum();
        assert!(served >= 100_000, "{served}");
    });
    let last = tokio_test::block_on(service.clone().oneshot(Request::new(()))).unwrap();
    assert_eq!(mark(&last), SWAPS);
    assert_eq!(
        alive.load(Ordering::Relaxed),
        1,
        "what was replaced is freed"
    );
}
