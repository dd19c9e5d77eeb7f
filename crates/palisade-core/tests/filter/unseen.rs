//! Responses that concern no filter, or not all of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;

use http::Request;
use palisade_core::filter::{Filtered, SharedFilter};
use tower::{Service, ServiceExt, service_fn};

use crate::probe::{Log, Plan};
use crate::{hello, logged, pair, poll_once};

#[tokio::test]
async fn a_response_that_concerns_no_filter_meets_none() {
    let log = Log::default();
    let filters = pair(&log, Plan::PassUnseen, Plan::PassUnseen);
    let service = Filtered::new(logged(&log), filters);
    let response = service.oneshot(Request::new(())).await.unwrap();
    drop(response);
    let mut seen = log.take();
    // Which of the two is dropped first is nobody's business.
    seen[2..4].sort_unstable();
    assert_eq!(
        seen,
        [
            "outer request",
            "inner request",
            "inner drops",
            "outer drops",
            "service"
        ]
    );
}

#[tokio::test]
async fn a_response_that_concerns_one_filter_meets_all() {
    for (outer, inner) in [
        (Plan::Pass, Plan::PassUnseen),
        (Plan::PassUnseen, Plan::Pass),
    ] {
        let log = Log::default();
        let (filter, _reload) = SharedFilter::reloadable(pair(&log, outer, inner));
        let response = Filtered::new(logged(&log), filter)
            .oneshot(Request::new(()))
            .await;
        drop(response);
        assert_eq!(
            log.take()[..5],
            [
                "outer request",
                "inner request",
                "service",
                "inner response 200",
                "outer response 200"
            ]
        );
    }
}

#[tokio::test]
async fn so_it_is_after_a_wait() {
    let log = Log::default();
    let (filter, _reload) =
        SharedFilter::reloadable(pair(&log, Plan::PassUnseen, Plan::WaitUnseen));
    filter.read(|pair| pair.1.gate.set(true));
    let response = Filtered::new(logged(&log), filter)
        .oneshot(Request::new(()))
        .await;
    drop(response);
    let mut seen = log.take();
    seen[3..5].sort_unstable();
    assert_eq!(
        seen,
        [
            "outer request",
            "inner request",
            "inner resumes",
            "inner drops",
            "outer drops",
            "service"
        ]
    );
}

#[tokio::test]
async fn a_panic_after_it_is_no_failure_of_theirs() {
    let log = Log::default();
    let filters = pair(&log, Plan::PassUnseen, Plan::PassUnseen);
    let panicking = service_fn(
        async |_: Request<()>| -> Result<_, std::convert::Infallible> {
            match std::hint::black_box(true) {
                true => panic!("on purpose"),
                false => Ok(hello()),
            }
        },
    );
    let mut service = Filtered::new(panicking, filters);
    {
        let mut future = pin!(service.ready().await.unwrap().call(Request::new(())));
        let poll = AssertUnwindSafe(|| poll_once(future.as_mut()).is_ready());
        assert!(catch_unwind(poll).is_err());
    }
    assert_eq!(log.take().len(), 4, "two requests and two drops");
}
