use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use palisade_core::StoreGate;
use palisade_core::time::{self, WallClock};
use redis::Cmd;
use redis::aio::ConnectionLike;

use super::connection::{Answer, Connection, StoreError};
use super::health::Health;
use super::memory::Memory;
use super::script::ScriptCall;
use super::server;
use crate::error::Error;
use crate::limit::Date;
use crate::store::digest::SharedKeys;

/// The longest wait for the server's `INFO`: no request depends on it.
const PATIENCE: Duration = Duration::from_secs(5);

/// The behaviour of a policy while Redis does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outage {
    /// They are refused with 503. For what must never go uncounted, such as sign-ins.
    Deny,
    /// They are counted in this process, with the same numbers; with n instances the limits are n times as wide. When
    /// Redis has been silent for longer than `grace`, they are refused.
    LocalFallback {
        /// For how long counting in this process is good enough.
        grace: Duration,
    },
    /// They pass uncounted.
    Allow,
}

impl Default for Outage {
    /// Counting in this process for an hour: long enough to restart or replace a Redis, short enough to be noticed.
    fn default() -> Self {
        Self::LocalFallback {
            grace: Duration::from_secs(3_600),
        }
    }
}

/// Keeps limits in Redis or Valkey, so that many instances count together.
///
/// One script decides all limits of a policy in one round trip and by the server's clock. Behind it stand: a timeout, a
/// gate that fails fast while Redis is down, an [`Outage`] for each policy, and a cache of refusals, so that a client who
/// is over its limit asks Redis no more than once. The backstop by address is counted in this process, in front of
/// Redis, so that made-up keys do not reach it.
///
/// Takes any connection of the `redis` crate that can be cloned: multiplexed, managed (which reconnects by itself, and
/// so is the right one for servers) or of a cluster. A connection that repeats a command by itself may charge twice,
/// never too little.
///
/// After a failure it is probed, four times a second at most, by a charge to a key of the probe's own. Only a charge that
/// was written ends an outage: a server that answers but cannot write, such as a replica or one without memory, stays
/// down, and `PING` need not be allowed.
///
/// # What the server must be
///
/// Redis from 6.0 or any Valkey, because the scripts keep times to live with `SET ... KEEPTTL`. The user may be allowed no
/// more than `EVALSHA`, `EVAL`, `TIME`, `GET`, `SET`, `INCRBY`, `PEXPIRE` and, for
/// [`reset`](crate::RateLimiter::reset), `DEL`, on keys that begin with the prefix. Set `maxmemory-policy` to `noeviction`:
/// a server that is full is an outage then, and each policy says what that means. Every other setting evicts keys of
/// clients that are over their limit, who are free again with that.
///
/// [`check_server`](Self::check_server) looks at all of that, where the user may call `INFO`. The first layer that is built
/// on this store, within a Tokio runtime, does so in the background, and warns in the log.
///
/// # Security
///
/// Addresses are written to Redis as they are, all other keys as 128 bits of HMAC-SHA-256: under a key that everybody
/// knows, or under yours with [`digest_key`](Self::digest_key).
#[derive(Clone)]
pub struct Redis(Arc<Settings>);

#[derive(Clone)]
struct Settings {
    connection: Arc<dyn Connection>,
    health: Arc<Health>,
    prefix: Box<str>,
    timeout: Duration,
    clock: Option<WallClock>,
    keys: SharedKeys,
    remembered: usize,
    local: Memory,
}

impl Redis {
    /// A store behind this connection, with the prefix `palisade`, a timeout of 25 ms and the server's clock.
    pub fn new(connection: impl ConnectionLike + Clone + Send + Sync + 'static) -> Self {
        Self(Arc::new(Settings {
            connection: Arc::new(connection),
            health: Arc::new(Health::new()),
            prefix: "palisade".into(),
            timeout: Duration::from_millis(25),
            clock: None,
            keys: SharedKeys::plain(),
            remembered: 10_000,
            local: Memory::default(),
        }))
    }

    /// Sets what the names of all keys begin with; default `palisade`. Braces are an error when the layer is built: a
    /// cluster would put all keys into one slot.
    #[must_use]
    pub fn prefix(self, prefix: &str) -> Self {
        self.with(|settings| settings.prefix = prefix.into())
    }

    /// Sets how long an answer is waited for, of any length; default 25 ms, many times what a Redis nearby takes.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|settings| settings.timeout = timeout)
    }

    /// Decides by this clock instead of the server's. All instances must then have the same time. After a leap of more than
    /// 24 days a token bucket that was charged before may be taken for an empty one.
    #[must_use]
    pub fn caller_time(self, clock: WallClock) -> Self {
        self.with(|settings| settings.clock = Some(clock))
    }

    /// Makes the digests of keys with this secret, so that nobody who reads Redis can tell a key that he guesses. All
    /// instances need the same one.
    #[must_use]
    pub fn digest_key(self, secret: &[u8]) -> Self {
        self.with(|settings| settings.keys = SharedKeys::keyed(secret))
    }

    /// Sets how many refusals each policy remembers, so as not to ask Redis again; default 10,000, 0 for
    /// none. A refused client that an operator resets elsewhere stays refused here until the time that it was told.
    #[must_use]
    pub fn remembered_refusals(self, keys: usize) -> Self {
        self.with(|settings| settings.remembered = keys)
    }

    /// Sets where this process counts what Redis does not: the backstop, the limit of v6 sites, and everything that falls
    /// back during an outage. Default a [`Memory`] of its own for 100,000 keys a policy.
    #[must_use]
    pub fn local(self, memory: Memory) -> Self {
        self.with(|settings| settings.local = memory)
    }

    /// Looks whether the server is one that limits can be kept in: its version, its eviction policy, and whether it is a
    /// replica. For the start of a service that would rather not run without.
    ///
    /// Waits 5 seconds at most, whatever the [timeout](Self::timeout) is.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] with every problem. [`Error::Store`] where it does not answer `INFO`, be it that the user may not
    /// call that, which then tells nothing about the server.
    ///
    /// # Cancel safety
    ///
    /// It changes nothing, and can be dropped at any time.
    pub async fn check_server(&self) -> Result<(), Error> {
        self.0.health.claim_examination();
        let info = self.0.connection.send(redis::cmd("INFO"), PATIENCE).await;
        let info = info.map_err(|error| Error::Store(error.reason().into()))?;
        Ok(server::problems(&info).into_result(())?)
    }

    /// The same in the background, once, with a warning in the log.
    pub(super) fn check_server_soon(&self) {
        if let Ok(runtime) = tokio::runtime::Handle::try_current()
            && self.0.health.claim_examination()
        {
            let redis = self.clone();
            runtime.spawn(async move {
                match redis.check_server().await {
                    Err(Error::Config(problems)) => {
                        tracing::warn!(target: "palisade_ratelimit", %problems, "Redis is not set up for limits");
                    }
                    Err(error) => {
                        tracing::debug!(target: "palisade_ratelimit", %error, "Redis could not be checked");
                    }
                    Ok(()) => {}
                }
            });
        }
    }

    /// Whether Redis is taken to be down at the moment.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.gate().is_shut()
    }

    fn with(self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::clone(&self.0);
        change(&mut settings);
        Self(Arc::new(settings))
    }

    pub(super) fn memory(&self) -> Memory {
        self.0.local.clone()
    }

    pub(super) fn prefix_text(&self) -> &str {
        &self.0.prefix
    }

    pub(super) fn patience(&self) -> Duration {
        self.0.timeout
    }

    pub(super) fn remembered(&self) -> usize {
        self.0.remembered
    }

    /// The time of the clock that was set, in microseconds since 1970; 0 for the server's.
    pub(super) fn time(&self) -> u64 {
        self.0
            .clock
            .as_ref()
            .map_or(0, |clock| clock.now().as_duration().as_micros() as u64)
    }

    /// The date by the clock that was set, whose time this is, or else by the system's.
    pub(super) fn date(&self, time: u64) -> Date {
        #[cfg(feature = "calendar")]
        {
            let unix = match time {
                0 => WallClock::system().now().as_duration().as_nanos(),
                micros => u128::from(micros) * 1_000,
            };
            Date::new(unix, 0)
        }
        #[cfg(not(feature = "calendar"))]
        {
            let _ = time;
            Date::default()
        }
    }

    pub(crate) fn keys(&self) -> &SharedKeys {
        &self.0.keys
    }

    fn gate(&self) -> &StoreGate {
        self.0.health.gate()
    }

    /// Asks a script.
    pub(super) fn ask(&self, call: ScriptCall) -> Answer {
        let health = Arc::clone(&self.0.health);
        self.0.connection.ask(health, self.0.timeout, call)
    }

    /// Sends a command that calls no script.
    pub(super) async fn send(&self, command: Cmd) -> Result<(), StoreError> {
        let answer = self.0.connection.send(command, self.0.timeout).await;
        answer.map(drop)
    }

    /// For how long Redis has given no answer that is of use.
    pub(super) fn failing_for(&self) -> Duration {
        let since = self.gate().failing_since();
        since.map_or(Duration::ZERO, |since| {
            time::now().saturating_duration_since(since)
        })
    }

    /// Whether it is time to probe, and nobody else does.
    pub(super) fn claim_probe(&self) -> bool {
        let now = time::now();
        self.0.health.is_in_doubt(now) && self.0.health.claim_probe(now)
    }

    /// Another number for each probe.
    pub(super) fn probe_number(&self) -> u64 {
        self.0.health.nanos(time::now())
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("prefix", &self.0.prefix)
            .field("timeout", &self.0.timeout)
            .finish_non_exhaustive()
    }
}
