use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::trail::alarm::Alarm;
use crate::trail::queue::Queue;

/// Keeps the trail open; dropping it writes what is left, for at most 5 seconds, and closes the trail.
///
/// Records that come later are lost and counted, so drop it, or call [`shutdown`](Self::shutdown), after the server
/// has ended. `let (audit, _) = ...` closes the trail at once; `let (audit, _guard) = ...` does not.
#[derive(Debug)]
#[must_use = "dropping the guard closes the trail"]
pub struct Guard {
    queue: Arc<Queue>,
    alarm: Alarm,
    finished: Arc<Finished>,
    closed: bool,
}

/// The result of a shutdown: records written and lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shutdown {
    /// Records written since the trail was opened.
    pub written: u64,
    /// Records lost since then, those that were still waiting when the time was over among them.
    pub lost: u64,
    /// Whether the writer ended in time.
    pub complete: bool,
}

impl Guard {
    /// The time that a drop waits for the writer.
    const DROP_TIMEOUT: Duration = Duration::from_secs(5);

    pub(crate) const fn new(queue: Arc<Queue>, alarm: Alarm, finished: Arc<Finished>) -> Self {
        Self {
            queue,
            alarm,
            finished,
            closed: false,
        }
    }

    /// Writes what is left, closes the trail, and says how many records were lost.
    ///
    /// Blocks the thread, at most for `timeout`; call it when the server has ended.
    pub fn shutdown(mut self, timeout: Duration) -> Shutdown {
        self.close(timeout)
    }

    fn close(&mut self, timeout: Duration) -> Shutdown {
        self.closed = true;
        self.queue.close();
        let complete = self.finished.wait(timeout);
        self.alarm.stop();
        let shutdown = Shutdown {
            written: self.queue.written(),
            lost: self.queue.lost() + self.queue.pending(),
            complete,
        };
        if shutdown.lost > 0 || !complete {
            tracing::error!(target: "palisade_audit", lost = shutdown.lost, complete, "audit records were lost");
        }
        shutdown
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.closed {
            self.close(Self::DROP_TIMEOUT);
        }
    }
}

/// Says when the writer has ended.
#[derive(Debug, Default)]
pub(crate) struct Finished {
    ended: Mutex<bool>,
    changed: Condvar,
}

impl Finished {
    /// Reports the end of the writer of this queue when it is dropped.
    pub(crate) fn on_drop(self: Arc<Self>, queue: Arc<Queue>) -> impl Drop {
        struct Report(Arc<Finished>, Arc<Queue>);
        impl Drop for Report {
            fn drop(&mut self) {
                self.1.abandon();
                *self.0.ended() = true;
                self.0.changed.notify_all();
            }
        }
        Report(self, queue)
    }

    fn wait(&self, timeout: Duration) -> bool {
        let waited = self
            .changed
            .wait_timeout_while(self.ended(), timeout, |ended| !*ended);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn ended(&self) -> MutexGuard<'_, bool> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
