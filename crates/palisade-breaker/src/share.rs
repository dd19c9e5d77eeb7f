//! Sharing through Redis: transitions as news, never a count, and never on the way of a call.

mod link;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use palisade_core::Name;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use self::link::Link;
use crate::{BreakerHandle, Cause, PeerTrust, State};

/// Tells other processes when a breaker opens or closes, and hears of theirs, through Redis or Valkey.
///
/// A task in the background does it all: no call waits for Redis, and a Redis that is down only means that every
/// process is on its own, as without sharing. The task then tries again after a random while of up to 5 s.
///
/// - When a breaker opens, its name is published and kept in Redis for as long as it stays open.
/// - A process that starts while its own breaker of the last run would still be open opens it for the time left; that
///   needs the same `instance` as in the last run.
/// - What the news of others does is up to [`trust`](Self::trust).
///
/// Breakers are told apart by their names. Those that a person forced open, disabled or reset are not spoken of, and
/// breakers of keys are not shared.
///
/// # Security
///
/// Who can publish in that Redis can open the breakers of a process that trusts [`PeerTrust::Immediate`], for up to
/// [`longest_open`](crate::BreakerLayer::longest_open) a time.
///
/// # Example
///
/// ```no_run
/// use palisade_breaker::{BreakerLayer, PeerTrust, RedisSharing};
///
/// # async fn share() -> Result<(), Box<dyn std::error::Error>> {
/// let billing = BreakerLayer::http("billing").leak();
/// let client = redis::Client::open("redis://localhost")?;
/// let sharing = RedisSharing::new(client, "api-1").add_breaker(billing.handle()).spawn();
/// # drop(sharing);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisSharing {
    client: redis::Client,
    instance: String,
    prefix: String,
    trust: PeerTrust,
    breakers: Vec<BreakerHandle>,
}

impl RedisSharing {
    /// Sharing through the Redis of this client, as this instance: a name that no other process uses and that survives a
    /// restart, such as that of a pod in a stateful set. Spaces become dashes.
    #[must_use]
    pub fn new(client: redis::Client, instance: impl AsRef<str>) -> Self {
        Self {
            client,
            instance: instance.as_ref().replace(char::is_whitespace, "-"),
            prefix: "palisade:breaker".to_owned(),
            trust: PeerTrust::default(),
            breakers: Vec::new(),
        }
    }

    /// Shares this breaker too.
    #[must_use]
    pub fn add_breaker(mut self, breaker: BreakerHandle) -> Self {
        self.breakers.push(breaker);
        self
    }

    /// What the news that another process has opened its breaker does here; default [`PeerTrust::Advisory`].
    #[must_use]
    pub const fn trust(mut self, trust: PeerTrust) -> Self {
        self.trust = trust;
        self
    }

    /// What the keys and the channel begin with; default `palisade:breaker`.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Begins to share, until the task is dropped. Needs a Tokio runtime.
    #[must_use = "sharing ends when the task is dropped"]
    pub fn spawn(self) -> SharingTask {
        let (send, news) = mpsc::unbounded_channel();
        for breaker in &self.breakers {
            if breaker.0.news.set(send.clone()).is_err() {
                tracing::warn!(
                    target: "palisade_breaker",
                    breaker = breaker.name().as_str(), "already shared, and so not shared again"
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

impl fmt::Debug for RedisSharing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the client, whose address may hold a password.
        f.debug_struct("RedisSharing")
            .field("instance", &self.instance)
            .field("prefix", &self.prefix)
            .field("trust", &self.trust)
            .field("breakers", &self.breakers)
            .finish_non_exhaustive()
    }
}

/// Shares while it lives; see [`RedisSharing::spawn`].
#[derive(Debug)]
pub struct SharingTask {
    task: JoinHandle<()>,
    connected: Arc<AtomicBool>,
}

impl SharingTask {
    /// Whether Redis is reached at this time.
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

/// What a breaker tells its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct News {
    pub(crate) name: Name,
    pub(crate) what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Opened(Duration),
    Closed,
}

impl What {
    /// What of a transition is news to others.
    pub(crate) fn of(
        from: State,
        to: State,
        cause: Cause,
        open_for: Option<Duration>,
    ) -> Option<Self> {
        let in_trouble = |state| matches!(state, State::Open | State::HalfOpen);
        match to {
            // What came from a peer is not told again, or two would keep each other open for ever.
            State::Open if cause != Cause::Peer => open_for.map(Self::Opened),
            State::Open | State::HalfOpen => None,
            _ if in_trouble(from) => Some(Self::Closed),
            _ => None,
        }
    }
}
