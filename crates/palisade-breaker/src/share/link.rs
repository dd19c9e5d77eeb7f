use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use palisade_core::Name;
use redis::aio::MultiplexedConnection;
use redis::cmd;
use tokio::time::{sleep, timeout};

use super::RedisSharing;
use super::entries::{COMMAND_TIMEOUT, Failure, OpenEntries, Unreachable, ask};
use super::wire::{Announcement, Change, Received};
use crate::metrics;
use crate::{BreakerHandle, KeyedHandle, PeerTrust, State};

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// A connection that died without a word is found out by then.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Entries that are kept of a breaker without keys: one for each instance, of which no more say more.
const MOST_INSTANCES: usize = 1_000;

pub(super) struct Link {
    sharing: RedisSharing,
    connected: Arc<AtomicBool>,
    /// Whether what this instance left in Redis in its last run has been read.
    restored: bool,
    /// Names that Redis refused to note or to tell of, which are tried again at the next heartbeat.
    refused: Vec<Name>,
}

impl Link {
    pub(super) const fn new(sharing: RedisSharing, connected: Arc<AtomicBool>) -> Self {
        Self {
            sharing,
            connected,
            restored: false,
            refused: Vec::new(),
        }
    }

    /// Connects, shares until the connection is lost, and so on for ever.
    pub(super) async fn run(mut self, mut received: Received) {
        let mut wait = FIRST_WAIT;
        loop {
            if let Err(Unreachable) = self.share(&mut received, &mut wait).await {
                self.connected.store(false, Ordering::Relaxed);
                tracing::warn!(target: "palisade_breaker", "redis is out of reach, breakers are on their own");
                for (name, _) in self.sharing.wires() {
                    metrics::shared(name, "lost");
                }
            }
            sleep(jittered(wait)).await;
            wait = (wait * 2).min(LONGEST_WAIT);
            // The states are published anew after connecting, so that what was missed meanwhile does not pile up.
            received.clear();
        }
    }

    async fn share(
        &mut self,
        received: &mut Received,
        wait: &mut Duration,
    ) -> Result<(), Unreachable> {
        let client = &self.sharing.client;
        let mut redis =
            timeout(COMMAND_TIMEOUT, client.get_multiplexed_async_connection()).await??;
        let mut heard = timeout(COMMAND_TIMEOUT, client.get_async_pubsub()).await??;
        // Heard first and read then, so that nothing is missed in between.
        timeout(COMMAND_TIMEOUT, heard.subscribe(self.entries().channel())).await??;
        self.synchronize(&mut redis).await?;
        self.connected.store(true, Ordering::Relaxed);
        *wait = FIRST_WAIT;
        let mut messages = pin!(heard.into_on_message());
        loop {
            tokio::select! {
                message = messages.next() => {
                    // What is no text is not ours.
                    if let Ok(text) = std::str::from_utf8(message.ok_or(Unreachable)?.get_payload_bytes()) {
                        self.hear(text);
                    }
                }
                Some(news) = received.news.recv() => {
                    let name = news.name;
                    let published = self.publish(&mut redis, news).await;
                    self.unless_unreachable(name, published)?;
                    if received.has_missed() {
                        self.synchronize(&mut redis).await?;
                    }
                }
                () = sleep(HEARTBEAT) => self.beat(&mut redis).await?,
            }
        }
    }

    /// Finds out whether Redis is still there, and whether it takes by now what it has refused.
    async fn beat(&mut self, redis: &mut MultiplexedConnection) -> Result<(), Unreachable> {
        if !self.refused.is_empty() {
            return self.synchronize(redis).await;
        }
        match ask(redis, &cmd("PING")).await.map(|_: String| ()) {
            Err(Failure::Unreachable) => Err(Unreachable),
            Ok(()) | Err(Failure::Refused(_)) => Ok(()),
        }
    }

    /// Reads what Redis knows, and lets it know what it may have missed.
    async fn synchronize(&mut self, redis: &mut MultiplexedConnection) -> Result<(), Unreachable> {
        let RedisSharing {
            breakers, keyed, ..
        } = self.sharing.clone();
        for breaker in &breakers {
            let result = self.synchronize_one(redis, breaker).await;
            self.is_taken(breaker.name(), result)?;
        }
        for keyed in &keyed {
            let result = self.synchronize_keys(redis, keyed).await;
            self.is_taken(keyed.0.setup().name, result)?;
        }
        self.restored = true;
        Ok(())
    }

    /// All that there is to say of this name has been said, unless Redis refused it.
    fn is_taken(&mut self, name: Name, result: Result<(), Failure>) -> Result<(), Unreachable> {
        if result.is_ok() {
            self.refused.retain(|refused| *refused != name);
        }
        self.unless_unreachable(name, result)
    }

    /// A refusal by Redis concerns one name alone.
    fn unless_unreachable(
        &mut self,
        name: Name,
        result: Result<(), Failure>,
    ) -> Result<(), Unreachable> {
        let why = match result {
            Ok(()) => return Ok(()),
            Err(Failure::Unreachable) => return Err(Unreachable),
            Err(Failure::Refused(why)) => why,
        };
        metrics::shared(name, "refused");
        if !self.refused.contains(&name) {
            self.refused.push(name);
            tracing::warn!(
                target: "palisade_breaker",
                breaker = name.as_str(), why, "redis does not take what is shared of this breaker"
            );
        }
        Ok(())
    }

    async fn synchronize_one(
        &self,
        redis: &mut MultiplexedConnection,
        breaker: &BreakerHandle,
    ) -> Result<(), Failure> {
        let name = breaker.name();
        for entry in self.entries().read(redis, name, MOST_INSTANCES).await? {
            if entry.key.is_none() {
                self.restore(breaker, &entry.instance, entry.left);
            }
        }
        // Who has just begun has nothing to take back.
        match current_change(breaker).filter(|what| self.restored || *what != Change::Closed) {
            Some(what) => {
                self.publish(
                    redis,
                    Announcement {
                        name,
                        key: None,
                        what,
                    },
                )
                .await
            }
            None => Ok(()),
        }
    }

    async fn synchronize_keys(
        &self,
        redis: &mut MultiplexedConnection,
        keyed: &KeyedHandle,
    ) -> Result<(), Failure> {
        let name = keyed.0.setup().name;
        for entry in self.entries().read(redis, name, keyed.0.most()).await? {
            let Some(key) = entry.key else {
                continue;
            };
            let is_own = entry.instance == self.sharing.instance;
            if is_own && self.restored {
                // What still stands is published below.
                let known = keyed.0.find(&key).map(BreakerHandle);
                if known.is_none_or(|breaker| breaker.state() == State::Closed) {
                    let (key, what) = (Some(key.into()), Change::Closed);
                    self.publish(redis, Announcement { name, key, what })
                        .await?;
                }
            } else if let Some(breaker) = keyed.0.place(&key).map(BreakerHandle) {
                self.restore(&breaker, &entry.instance, entry.left);
            }
        }
        for (key, breaker) in keyed.0.open() {
            if let Some(what) = current_change(&BreakerHandle(breaker)) {
                let key = Some(key);
                self.publish(redis, Announcement { name, key, what })
                    .await?;
            }
        }
        Ok(())
    }

    /// Takes over what Redis says of a breaker.
    fn restore(&self, breaker: &BreakerHandle, instance: &str, left: Duration) {
        if instance != self.sharing.instance {
            breaker.peer_opened(left, self.sharing.trust);
        } else if !self.restored {
            breaker.peer_opened(left, PeerTrust::Immediate);
        }
    }

    async fn publish(
        &self,
        redis: &mut MultiplexedConnection,
        news: Announcement,
    ) -> Result<(), Failure> {
        let Announcement { name, key, what } = news;
        let keyed = self.sharing.keyed.iter();
        let most = match key {
            None => MOST_INSTANCES,
            Some(_) => keyed
                .filter(|keyed| keyed.0.setup().name == name)
                .map(|keyed| keyed.0.most())
                .max()
                .unwrap_or(MOST_INSTANCES),
        };
        let which = (name, key.as_deref());
        self.entries().write(redis, which, what, most).await?;
        metrics::shared(name, "published");
        Ok(())
    }

    /// Takes in what another instance has published; what is not understood is left to later versions.
    fn hear(&self, text: &str) {
        let mut parts = text.splitn(5, ' ');
        let (Some("1"), Some(instance), Some(what), Some(millis), Some(which)) = (
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
        ) else {
            return;
        };
        if instance == self.sharing.instance {
            return;
        }
        let what = match (what, millis.parse().map(Duration::from_millis)) {
            ("opened", Ok(left)) => Change::Opened(left),
            ("closed", _) => Change::Closed,
            _ => return,
        };
        let named = |breaker: &&BreakerHandle| breaker.name().as_str() == which;
        for breaker in self.sharing.breakers.iter().filter(named) {
            self.heed(breaker, what);
        }
        for keyed in &self.sharing.keyed {
            let name = keyed.0.setup().name;
            let Some(key) = key_of(which, name) else {
                continue;
            };
            let breaker = match what {
                Change::Opened(_) => keyed.0.place(key),
                Change::Closed => keyed.0.find(key),
            };
            if let Some(breaker) = breaker.map(BreakerHandle) {
                self.heed(&breaker, what);
            }
        }
    }

    fn heed(&self, breaker: &BreakerHandle, what: Change) {
        match what {
            Change::Opened(left) => breaker.peer_opened(left, self.sharing.trust),
            Change::Closed => breaker.peer_closed(),
        }
        metrics::shared(breaker.name(), "heard");
    }

    fn entries(&self) -> OpenEntries<'_> {
        OpenEntries {
            prefix: &self.sharing.prefix,
            instance: &self.sharing.instance,
        }
    }
}

/// The key in `which` if that is a breaker of the layer of this name: the name, a line break, and the key.
fn key_of(which: &str, name: Name) -> Option<&str> {
    which.strip_prefix(name.as_str())?.strip_prefix('\n')
}

/// The message that describes the state of a breaker.
fn current_change(breaker: &BreakerHandle) -> Option<Change> {
    match breaker.state() {
        State::Open if breaker.0.cell.lock().is_open_by_itself() => {
            breaker.retry_after().map(Change::Opened)
        }
        State::Closed => Some(Change::Closed),
        _ => None,
    }
}

/// Between a half and the whole, so that many processes do not come back at once.
fn jittered(wait: Duration) -> Duration {
    let random = palisade_core::random::bytes().map_or(u16::MAX, u16::from_le_bytes);
    wait / 2 + wait / 2 * u32::from(random) / u32::from(u16::MAX)
}
