use std::collections::HashMap;
use std::fmt;
use std::io;
use std::time::Duration;

use palisade_core::Severity;
use palisade_core::time::{self, Instant};
use serde_json::Value;

use super::Sink;
use crate::Batch;

/// Calls a closure with each critical record, for a webhook or a pager; the same thing again within a time is held
/// back.
///
/// The same are records of one event by one actor from one address. The closure runs on the sink's own thread, and may
/// take its time; give it a timeout.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use palisade_audit::CriticalSink;
///
/// let sink = CriticalSink::new(Duration::from_secs(300), |record| {
///     println!("would post {record}");
///     Ok(())
/// });
/// # let _ = sink;
/// ```
pub struct CriticalSink {
    within: Duration,
    tell: Box<Tell>,
    told: HashMap<String, Instant>,
}

type Tell = dyn FnMut(&str) -> io::Result<()> + Send;

impl CriticalSink {
    /// So many different things are remembered; beyond that all are told again.
    const MAX_TOLD: usize = 10_000;

    /// Calls `tell` with each critical record as a line of native JSON, but not again for the same thing `within` this
    /// time.
    pub fn new(
        within: Duration,
        tell: impl FnMut(&str) -> io::Result<()> + Send + 'static,
    ) -> Self {
        Self {
            within,
            tell: Box::new(tell),
            told: HashMap::new(),
        }
    }

    fn is_news(&mut self, text: &str, now: Instant) -> bool {
        let record: Value = serde_json::from_str(text).unwrap_or_default();
        let part = |name: &str| record[name].as_str().unwrap_or_default();
        // No part holds a line feed that is not escaped in the record, so parts cannot run together.
        let key = [part("event"), part("actor"), part("client_ip")].join("\n");
        let known = self
            .told
            .get(&key)
            .is_some_and(|told| now.saturating_duration_since(*told) < self.within);
        if !known {
            if self.told.len() >= Self::MAX_TOLD {
                self.told.clear();
            }
            self.told.insert(key, now);
        }
        !known
    }
}

impl Sink for CriticalSink {
    fn write(&mut self, batch: &Batch) -> io::Result<()> {
        let now = time::now();
        for line in batch.lines() {
            if line.severity == Severity::Critical && self.is_news(line.text, now) {
                (self.tell)(line.text)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for CriticalSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CriticalSink")
            .field("within", &self.within)
            .finish_non_exhaustive()
    }
}
