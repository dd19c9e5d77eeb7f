//! A request that is under way while its stack is replaced, at each place where it can be.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, mpsc as blocking};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use palisade::audit::{Audit, Batch, Class, Delivery, Guard, MemorySink};
use palisade::auth::JwtVerifier;
use palisade::auth::revocation::{Answer as Verdict, CheckRevocation, RevocationStatus, TokenRef};
use tokio::sync::{mpsc, oneshot};
use tower::{Layer, ServiceExt};

use crate::stacks::{Answer, JSON, Shared, json, number_of, patient_audit, whole_json};

fn trail() -> (Audit, Guard, MemorySink) {
    let lines = MemorySink::new();
    let (audit, guard) = patient_audit().sink(lines.clone()).open().unwrap();
    (audit, guard, lines)
}

/// The outcomes of the requests on record, once the trail is closed.
fn outcomes(guard: Guard, lines: &MemorySink) -> Vec<String> {
    guard.shutdown(Duration::from_secs(5));
    let lines = lines.lines();
    let records = lines
        .iter()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    records
        .filter(|record| record["event"] == "http_request")
        .map(|record| record["outcome"].as_str().unwrap().to_owned())
        .collect()
}

/// Something that one party waits for, once, and another finds out that it does.
struct Gate {
    reached: oneshot::Receiver<()>,
    open: oneshot::Sender<()>,
}

/// The waiting side of a gate; what asks a second time passes at once.
#[derive(Clone)]
struct Gated(Arc<Mutex<Option<Closed>>>);

struct Closed {
    reach: oneshot::Sender<()>,
    opened: oneshot::Receiver<()>,
}

fn gate() -> (Gate, Gated) {
    let (reach, reached) = oneshot::channel();
    let (open, opened) = oneshot::channel();
    let gated = Gated(Arc::new(Mutex::new(Some(Closed { reach, opened }))));
    (Gate { reached, open }, gated)
}

impl Gated {
    fn pass(&self) -> impl Future<Output = ()> + Send + use<> {
        let first = self.0.lock().unwrap().take();
        async move {
            if let Some(Closed { reach, opened }) = first {
                let _ = reach.send(());
                let _ = opened.await;
            }
        }
    }
}

#[tokio::test]
async fn a_request_in_the_handler_keeps_its_stack() {
    let (audit, guard, lines) = trail();
    let shared = Shared::new(audit);
    let (stack, reload) = shared.stack(0).reloadable();
    let (gate, gated) = gate();
    let service = stack.layer(tower::service_fn(move |_: Request<()>| {
        let passed = gated.pass();
        async move {
            passed.await;
            whole_json()
        }
    }));
    let first = tokio::spawn(service.clone().oneshot(shared.signed_in()));
    gate.reached.await.unwrap();
    reload.replace(shared.stack(1));
    assert_eq!(
        shared.stacks_alive(),
        2,
        "one for the request, one for those to come"
    );
    let second = service.oneshot(shared.signed_in()).await.unwrap();
    assert_eq!(Answer::read(second).await.number(), 1);
    gate.open.send(()).unwrap();
    let first = Answer::read(first.await.unwrap().unwrap()).await;
    assert_eq!((first.number(), first.status), (0, 200));
    assert_eq!(shared.stacks_alive(), 1);
    assert_eq!(outcomes(guard, &lines), ["success", "success"]);
}

/// A store that answers once its gate is open.
struct SlowStore(Gated);

impl CheckRevocation for SlowStore {
    fn check(&self, _: &TokenRef<'_>) -> Verdict {
        let passed = self.0.pass();
        Verdict::Later(Box::pin(async {
            passed.await;
            RevocationStatus::Good
        }))
    }
}

/// Stacks whose authentication waits for a store.
fn waiting_for_a_store(audit: Audit) -> (Shared, Gate) {
    let (gate, gated) = gate();
    let shared = Shared::verifying(audit, |issuer| {
        JwtVerifier::builder()
            .issuer(issuer)
            .revocation(SlowStore(gated))
            .build()
            .unwrap()
    });
    (shared, gate)
}

#[tokio::test]
async fn a_request_that_waits_for_a_store_goes_on_in_its_stack() {
    let (audit, guard, lines) = trail();
    let (shared, gate) = waiting_for_a_store(audit);
    let (stack, reload) = shared.stack(0).reloadable();
    let service = stack.layer(tower::service_fn(|_: Request<()>| async { whole_json() }));
    let first = tokio::spawn(service.clone().oneshot(shared.signed_in()));
    gate.reached.await.unwrap();
    reload.replace(shared.stack(1));
    let second = service.oneshot(shared.signed_in()).await.unwrap();
    assert_eq!(Answer::read(second).await.number(), 1);
    gate.open.send(()).unwrap();
    // Its limit and its sealed field come from behind the wait, and are still those of the first stack.
    let first = Answer::read(first.await.unwrap().unwrap()).await;
    assert_eq!((first.number(), first.status), (0, 200));
    assert_eq!(shared.stacks_alive(), 1);
    assert_eq!(outcomes(guard, &lines), ["success", "success"]);
}

#[tokio::test]
async fn a_request_dropped_after_its_stack_was_replaced_settles_and_frees_it() {
    let (audit, guard, lines) = trail();
    let (shared, gate) = waiting_for_a_store(audit);
    let (stack, reload) = shared.stack(0).reloadable();
    let service = stack.layer(tower::service_fn(|_: Request<()>| async { whole_json() }));
    let waiting = tokio::spawn(service.clone().oneshot(shared.signed_in()));
    gate.reached.await.unwrap();
    reload.replace(shared.stack(1));
    assert_eq!(shared.stacks_alive(), 2);
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    assert_eq!(shared.stacks_alive(), 1);
    assert_eq!(outcomes(guard, &lines), ["aborted"]);
}

#[tokio::test]
async fn a_response_that_waits_for_its_record_keeps_its_stack() {
    let (reach, reached) = blocking::channel();
    let (open, opened) = blocking::channel::<()>();
    let sink = move |batch: &Batch| {
        if batch.lines().any(|line| line.text.contains("http_request")) {
            let _ = reach.send(());
            let _ = opened.recv();
        }
        Ok(())
    };
    let builder = Audit::builder("reload").deliver(Class::Access, Delivery::Durable);
    let (audit, _guard) = builder.sink(sink).open().unwrap();
    let shared = Shared::new(audit);
    let (stack, reload) = shared.stack(0).reloadable();
    let service = stack.layer(tower::service_fn(|_: Request<()>| async { whole_json() }));
    let first = tokio::spawn(service.clone().oneshot(shared.signed_in()));
    let reached = tokio::task::spawn_blocking(move || reached.recv());
    reached.await.unwrap().unwrap();
    assert!(!first.is_finished());
    reload.replace(shared.stack(1));
    drop(open);
    let first = Answer::read(first.await.unwrap().unwrap()).await;
    assert_eq!((first.number(), first.status), (0, 200));
    let second = service.oneshot(shared.signed_in()).await.unwrap();
    assert_eq!(Answer::read(second).await.number(), 1);
    assert_eq!(shared.stacks_alive(), 1);
}

/// A body whose pieces come through a channel.
#[derive(Clone)]
struct Pieces(Arc<Mutex<mpsc::UnboundedReceiver<&'static str>>>);

fn pieces() -> (mpsc::UnboundedSender<&'static str>, Pieces) {
    let (piece, pieces) = mpsc::unbounded_channel();
    (piece, Pieces(Arc::new(Mutex::new(pieces))))
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.0.lock().unwrap().poll_recv(cx);
        piece.map(|piece| piece.map(|piece| Ok(Frame::data(Bytes::from(piece)))))
    }
}

#[tokio::test]
async fn a_response_that_is_collected_to_be_sealed_is_sealed_by_its_stack() {
    let (audit, guard, lines) = trail();
    let shared = Shared::new(audit);
    let (stack, reload) = shared.stack(0).reloadable();
    let (piece, pieces) = pieces();
    let (head, rest) = JSON.split_at(10);
    piece.send(head).unwrap();
    let service = stack.layer(tower::service_fn(move |_: Request<()>| {
        let body = pieces.clone();
        async { json(body) }
    }));
    let response = tokio::spawn(service.oneshot(shared.signed_in()));
    tokio::task::yield_now().await;
    reload.replace(shared.stack(1));
    piece.send(rest).unwrap();
    drop(piece);
    let answer = Answer::read(response.await.unwrap().unwrap()).await;
    assert_eq!((answer.number(), answer.status), (0, 200));
    assert_eq!(shared.stacks_alive(), 1);
    assert_eq!(outcomes(guard, &lines), ["success"]);
}

#[tokio::test]
async fn a_response_that_streams_is_sent_to_its_end_and_holds_up_no_stack() {
    let (audit, guard, lines) = trail();
    let shared = Shared::new(audit);
    let (stack, reload) = shared.stack(0).reloadable();
    let (piece, pieces) = pieces();
    let service = stack.layer(tower::service_fn(move |_: Request<()>| {
        let body = pieces.clone();
        async { Ok::<_, Infallible>(Response::new(body)) }
    }));
    let response = service.oneshot(shared.signed_in()).await.unwrap();
    assert_eq!(number_of(response.headers()), 0);
    piece.send("before, ").unwrap();
    reload.replace(shared.stack(1));
    assert_eq!(shared.stacks_alive(), 1, "the head has left");
    piece.send("after").unwrap();
    drop(piece);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "before, after");
    assert_eq!(outcomes(guard, &lines), ["success"]);
}

#[tokio::test]
async fn leaking_a_reloadable_stack_leaves_it_reloadable() {
    let (audit, _guard, _) = trail();
    let shared = Shared::new(audit);
    let (stack, reload) = shared.stack(0).reloadable();
    let stack = stack.leak();
    let answer = || async {
        let service = stack.layer(tower::service_fn(|_: Request<()>| async { whole_json() }));
        let response = service.oneshot(shared.signed_in()).await.unwrap();
        Answer::read(response).await.number()
    };
    assert_eq!(answer().await, 0);
    reload.replace(shared.stack(1));
    assert_eq!(answer().await, 1);
    assert_eq!(shared.stacks_alive(), 1);
}
