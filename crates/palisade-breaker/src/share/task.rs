use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinHandle;

use super::RedisSharing;
use super::link::Link;
use super::wire;

impl RedisSharing {
    /// Begins to share, until the task is dropped. Needs a Tokio runtime.
    #[must_use = "sharing ends when the task is dropped"]
    pub fn spawn(self) -> SharingTask {
        let (ends, news) = wire::pair();
        for (name, wire) in self.wires() {
            if !wire.connect(&ends) {
                tracing::warn!(
                    target: "palisade_breaker",
                    breaker = name.as_str(), "already shared, and so not shared again"
                );
            }
        }
        let connected = Arc::new(AtomicBool::new(false));
        let link = Link::new(self, Arc::clone(&connected));
        SharingTask {
            task: tokio::spawn(link.run(news)),
            connected,
        }
    }
}

/// Shares while it lives; see [`RedisSharing::spawn`].
#[derive(Debug)]
pub struct SharingTask {
    task: JoinHandle<()>,
    connected: Arc<AtomicBool>,
}

impl SharingTask {
    /// Returns whether Redis is reached at this time.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }
}

impl Drop for SharingTask {
    fn drop(&mut self) {
        self.task.abort();
    }
}
