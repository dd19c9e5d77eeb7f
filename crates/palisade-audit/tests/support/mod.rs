#![allow(dead_code, reason = "each test file uses its own part")]

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use palisade_audit::{Audit, AuditBuilder, AuditService, Guard, MemorySink};
use serde_json::Value;
use tower::{Layer, Service, ServiceExt, service_fn};

/// A trail in memory.
pub(crate) struct Trail {
    pub(crate) audit: Audit,
    guard: Option<Guard>,
    memory: MemorySink,
}

impl Trail {
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub(crate) fn with(configure: impl FnOnce(AuditBuilder) -> AuditBuilder) -> Self {
        let memory = MemorySink::new();
        let builder = Audit::builder("bookings").sink(memory.clone());
        let (audit, guard) = configure(builder).open().unwrap();
        Self {
            audit,
            guard: Some(guard),
            memory,
        }
    }

    pub(crate) fn layer(&self) -> palisade_audit::AuditLayer {
        palisade_audit::AuditLayer::new(self.audit.clone())
    }

    pub(crate) fn service<S>(&self, inner: S) -> AuditService<S> {
        self.layer().layer(inner)
    }

    /// Shuts the trail down; every record that it wrote, but for its own about the file.
    pub(crate) fn records(&mut self) -> Vec<Value> {
        if let Some(guard) = self.guard.take() {
            let end = guard.shutdown(Duration::from_secs(5));
            assert!(end.complete, "{end:?}");
        }
        self.lines()
            .iter()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter(|record| !record["event"].as_str().unwrap().starts_with("audit_file_"))
            .collect()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.memory.lines()
    }

    /// The only record.
    pub(crate) fn record(&mut self) -> Value {
        let records = self.records();
        assert_eq!(records.len(), 1, "{records:#?}");
        records.into_iter().next().unwrap()
    }
}

/// A service that answers with this body.
pub(crate) fn answers<B: Clone>(
    body: B,
) -> impl Service<
    Request<()>,
    Response = Response<B>,
    Error = Infallible,
    Future = impl Future<Output = Result<Response<B>, Infallible>>,
> + Clone {
    service_fn(move |_| {
        let body = body.clone();
        async move { Ok(Response::new(body)) }
    })
}

pub(crate) fn hello() -> Full<Bytes> {
    Full::new(Bytes::from_static(b"hello"))
}

pub(crate) fn get(uri: &str) -> Request<()> {
    Request::get(uri).body(()).unwrap()
}

/// Calls the service and reads the body to its end.
pub(crate) async fn fetch<S, B>(service: S, request: Request<()>) -> Response<Bytes>
where
    S: Service<Request<()>, Response = Response<B>>,
    S::Error: std::fmt::Debug,
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    use http_body_util::BodyExt;
    let (head, body) = service.oneshot(request).await.unwrap().into_parts();
    Response::from_parts(head, body.collect().await.unwrap().to_bytes())
}

/// The longest wait for another thread or process: long enough for a machine that is busy with something else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The wait for a disk in tests where a write cannot succeed, short because they wait for the end of it.
pub(crate) const SHORT: Duration = Duration::from_millis(200);

/// Waits for what another thread brings about.
pub(crate) async fn until(what: impl Fn() -> bool) {
    let start = palisade_core::time::now();
    while !what() {
        assert!(start.elapsed() < PATIENCE, "it never happens");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Commits until it is kept: a busy disk may take longer than [`SHORT`].
pub(crate) async fn keep(audit: &Audit, record: impl Fn() -> palisade_audit::Record) {
    let start = palisade_core::time::now();
    while audit.commit(record()).await.is_err() {
        assert!(start.elapsed() < PATIENCE, "it is never kept");
    }
}

/// Asks until the trail lets the answer pass: a busy disk may take longer than [`SHORT`].
pub(crate) async fn pass<S, B>(service: &S, path: &str)
where
    S: Service<Request<()>, Response = Response<B>> + Clone,
    S::Error: std::fmt::Debug,
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let start = palisade_core::time::now();
    while fetch(service.clone(), get(path)).await.status() != 200 {
        assert!(start.elapsed() < PATIENCE, "it never passes");
    }
}
