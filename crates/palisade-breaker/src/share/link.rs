use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use palisade_core::Name;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, RedisError, cmd};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{sleep, timeout};

use super::{News, RedisSharing, What};
use crate::metrics;
use crate::{BreakerHandle, PeerTrust, State};

/// A Redis that takes longer than this is as good as none.
const PATIENCE: Duration = Duration::from_secs(2);
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// A connection that died without a word is found out by then.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Deletes a key that still says what this instance wrote.
const DELETE_OWN: &str =
    "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0";

pub(super) struct Link {
    sharing: RedisSharing,
    connected: Arc<AtomicBool>,
    /// Whether what this instance left in Redis in its last run has been read.
    restored: bool,
}

/// Redis is out of reach, or has said something that is no answer.
struct Lost;

impl From<RedisError> for Lost {
    fn from(_: RedisError) -> Self {
        Self
    }
}

impl From<tokio::time::error::Elapsed> for Lost {
    fn from(_: tokio::time::error::Elapsed) -> Self {
        Self
    }
}

impl Link {
    pub(super) const fn new(sharing: RedisSharing, connected: Arc<AtomicBool>) -> Self {
        Self {
            sharing,
            connected,
            restored: false,
        }
    }

    /// Connects, shares until the connection is lost, and so on for ever.
    pub(super) async fn run(mut self, mut news: UnboundedReceiver<News>) {
        let mut wait = FIRST_WAIT;
        loop {
            if let Err(Lost) = self.share(&mut news, &mut wait).await {
                self.connected.store(false, Ordering::Relaxed);
                tracing::warn!(target: "palisade_breaker", "redis is out of reach, breakers are on their own");
                for breaker in &self.sharing.breakers {
                    metrics::shared(breaker.name(), "lost");
                }
            }
            sleep(jittered(wait)).await;
            wait = (wait * 2).min(LONGEST_WAIT);
            // The states are published anew after connecting, so that what was missed meanwhile does not pile up.
            while news.try_recv().is_ok() {}
        }
    }

    async fn share(
        &mut self,
        news: &mut UnboundedReceiver<News>,
        wait: &mut Duration,
    ) -> Result<(), Lost> {
        let client = &self.sharing.client;
        let mut redis = timeout(PATIENCE, client.get_multiplexed_async_connection()).await??;
        let mut heard = timeout(PATIENCE, client.get_async_pubsub()).await??;
        // Heard first and read then, so that nothing is missed in between.
        timeout(PATIENCE, heard.subscribe(self.channel())).await??;
        self.synchronize(&mut redis).await?;
        self.connected.store(true, Ordering::Relaxed);
        *wait = FIRST_WAIT;
        let mut messages = pin!(heard.into_on_message());
        loop {
            tokio::select! {
                message = messages.next() => {
                    let payload: String = message.ok_or(Lost)?.get_payload()?;
                    self.hear(&payload);
                }
                Some(news) = news.recv() => self.publish(&mut redis, news).await?,
                () = sleep(HEARTBEAT) => ask(&mut redis, &cmd("PING")).await.map(|_: String| ())?,
            }
        }
    }

    /// Reads what Redis knows, and lets it know what it may have missed.
    async fn synchronize(&mut self, redis: &mut MultiplexedConnection) -> Result<(), Lost> {
        for breaker in &self.sharing.breakers {
            let name = breaker.name();
            let own = self.own_key(name);
            if !self.restored
                && let Some(left) = time_left(redis, &own).await?
            {
                breaker.peer_opened(left, PeerTrust::Immediate);
            }
            let shared = self.shared_key(name);
            let mut who = cmd("GET");
            let who: Option<String> = ask(redis, who.arg(&shared)).await?;
            if who.is_some_and(|who| who != self.sharing.instance)
                && let Some(left) = time_left(redis, &shared).await?
            {
                breaker.peer_opened(left, self.sharing.trust);
            }
            let what = standing(breaker);
            // Who has just begun has nothing to take back.
            let is_news = self.restored || what != Some(What::Closed);
            if let Some(what) = what.filter(|_| is_news) {
                self.publish(redis, News { name, what }).await?;
            }
        }
        self.restored = true;
        Ok(())
    }

    async fn publish(&self, redis: &mut MultiplexedConnection, news: News) -> Result<(), Lost> {
        let News { name, what } = news;
        let instance = &self.sharing.instance;
        let (own, shared) = (self.own_key(name), self.shared_key(name));
        let text = match what {
            What::Opened(left) => {
                let millis = u64::try_from(left.as_millis()).unwrap_or(u64::MAX).max(1);
                for key in [&own, &shared] {
                    let mut set = cmd("SET");
                    set.arg(key).arg(instance).arg("PX").arg(millis);
                    ask::<String>(redis, &set).await?;
                }
                format!("1 {instance} opened {millis} {name}")
            }
            What::Closed => {
                for key in [&own, &shared] {
                    let mut delete = cmd("EVAL");
                    delete.arg(DELETE_OWN).arg(1).arg(key).arg(instance);
                    ask::<i64>(redis, &delete).await?;
                }
                format!("1 {instance} closed 0 {name}")
            }
        };
        let mut publish = cmd("PUBLISH");
        ask::<i64>(redis, publish.arg(self.channel()).arg(text)).await?;
        metrics::shared(name, "published");
        Ok(())
    }

    /// Takes in what another instance has published; what is not understood is left to later versions.
    fn hear(&self, text: &str) {
        let mut parts = text.splitn(5, ' ');
        let (Some("1"), Some(instance), Some(what), Some(millis), Some(name)) = (
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
        let named = |breaker: &&BreakerHandle| breaker.name().as_str() == name;
        for breaker in self.sharing.breakers.iter().filter(named) {
            match (what, millis.parse().map(Duration::from_millis)) {
                ("opened", Ok(left)) => breaker.peer_opened(left, self.sharing.trust),
                ("closed", _) => breaker.peer_closed(),
                _ => continue,
            }
            metrics::shared(breaker.name(), "heard");
        }
    }

    fn channel(&self) -> String {
        format!("{}:news", self.sharing.prefix)
    }

    /// The same hash tag in both, so that they lie in one slot of a cluster.
    fn shared_key(&self, name: Name) -> String {
        format!("{}:{{{name}}}", self.sharing.prefix)
    }

    fn own_key(&self, name: Name) -> String {
        format!("{}:{}", self.shared_key(name), self.sharing.instance)
    }
}

/// What there is to say about a breaker as it stands.
fn standing(breaker: &BreakerHandle) -> Option<What> {
    match breaker.state() {
        State::Open if breaker.0.cell.lock().is_open_by_itself() => {
            breaker.retry_after().map(What::Opened)
        }
        State::Closed => Some(What::Closed),
        _ => None,
    }
}

async fn time_left(redis: &mut MultiplexedConnection, key: &str) -> Result<Option<Duration>, Lost> {
    let mut left = cmd("PTTL");
    let millis: i64 = ask(redis, left.arg(key)).await?;
    Ok(u64::try_from(millis).ok().map(Duration::from_millis))
}

async fn ask<T: redis::FromRedisValue>(
    redis: &mut MultiplexedConnection,
    what: &Cmd,
) -> Result<T, Lost> {
    Ok(timeout(PATIENCE, what.query_async(redis)).await??)
}

/// Between a half and the whole, so that many processes do not come back at once.
fn jittered(wait: Duration) -> Duration {
    let random = palisade_core::random::bytes().map_or(u16::MAX, u16::from_le_bytes);
    wait / 2 + wait / 2 * u32::from(random) / u32::from(u16::MAX)
}
