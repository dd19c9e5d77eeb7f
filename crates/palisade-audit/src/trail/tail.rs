use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;

use super::batch::Batch;

/// Batches that a slow subscriber may lag behind before it misses some.
const LAG: usize = 64;

/// The latest records, and whoever watches them come in.
#[derive(Debug)]
pub(crate) struct Live {
    keep: usize,
    recent: Mutex<Recent>,
    sender: Mutex<Option<broadcast::Sender<Arc<Batch>>>>,
}

#[derive(Debug, Default)]
struct Recent {
    batches: VecDeque<Arc<Batch>>,
    lines: usize,
}

impl Live {
    pub(crate) fn new(keep: usize) -> Self {
        Self {
            keep,
            recent: Mutex::default(),
            sender: Mutex::new(Some(broadcast::Sender::new(LAG))),
        }
    }

    pub(crate) fn publish(&self, batch: &Arc<Batch>) {
        if self.keep > 0 {
            self.recent().push(Arc::clone(batch), self.keep);
        }
        if let Some(sender) = self.sender().as_ref() {
            // Nobody may be listening, which is no error.
            let _ = sender.send(Arc::clone(batch));
        }
    }

    /// Whether anybody watches records come in.
    pub(crate) fn is_watched(&self) -> bool {
        let sender = self.sender();
        sender
            .as_ref()
            .is_some_and(|sender| sender.receiver_count() > 0)
    }

    /// Ends every subscription.
    pub(crate) fn end(&self) {
        *self.sender() = None;
    }

    pub(crate) fn latest(&self, wanted: usize) -> Vec<String> {
        let batches: Vec<Arc<Batch>> = self.recent().batches.iter().map(Arc::clone).collect();
        let mut latest = Vec::new();
        'enough: for batch in batches.iter().rev() {
            for nth in (0..batch.len()).rev() {
                if latest.len() >= wanted.min(self.keep) {
                    break 'enough;
                }
                latest.extend(batch.line(nth).map(|line| line.text.to_owned()));
            }
        }
        latest.reverse();
        latest
    }

    pub(crate) fn subscribe(&self) -> Subscription {
        Subscription {
            receiver: self.sender().as_ref().map(broadcast::Sender::subscribe),
            batch: None,
        }
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sender(&self) -> MutexGuard<'_, Option<broadcast::Sender<Arc<Batch>>>> {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recent {
    fn push(&mut self, batch: Arc<Batch>, keep: usize) {
        self.lines += batch.len();
        self.batches.push_back(batch);
        while let Some(oldest) = self.batches.front().map(|batch| batch.len()) {
            if self.lines - oldest < keep {
                break;
            }
            self.lines -= oldest;
            self.batches.pop_front();
        }
    }
}

/// The records as they are written, for a dashboard; see [`Audit::subscribe`](crate::Audit::subscribe).
#[derive(Debug)]
pub struct Subscription {
    receiver: Option<broadcast::Receiver<Arc<Batch>>>,
    batch: Option<(Arc<Batch>, usize)>,
}

/// An item of a [`Subscription`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tailed {
    /// A record, as a line of native JSON without the line feed.
    Record(String),
    /// The subscriber was too slow, and so many groups of records passed it by. They are in the trail.
    Missed(u64),
}

impl Subscription {
    /// The next record; `None` once the trail is shut down.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Tailed> {
        loop {
            if let Some((batch, nth)) = &mut self.batch {
                let line = batch.line(*nth).map(|line| line.text.to_owned());
                *nth += 1;
                if let Some(line) = line {
                    return Some(Tailed::Record(line));
                }
                self.batch = None;
            }
            match self.receiver.as_mut()?.recv().await {
                Ok(batch) => self.batch = Some((batch, 0)),
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    return Some(Tailed::Missed(missed));
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use palisade_core::Severity;
    use proptest::prelude::*;

    use super::*;

    /// A batch of the lines `first`, `first + 1` and so on.
    fn batch(first: usize, lines: usize) -> Arc<Batch> {
        let mut batch = Batch::default();
        for nth in first..first + lines {
            batch.bytes.extend_from_slice(nth.to_string().as_bytes());
            batch.end_line(Severity::Info);
        }
        Arc::new(batch)
    }

    #[test]
    fn somebody_watches_from_subscribing_until_the_subscription_or_the_trail_ends() {
        let live = Live::new(0);
        assert!(!live.is_watched());
        let subscriptions = [live.subscribe(), live.subscribe()];
        assert!(live.is_watched());
        drop(subscriptions);
        assert!(!live.is_watched());
        let _subscription = live.subscribe();
        assert!(live.is_watched());
        live.end();
        assert!(!live.is_watched());
    }

    proptest! {
        #[test]
        fn the_latest_lines_are_kept_and_no_batch_more_than_they_need(
            lens in proptest::collection::vec(1_usize..6, 0..12),
            keep in 0_usize..12,
            wanted in 0_usize..14,
        ) {
            let live = Live::new(keep);
            let mut all = 0;
            for len in lens {
                live.publish(&batch(all, len));
                all += len;
                let kept = wanted.min(keep).min(all);
                let expected: Vec<String> = (all - kept..all).map(|nth| nth.to_string()).collect();
                prop_assert_eq!(live.latest(wanted), expected);
                let recent = live.recent();
                let held: usize = recent.batches.iter().map(|batch| batch.len()).sum();
                let oldest = recent.batches.front().map_or(0, |batch| batch.len());
                prop_assert!(held >= keep.min(all), "{held} of {all}");
                prop_assert!(oldest == 0 || held - oldest < keep, "{held} without {oldest}");
            }
        }
    }
}
