//! The errors and warnings that a test causes.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::sync::{Arc, LazyLock, Mutex};

use tracing::dispatcher::Dispatch;
use tracing::subscriber::DefaultGuard;

/// Keeps the errors and warnings that are logged by this crate on this thread.
#[derive(Clone, Default)]
pub(crate) struct Logged(Arc<Mutex<Vec<String>>>);

impl tracing::field::Visit for Logged {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        let mut lines = self.0.lock().unwrap();
        match field.name() {
            "message" => lines.push(format!("{value:?}")),
            "problems" => lines.push(format!("problems: {value:?}")),
            _ => {}
        }
    }
}

impl tracing::Subscriber for Logged {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::WARN && metadata.target() == "palisade_ratelimit"
    }
    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut self.clone());
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

impl Logged {
    /// Listens to this thread until the guard is dropped.
    ///
    /// While the process has a single subscriber, tracing keeps what the thread that comes by an event first makes of
    /// it, even if that is the thread of another test, which has no subscriber. Hence a second one, which stays.
    pub(crate) fn listen(&self) -> DefaultGuard {
        static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(Logged::default()));
        LazyLock::force(&SECOND);
        tracing::subscriber::set_default(self.clone())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().unwrap().is_empty()
    }

    /// The lines that were logged since the last call.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}
