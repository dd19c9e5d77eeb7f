//! The effort that the trail makes: best effort, blocking, durable, fail closed, and what a failing disk does to each.

mod disk;
mod hang;
#[path = "../support/mod.rs"]
mod support;

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response};
use palisade_audit::{
    Audit, AuditBuilder, AuditLayer, Batch, Class, Delivery, Guard, Level, MemorySink, OnFailure,
    Policy, Record, RollingFile, Seal, Sink, Verifier, any, prefix,
};
use palisade_core::{EventKind, Name, RequestScope, SecurityEvent};
use serde_json::Value;
use support::{Trail, answers, fetch, get, hello};
use tower::{Layer, Service, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

fn delivered(delivery: Delivery) -> Policy {
    Policy::first_match()
        .rule_delivered(prefix("/admin"), Level::Metadata, delivery)
        .rule(any(), Level::Metadata)
}

fn plain() -> Record {
    Record::named(Name::from_static("tick"), Class::Access)
}

fn wait_until(what: impl Fn() -> bool) {
    let start = palisade_core::time::now();
    while !what() {
        assert!(start.elapsed() < 10 * SECOND, "it never happens");
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn a_durable_request_has_a_record_of_its_head_and_one_of_its_end() {
    let mut trail = Trail::with(|builder| builder.policy(delivered(Delivery::Durable)));
    let service = trail.service(service_fn(async |request: Request<()>| {
        let scope = RequestScope::current(request.extensions()).unwrap();
        scope.record(SecurityEvent::new(EventKind::AdminAction));
        Ok::<_, Infallible>(Response::new(hello()))
    }));
    let response = service.oneshot(get("/admin/users")).await.unwrap();
    // The head is on record before the response is out.
    assert!(
        trail
            .lines()
            .iter()
            .any(|line| line.contains(r#""stage":"response_started""#))
    );
    assert!(
        trail
            .lines()
            .iter()
            .any(|line| line.contains("authz_admin"))
    );
    drop(response);
    let records = trail.records();
    let seen: Vec<_> = records
        .iter()
        .map(|record| {
            (
                record["event"].as_str().unwrap(),
                record["stage"].as_str(),
                record["outcome"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("authz_admin", None, Some("success")),
            ("http_request", Some("response_started"), None),
            (
                "http_request",
                Some("response_complete"),
                Some("incomplete")
            ),
        ]
    );
}

/// Lets writes through while it is open.
#[derive(Clone, Default)]
struct Door(Arc<(Mutex<bool>, Condvar)>);

impl Door {
    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn sink(&self) -> impl Sink + use<> {
        let door = self.clone();
        move |_: &Batch| {
            let open = door.0.0.lock().unwrap();
            drop(door.0.1.wait_while(open, |open| !*open).unwrap());
            Ok(())
        }
    }

    /// A trail whose queue is full.
    fn full(&self, configure: impl FnOnce(AuditBuilder) -> AuditBuilder) -> (Audit, Guard) {
        let builder = Audit::builder("svc").sink(self.sink()).capacity(16);
        let (audit, guard) = configure(builder).open().unwrap();
        // Those of administrators go in over the limit, up to twice of it.
        while audit.stats().lost == 0 {
            audit.record(Record::new(EventKind::AdminAction));
        }
        (audit, guard)
    }
}

fn refuses() -> impl Service<
    Request<()>,
    Response = Response<http_body_util::Full<bytes::Bytes>>,
    Error = Infallible,
    Future = impl Future<Output = Result<Response<http_body_util::Full<bytes::Bytes>>, Infallible>>,
> + Clone {
    service_fn(async |request: Request<()>| {
        let scope = RequestScope::current(request.extensions()).unwrap();
        scope.record(SecurityEvent::new(EventKind::LoginFailure));
        Ok(Response::builder().status(401).body(hello()).unwrap())
    })
}

#[tokio::test]
async fn plain_requests_do_not_wait_for_a_full_queue() {
    let door = Door::default();
    let (audit, guard) = door.full(|builder| builder);
    let lost = audit.stats().lost;
    fetch(
        AuditLayer::new(audit.clone()).layer(answers(hello())),
        get("/"),
    )
    .await;
    assert_eq!(audit.stats().lost, lost + 1);
    door.open();
    drop(guard);
}

#[tokio::test]
async fn a_refused_login_waits_for_room_until_there_is_some() {
    let door = Door::default();
    let patient = Delivery::Block(60 * SECOND);
    let (audit, guard) = door.full(|builder| builder.deliver(Class::Authentication, patient));
    let service = AuditLayer::new(audit.clone()).layer(refuses());
    let call = tokio::spawn(async move { fetch(service, get("/login")).await });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(
        !call.is_finished(),
        "it went out without room for its record"
    );
    let lost = audit.stats().lost;
    door.open();
    assert_eq!(call.await.unwrap().status(), 401);
    assert_eq!(guard.shutdown(5 * SECOND).lost, lost);
}

#[tokio::test]
async fn blocking_is_over_when_its_time_is() {
    let door = Door::default();
    let hasty = Delivery::Block(Duration::from_millis(20));
    let (audit, guard) = door.full(|builder| builder.deliver(Class::Authentication, hasty));
    let response = fetch(AuditLayer::new(audit).layer(refuses()), get("/login")).await;
    assert_eq!(response.status(), 401);
    door.open();
    drop(guard);
}

#[tokio::test]
async fn a_dropped_request_never_waits() {
    let door = Door::default();
    let (audit, guard) = door.full(|builder| builder);
    let service = AuditLayer::new(audit.clone()).layer(service_fn(async |request: Request<()>| {
        let scope = RequestScope::current(request.extensions()).unwrap();
        scope.record(SecurityEvent::new(EventKind::LoginFailure));
        std::future::pending::<Result<Response<http_body_util::Full<bytes::Bytes>>, Infallible>>()
            .await
    }));
    let call = tokio::time::timeout(Duration::ZERO, service.oneshot(get("/login")));
    assert!(call.await.is_err());
    door.open();
    drop(guard);
}

#[tokio::test]
async fn dropped_requests_have_the_places_that_they_were_promised() {
    const CAPACITY: usize = 16;
    let door = Door::default();
    let memory = MemorySink::new();
    let (mut gate, mut kept) = (door.sink(), memory.clone());
    let (audit, guard) = Audit::builder("svc")
        .sink(move |batch: &Batch| {
            gate.write(batch)?;
            kept.write(batch)
        })
        .capacity(CAPACITY)
        .open()
        .unwrap();
    let service = AuditLayer::new(audit.clone()).layer(service_fn(async |request: Request<()>| {
        let scope = RequestScope::current(request.extensions()).unwrap();
        scope.record(SecurityEvent::new(EventKind::LoginFailure));
        std::future::pending::<Result<Response<http_body_util::Full<bytes::Bytes>>, Infallible>>()
            .await
    }));
    // All of them are in flight when others fill the queue, and the places over its limit.
    let mut calls = Vec::new();
    for nth in 0..CAPACITY {
        let mut call = Box::pin(service.clone().oneshot(get(&format!("/login/{nth}"))));
        let first = std::future::poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_pending()));
        assert!(first.await);
        calls.push(call);
    }
    while audit.stats().lost == 0 {
        audit.record(Record::new(EventKind::AdminAction));
    }
    drop(calls);
    assert_eq!(audit.stats().lost, 1, "only the one that found no room");
    door.open();
    let end = guard.shutdown(5 * SECOND);
    assert_eq!((end.lost, end.complete), (1, true));
    let lines = memory.lines();
    for nth in 0..CAPACITY {
        let path = format!("\"/login/{nth}\"");
        let of_it = lines.iter().filter(|line| line.contains(&path));
        assert_eq!(of_it.count(), 2, "the request {nth} and its event");
    }
}

/// A sink that fails while it is told to.
#[derive(Clone, Default)]
struct Moody {
    fails: Arc<AtomicBool>,
    memory: MemorySink,
}

impl Sink for Moody {
    fn write(&mut self, batch: &Batch) -> std::io::Result<()> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(std::io::Error::other("broken"));
        }
        self.memory.write(batch)
    }
}

#[tokio::test]
async fn fail_closed_answers_503_and_then_keeps_requests_from_the_service() {
    let sink = Moody::default();
    let (audit, guard) = Audit::builder("svc")
        .sink(sink.clone())
        .policy(delivered(Delivery::FailClosed))
        .open()
        .unwrap();
    let calls = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&calls);
    let service = AuditLayer::new(audit.clone()).layer(service_fn(move |_: Request<()>| {
        counter.fetch_add(1, Ordering::SeqCst);
        async { Ok::<_, Infallible>(Response::new(hello())) }
    }));
    assert_eq!(fetch(service.clone(), get("/admin")).await.status(), 200);

    sink.fails.store(true, Ordering::SeqCst);
    let response = fetch(service.clone(), get("/admin")).await;
    assert_eq!(response.status(), 503);
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    assert_eq!(
        calls.load(Ordering::SeqCst),
        2,
        "that one was noticed at its end"
    );
    assert_eq!(fetch(service.clone(), get("/admin")).await.status(), 503);
    assert_eq!(
        calls.load(Ordering::SeqCst),
        2,
        "this one does not reach the service"
    );
    assert_eq!(
        fetch(service.clone(), get("/rooms")).await.status(),
        200,
        "others are not concerned"
    );

    sink.fails.store(false, Ordering::SeqCst);
    audit.flush().await.unwrap();
    audit.commit(plain()).await.unwrap();
    assert_eq!(fetch(service, get("/admin")).await.status(), 200);
    drop(guard);
    let mut expected = 1;
    let mut gaps = 0;
    for line in sink.memory.lines() {
        let record: Value = serde_json::from_str(&line).unwrap();
        let seq = record["seq"].as_u64().unwrap();
        if seq != expected {
            // What the sink refused, and nothing else.
            assert_eq!(record["reason"], "not_written", "{line}");
            assert_eq!(record["details"]["first_seq"], expected);
            assert_eq!(record["details"]["last_seq"], seq - 1);
            gaps += 1;
        }
        expected = seq + 1;
    }
    assert!(gaps > 0);
}

#[tokio::test]
async fn a_sink_that_panics_ends_the_trail_and_nobody_waits_for_it() {
    let (audit, guard) = Audit::builder("svc")
        .sink(|batch: &Batch| {
            assert!(
                !batch.lines().any(|line| line.text.contains("authz_admin")),
                "on purpose"
            );
            Ok(())
        })
        .policy(delivered(Delivery::FailClosed))
        .open()
        .unwrap();
    assert!(
        audit
            .commit(Record::new(EventKind::AdminAction))
            .await
            .is_err()
    );
    wait_until(|| audit.stats().failing);
    let service = AuditLayer::new(audit.clone()).layer(answers(hello()));
    assert_eq!(fetch(service.clone(), get("/admin")).await.status(), 503);
    assert_eq!(fetch(service, get("/rooms")).await.status(), 200);
    assert!(audit.stats().lost >= 2, "and what comes is counted");
    assert!(guard.shutdown(5 * SECOND).complete);
}

#[tokio::test]
async fn a_class_can_fail_closed_as_well() {
    let sink = Moody::default();
    let (audit, guard) = Audit::builder("svc")
        .sink(sink.clone())
        .deliver(Class::Authentication, Delivery::FailClosed)
        .open()
        .unwrap();
    audit.flush().await.unwrap();
    sink.fails.store(true, Ordering::SeqCst);
    let service = AuditLayer::new(audit).layer(refuses());
    assert_eq!(fetch(service, get("/login")).await.status(), 503);
    drop(guard);
}
