//! The one service and the one future of all filters, and how two filters become one.

#![allow(missing_docs, reason = "tests")]

mod probe;
mod reload;
mod unseen;

use std::convert::Infallible;
use std::future::{Future, pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use palisade_core::filter::{
    Exchange, Filter, FilterLayer, Filtered, ReplaceBody, SharedFilter, Step,
};
use palisade_core::time;
use probe::{Log, Plan, Probe};
use tower::{Layer, Service, ServiceExt, service_fn};

type Words = Full<Bytes>;

fn hello() -> Response<Words> {
    Response::new(Full::new(Bytes::from_static(b"hello")))
}

/// A service that logs its calls.
fn logged(
    log: &Log,
) -> impl Service<Request<()>, Response = Response<Words>, Error = Infallible, Future: Unpin> + Clone
{
    let log = log.clone();
    service_fn(move |_: Request<()>| {
        log.note("service");
        ready(Ok(hello()))
    })
}

fn pair(log: &Log, outer: Plan, inner: Plan) -> (Probe, Probe) {
    (
        Probe::new("outer", outer, log),
        Probe::new("inner", inner, log),
    )
}

fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn requests_go_inwards_and_responses_outwards() {
    let log = Log::default();
    let filters = pair(&log, Plan::Pass, Plan::Pass);
    let response = Filtered::new(logged(&log), filters)
        .oneshot(Request::new(()))
        .await
        .unwrap();
    assert_eq!(
        log.take(),
        [
            "outer request",
            "inner request",
            "service",
            "inner response 200",
            "outer response 200"
        ]
    );
    drop(response.into_body().collect().await.unwrap());
    assert_eq!(
        log.take(),
        [
            "inner sees hello",
            "outer sees hello",
            "inner Complete",
            "outer Complete"
        ]
    );
}

#[tokio::test]
async fn an_answer_passes_the_filters_that_its_request_had_passed() {
    let log = Log::default();
    let filters = pair(&log, Plan::Pass, Plan::Answer);
    let response = Filtered::new(logged(&log), filters)
        .oneshot(Request::new(()))
        .await
        .unwrap();
    assert_eq!(response.status(), 418);
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "answered"
    );
    assert_eq!(
        log.take(),
        [
            "outer request",
            "inner request",
            "inner answers",
            "outer response 418",
            "outer sees answered",
            "outer Complete"
        ]
    );
}

#[tokio::test]
async fn an_answer_of_the_outer_filter_reaches_nobody_inside() {
    let log = Log::default();
    let filters = pair(&log, Plan::AnswerSeen, Plan::Pass);
    drop(
        Filtered::new(logged(&log), filters)
            .oneshot(Request::new(()))
            .await
            .unwrap(),
    );
    assert_eq!(
        log.take(),
        [
            "outer request",
            "outer answers",
            "outer response 418",
            "outer body dropped"
        ]
    );
}

#[tokio::test]
async fn whichever_filter_waits_the_next_goes_on_from_there() {
    let log = Log::default();
    for (outer, inner, expected) in [
        (
            Plan::Wait,
            Plan::Pass,
            &["outer request", "outer resumes", "inner request", "service"][..],
        ),
        (
            Plan::Pass,
            Plan::Wait,
            &["outer request", "inner request", "inner resumes", "service"],
        ),
        (
            Plan::Wait,
            Plan::Wait,
            &[
                "outer request",
                "outer resumes",
                "inner request",
                "inner resumes",
                "service",
            ],
        ),
    ] {
        let filters = pair(&log, outer, inner);
        let gates = [filters.0.gate.clone(), filters.1.gate.clone()];
        let mut service = Filtered::new(logged(&log), filters);
        let mut future = pin!(service.ready().await.unwrap().call(Request::new(())));
        while poll_once(future.as_mut()).is_pending() {
            // The gates open one at a time.
            let closed = gates.iter().find(|gate| !gate.get()).unwrap();
            closed.set(true);
        }
        let mut seen = log.take();
        seen.truncate(expected.len());
        assert_eq!(seen, expected, "{outer:?} {inner:?}");
    }
}

#[tokio::test]
async fn a_wait_may_end_in_an_answer() {
    let log = Log::default();
    let filters = pair(&log, Plan::Pass, Plan::WaitThenAnswer);
    filters.1.gate.set(true);
    let response = Filtered::new(logged(&log), filters)
        .oneshot(Request::new(()))
        .await
        .unwrap();
    assert_eq!(response.status(), 418);
    assert_eq!(
        log.take(),
        [
            "outer request",
            "inner request",
            "inner resumes",
            "inner answers",
            "outer response 418"
        ]
    );
}

#[tokio::test]
async fn a_request_dropped_while_it_waits_settles_what_is_kept() {
    let log = Log::default();
    let mut service = Filtered::new(logged(&log), pair(&log, Plan::Pass, Plan::Wait));
    {
        let mut future = pin!(service.ready().await.unwrap().call(Request::new(())));
        assert!(poll_once(future.as_mut()).is_pending());
    }
    assert_eq!(
        log.take(),
        ["outer request", "inner request", "outer drops"]
    );
}

#[tokio::test]
async fn a_request_dropped_while_it_runs_settles_what_is_kept() {
    let log = Log::default();
    let never = service_fn(|_: Request<()>| pending::<Result<Response<Words>, Infallible>>());
    let mut service = Filtered::new(never, pair(&log, Plan::Pass, Plan::Pass));
    {
        let mut future = pin!(service.ready().await.unwrap().call(Request::new(())));
        assert!(poll_once(future.as_mut()).is_pending());
    }
    assert_eq!(
        log.take(),
        [
            "outer request",
            "inner request",
            "outer drops",
            "inner drops"
        ]
    );
}

#[tokio::test]
async fn a_response_is_held_for_as_long_as_a_filter_says() {
    let log = Log::default();
    for held in ["inner", "outer"] {
        let plan = |name| if name == held { Plan::Hold } else { Plan::Pass };
        let filters = pair(&log, plan("outer"), plan("inner"));
        let gates = [filters.0.gate.clone(), filters.1.gate.clone()];
        let mut service = Filtered::new(logged(&log), filters);
        {
            let mut future = pin!(service.ready().await.unwrap().call(Request::new(())));
            assert!(poll_once(future.as_mut()).is_pending());
            assert!(poll_once(future.as_mut()).is_pending());
            assert_eq!(log.take(), ["outer request", "inner request", "service"]);
            gates.iter().for_each(|gate| gate.set(true));
            assert!(poll_once(future.as_mut()).is_ready());
        }
        assert_eq!(
            log.take(),
            [
                "inner response 200",
                "outer response 200",
                "outer body dropped",
                "inner body dropped"
            ]
        );
        gates.iter().for_each(|gate| gate.set(false));
        {
            let mut future = pin!(service.ready().await.unwrap().call(Request::new(())));
            assert!(poll_once(future.as_mut()).is_pending());
        }
        assert_eq!(
            log.take(),
            [
                "outer request",
                "inner request",
                "service",
                "outer drops",
                "inner drops"
            ],
            "dropped while it was held"
        );
    }
}

#[tokio::test]
async fn an_error_of_the_service_is_told_and_passed_on() {
    let log = Log::default();
    let failing = service_fn(|_: Request<()>| ready(Err::<Response<Words>, _>("broken")));
    let service = Filtered::new(failing, pair(&log, Plan::Pass, Plan::Pass));
    assert_eq!(
        service.oneshot(Request::new(())).await.unwrap_err(),
        "broken"
    );
    assert_eq!(
        log.take(),
        [
            "outer request",
            "inner request",
            "inner Error",
            "outer Error"
        ]
    );
}

#[tokio::test]
async fn a_panic_is_told_from_a_cancellation_even_once_it_was_caught() {
    let log = Log::default();
    let panicking = service_fn(|_: Request<()>| async {
        panic!("at work");
        #[allow(unreachable_code, reason = "says the type")]
        Ok::<_, Infallible>(hello())
    });
    let mut service = Filtered::new(panicking, pair(&log, Plan::Pass, Plan::Pass));
    {
        let mut future = Box::pin(service.ready().await.unwrap().call(Request::new(())));
        let caught = catch_unwind(AssertUnwindSafe(|| poll_once(future.as_mut()).is_ready()));
        assert!(caught.is_err());
    }
    assert_eq!(
        log.take(),
        [
            "outer request",
            "inner request",
            "inner Panic",
            "outer Panic"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn one_time_holds_until_a_wait_and_again_from_there() {
    let log = Log::default();
    let filters = pair(&log, Plan::Pass, Plan::Wait);
    let (outer, inner) = (filters.0.times.clone(), filters.1.times.clone());
    let gate = filters.1.gate.clone();
    let slow = service_fn(async |_: Request<()>| {
        tokio::time::sleep(Duration::from_secs(3)).await;
        Ok::<_, Infallible>(hello())
    });
    let began = time::now();
    let mut service = Filtered::new(slow, filters);
    let mut future = pin!(service.ready().await.unwrap().call(Request::new(())));
    tokio::time::advance(Duration::from_secs(2)).await;
    assert!(poll_once(future.as_mut()).is_pending());
    gate.set(true);
    future.await.unwrap();
    let after = |times: &[time::Instant]| -> Vec<u64> {
        times.iter().map(|at| (*at - began).as_secs()).collect()
    };
    assert_eq!(after(&outer.borrow()), [0, 5]);
    assert_eq!(after(&inner.borrow()), [0, 2, 5]);
}

/// A filter that never waits.
#[derive(Debug, Clone)]
struct Nothing;

impl Filter for Nothing {
    type Kept = ();
    type Wait = Infallible;
    type Watch = ();

    fn on_request<B>(&self, _: &mut Exchange, _: &mut Request<B>) -> Step<Self> {
        Step::Pass(())
    }

    fn on_response<B: ReplaceBody>(&self, _: &mut Exchange, (): (), _: &mut Response<B>) {}
}

#[tokio::test]
async fn a_filter_that_never_waits_asks_for_no_clone() {
    struct Once(Vec<u8>);
    impl Service<Request<()>> for Once {
        type Response = Response<Words>;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Response<Words>, Infallible>>;
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }
        fn call(&mut self, _: Request<()>) -> Self::Future {
            ready(Ok(Response::new(Full::new(Bytes::from(std::mem::take(
                &mut self.0,
            ))))))
        }
    }
    let filters = SharedFilter::new((Nothing, (Nothing, Nothing)));
    let service = FilterLayer::new(filters.leak()).layer(Once(b"once".to_vec()));
    let response = service.oneshot(Request::new(())).await.unwrap();
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "once"
    );
}

#[tokio::test]
async fn a_body_that_is_not_read_to_its_end_is_told_by_a_drop() {
    let log = Log::default();
    let service = Filtered::new(logged(&log), Probe::new("only", Plan::Pass, &log));
    let response = service.oneshot(Request::new(())).await.unwrap();
    log.take();
    drop(response);
    assert_eq!(log.take(), ["only body dropped"]);
}
