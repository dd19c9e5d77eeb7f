//! As many requests, as many records and counted gaps, however requests end.

mod support;

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use palisade_audit::{Audit, AuditLayer, RollingFile};
use serde_json::Value;
use tower::{Layer, Service, ServiceExt, service_fn};

/// Answers, hangs or panics, as the path says.
fn handler() -> impl Service<
    Request<()>,
    Response = Response<Full<Bytes>>,
    Error = &'static str,
    Future = impl Future<Output = Result<Response<Full<Bytes>>, &'static str>> + Send,
> + Clone
+ Send {
    service_fn(async |request: Request<()>| match request.uri().path() {
        "/hangs" => std::future::pending().await,
        "/panics" => panic!("on purpose"),
        "/errs" => Err("on purpose"),
        _ => Ok(Response::new(Full::new(Bytes::from_static(b"hello")))),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_request_leaves_one_record_or_is_counted_as_lost() {
    std::panic::set_hook(Box::new(|_| {}));
    let full = std::env::var_os("PALISADE_FULL").is_some();
    let tasks = 8_u64;
    let each: u64 = if full { 125_000 } else { 2_500 };
    let directory = tempfile::tempdir().unwrap();
    // A queue that is too small now and then.
    let (audit, guard) = Audit::builder("svc")
        .file(RollingFile::new(directory.path()).max_bytes(4 << 20))
        .capacity(600)
        .open()
        .unwrap();
    let service = AuditLayer::new(audit.clone()).layer(handler());
    let running: Vec<_> = (0..tasks)
        .map(|task| {
            let service = service.clone();
            tokio::spawn(async move {
                for nth in 0..each {
                    let path = ["/", "/hangs", "/errs", "/panics", "/", "/", "/unread"];
                    let path = path[usize::try_from((nth + task) % 7).unwrap()];
                    let call = service.clone().oneshot(support::get(path));
                    match path {
                        "/hangs" => drop(tokio::time::timeout(Duration::ZERO, call).await),
                        "/panics" => drop(tokio::spawn(async move { call.await.map(drop) }).await),
                        "/unread" => drop(call.await),
                        _ => {
                            if let Ok(response) = call.await {
                                response.into_body().collect().await.unwrap();
                            }
                        }
                    }
                }
            })
        })
        .collect();
    for task in running {
        task.await.unwrap();
    }
    let end = guard.shutdown(Duration::from_secs(30));
    assert!(end.complete);
    assert_eq!(end.written + end.lost, tasks * each);

    let mut files: Vec<_> = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "log"))
        .collect();
    files.sort();
    let (mut seq, mut requests, mut gaps) = (0, 0, 0);
    let mut outcomes = std::collections::BTreeMap::<String, u64>::new();
    for file in files {
        for line in std::fs::read_to_string(file).unwrap().lines() {
            let record: Value = serde_json::from_str(line).unwrap();
            seq += 1;
            assert_eq!(record["seq"], seq);
            match record["event"].as_str().unwrap() {
                "http_request" => {
                    requests += 1;
                    *outcomes
                        .entry(record["outcome"].as_str().unwrap().into())
                        .or_default() += 1;
                }
                "audit_gap" => gaps += record["details"]["lost"].as_u64().unwrap(),
                _ => {}
            }
        }
    }
    println!(
        "{} requests: {requests} records, {gaps} in gaps, {outcomes:?}",
        tasks * each
    );
    assert_eq!((requests, gaps), (end.written, end.lost));
    for outcome in ["success", "aborted", "error", "panic", "incomplete"] {
        assert!(
            outcomes.get(outcome).is_some_and(|count| *count > 0),
            "{outcomes:?}"
        );
    }
}
