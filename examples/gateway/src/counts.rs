//! What the dashboard counts, read off the audit trail as it is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use palisade::audit::{Audit, Tailed};
use serde_json::Value;

/// Counters of this process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    allowed: AtomicU64,
    refused: AtomicU64,
    failed_logins: AtomicU64,
}

/// The counters at one time.
pub(crate) struct Now {
    pub(crate) allowed: u64,
    pub(crate) refused: u64,
    pub(crate) failed_logins: u64,
}

impl Counts {
    /// Counts what this trail records from now on, until it is shut down.
    pub(crate) fn of(audit: &Audit) -> Self {
        let counts = Self::default();
        let counters = Arc::clone(&counts.0);
        let mut records = audit.subscribe();
        tokio::spawn(async move {
            while let Some(record) = records.next().await {
                if let Tailed::Record(line) = record {
                    counters.count(&line);
                }
            }
        });
        counts
    }

    pub(crate) fn now(&self) -> Now {
        Now {
            allowed: self.0.allowed.load(Ordering::Relaxed),
            refused: self.0.refused.load(Ordering::Relaxed),
            failed_logins: self.0.failed_logins.load(Ordering::Relaxed),
        }
    }
}

impl Counters {
    fn count(&self, line: &str) {
        let Ok(record) = serde_json::from_str::<Value>(line) else {
            return;
        };
        let counter = match (record["event"].as_str(), record["outcome"].as_str()) {
            (Some("http_request"), Some("success")) => &self.allowed,
            (Some("http_request"), Some("denied")) => &self.refused,
            (Some("authn_login_fail"), _) => &self.failed_logins,
            _ => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
