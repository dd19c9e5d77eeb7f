use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use palisade_core::Name;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::{Cause, State, metrics};

/// Transitions that wait for Redis. What is more is found out by looking at the breakers, when there is time.
const MOST_WAITING: usize = 1_024;

/// The way from breakers to the task that shares them, once there is one. A copy is not connected: it belongs to another
/// layer.
#[derive(Debug, Default)]
pub(crate) struct Wire(OnceLock<Ends>);

/// The breaker's end of the channel to its task.
#[derive(Debug, Clone)]
pub(super) struct Ends {
    send: Sender<Announcement>,
    missed: Arc<AtomicBool>,
}

/// The task's end of the wire.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) news: Receiver<Announcement>,
    missed: Arc<AtomicBool>,
}

/// A message of a breaker to its task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Announcement {
    pub(super) name: Name,
    pub(super) key: Option<Arc<str>>,
    pub(super) what: Change,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Opened(Duration),
    Closed,
}

pub(super) fn pair() -> (Ends, Received) {
    let (send, news) = channel(MOST_WAITING);
    let missed = Arc::new(AtomicBool::new(false));
    let ends = Ends {
        send,
        missed: Arc::clone(&missed),
    };
    (ends, Received { news, missed })
}

impl Wire {
    /// `false` when it was connected before.
    pub(super) fn connect(&self, ends: &Ends) -> bool {
        self.0.set(ends.clone()).is_ok()
    }

    /// Hands over a transition. Nobody is waited for.
    pub(crate) fn send(&self, name: Name, key: &Option<Arc<str>>, what: Change) {
        let Some(ends) = self.0.get() else {
            return;
        };
        let news = Announcement {
            name,
            key: key.clone(),
            what,
        };
        if let Err(TrySendError::Full(news)) = ends.send.try_send(news) {
            ends.missed.store(true, Ordering::Release);
            metrics::shared(news.name, "delayed");
        }
        // Without a task there is nobody to share with.
    }
}

impl Clone for Wire {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Received {
    /// Whether some news found no place since it was asked last.
    pub(super) fn has_missed(&self) -> bool {
        self.news.is_empty() && self.missed.swap(false, Ordering::Acquire)
    }

    /// Forgets what waits.
    pub(super) fn clear(&mut self) {
        while self.news.try_recv().is_ok() {}
    }
}

impl Change {
    /// The part of a transition that other processes must know.
    pub(crate) fn of(
        from: State,
        to: State,
        cause: Cause,
        open_for: Option<Duration>,
    ) -> Option<Self> {
        let in_trouble = |state| matches!(state, State::Open | State::HalfOpen);
        match to {
            // What came from a peer is not told again, or two would keep each other open for ever; what a person does here is
            // not meant for there.
            State::Open if !matches!(cause, Cause::Peer | Cause::Manual) => {
                open_for.map(Self::Opened)
            }
            State::Open | State::HalfOpen => None,
            _ if in_trouble(from) => Some(Self::Closed),
            _ => None,
        }
    }
}
