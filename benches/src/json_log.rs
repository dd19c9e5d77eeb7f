//! The peers' audit trail: tower-http's `TraceLayer`, written as JSON by tracing-appender.

use std::cell::Cell;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tower_http::classify::{ServerErrorsAsFailures, SharedClassifier};
use tower_http::trace::{DefaultMakeSpan, DefaultOnResponse, TraceLayer};
use tracing::{Dispatch, Level, dispatcher};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};

use crate::directories::scratch;

/// One line a response, with the span of its request.
pub(crate) fn trace_layer() -> TraceLayer<SharedClassifier<ServerErrorsAsFailures>> {
    TraceLayer::new_for_http()
        .make_span_with(DefaultMakeSpan::new().level(Level::INFO))
        .on_response(DefaultOnResponse::new().level(Level::INFO))
}

/// A subscriber that writes JSON lines to a file from a thread of its own.
#[derive(Clone)]
pub(crate) struct JsonLog {
    dispatch: Dispatch,
    /// Operations that leave one line each.
    sent: Rc<Cell<u64>>,
    written: Arc<AtomicU64>,
    _worker: Rc<WorkerGuard>,
}

impl JsonLog {
    /// Writes to `target/bench/NAME`, over what was there.
    pub(crate) fn create(name: &str) -> Result<Self, Box<dyn Error>> {
        let (dispatch, written, worker) = subscriber(name)?;
        Ok(Self {
            dispatch,
            sent: Rc::default(),
            written,
            _worker: Rc::new(worker),
        })
    }

    /// Does something that leaves one line.
    pub(crate) fn with<T>(&self, work: impl FnOnce() -> T) -> T {
        self.sent.set(self.sent.get() + 1);
        self.without(work)
    }

    /// Does something that leaves no line.
    pub(crate) fn without<T>(&self, work: impl FnOnce() -> T) -> T {
        dispatcher::with_default(&self.dispatch, work)
    }

    /// Waits until every line is written. Sleeps, so that waiting costs no processor time.
    pub(crate) fn settle(&self) {
        while self.written.load(Ordering::Relaxed) < self.sent.get() {
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

/// A subscriber that writes JSON lines to `target/bench/NAME`, how many it has written, and its worker.
pub(crate) fn subscriber(
    name: &str,
) -> Result<(Dispatch, Arc<AtomicU64>, WorkerGuard), Box<dyn Error>> {
    fs::create_dir_all(scratch())?;
    let written = Arc::new(AtomicU64::new(0));
    let lines = Lines {
        file: File::create(scratch().join(name))?,
        written: Arc::clone(&written),
    };
    // Lossless, or it would be measured while it throws lines away.
    let (writer, worker) = NonBlockingBuilder::default().lossy(false).finish(lines);
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(Level::INFO)
        .with_writer(writer)
        .finish();
    Ok((Dispatch::new(subscriber), written, worker))
}

/// A file that counts what is written; the worker writes one line at a time.
struct Lines {
    file: File,
    written: Arc<AtomicU64>,
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.file.write_all(line)?;
        self.written.fetch_add(1, Ordering::Relaxed);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
