//! The figures of the last fifteen minutes for the dashboard, kept whether or not anybody looks.

mod history;
mod latency;
mod slot;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use palisade::audit::{Audit, Tailed};
use palisade::breaker::BreakerHandle;
use palisade_core::time::WallClock;
use serde_json::Value;
use tokio::time::{MissedTickBehavior, interval};

use self::history::{History, Trail};

/// Counters of this process, and their history.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts(Arc<Mutex<History>>);

impl Counts {
    /// Counts what this trail records from now on, and looks at the breaker every second, until the trail is shut down.
    pub(crate) fn of(audit: &Audit, breaker: &BreakerHandle) -> Self {
        let counts = Self::default();
        let (shared, audit, breaker) = (counts.clone(), audit.clone(), breaker.clone());
        tokio::spawn(async move {
            let clock = WallClock::system();
            let mut records = audit.subscribe();
            let mut second = interval(Duration::from_secs(1));
            second.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                tokio::select! {
                    record = records.next() => match record {
                        Some(Tailed::Record(line)) => {
                            if let Ok(record) = serde_json::from_str::<Value>(&line) {
                                shared.history().record(&record);
                            }
                        }
                        Some(_) => {}
                        None => return,
                    },
                    _ = second.tick() => {
                        let now = clock.now().as_secs();
                        let stats = audit.stats();
                        let trail = Trail {
                            written: stats.written,
                            lost: stats.lost,
                            failing: stats.failing,
                        };
                        shared.history().tick(now, breaker.state(), trail);
                    }
                }
            }
        });
        counts
    }

    /// Totals, the states of breaker and seal, and the latest slot of the history, as JSON.
    pub(crate) fn now(&self) -> Value {
        self.history().now()
    }

    /// The slots of the last fifteen minutes, as JSON.
    pub(crate) fn of_fifteen_minutes(&self) -> Value {
        self.history().slots()
    }

    /// Held for a moment, and never across an await.
    fn history(&self) -> MutexGuard<'_, History> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
