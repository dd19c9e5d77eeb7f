use std::fmt;
use std::io;
use std::time::Duration;

use palisade_core::Severity;
use palisade_core::time;

use super::Sink;
use super::news::News;
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
    news: News,
    tell: Box<Tell>,
}

type Tell = dyn FnMut(&str) -> io::Result<()> + Send;

impl CriticalSink {
    /// Calls `tell` with each critical record as a line of native JSON, but not again for the same thing `within` this
    /// time.
    pub fn new(
        within: Duration,
        tell: impl FnMut(&str) -> io::Result<()> + Send + 'static,
    ) -> Self {
        Self {
            news: News::new(within),
            tell: Box::new(tell),
        }
    }
}

impl Sink for CriticalSink {
    fn write(&mut self, batch: &Batch) -> io::Result<()> {
        let now = time::now();
        for line in batch.lines() {
            if line.severity != Severity::Critical {
                continue;
            }
            let record = serde_json::from_str(line.text).unwrap_or_default();
            if self.news.see(&record, now).is_some() {
                (self.tell)(line.text)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for CriticalSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CriticalSink")
            .field("within", &self.news.within())
            .finish_non_exhaustive()
    }
}
