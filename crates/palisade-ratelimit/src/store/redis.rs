use std::fmt;
use std::future::Future;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use palisade_core::StoreGate;
use palisade_core::time::{self, Instant, WallClock};
use redis::aio::ConnectionLike;
use redis::{Cmd, RedisError, RedisResult, Value};

use super::script::{Call, Reply, is_unknown_script};
use crate::digest::SharedKeys;
use crate::limit::Wire;

/// What happens to requests while Redis does not answer.
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
/// # Security
///
/// Addresses are written to Redis as they are, all other keys as 128 bits of HMAC-SHA-256: under a key that everybody
/// knows, or under yours with [`digest_key`](Self::digest_key).
#[derive(Clone)]
pub struct Redis(Arc<Settings>);

#[derive(Clone)]
struct Settings {
    connection: Arc<dyn Connection>,
    gate: Arc<Gate>,
    prefix: Box<str>,
    timeout: Duration,
    clock: Option<WallClock>,
    keys: SharedKeys,
    remembered: usize,
}

/// A connection of whatever kind.
trait Connection: Send + Sync {
    fn send(&self, command: Cmd) -> Answer;
}

type Answer = Pin<Box<dyn Future<Output = RedisResult<Value>> + Send>>;

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Connection for C {
    fn send(&self, command: Cmd) -> Answer {
        let mut connection = self.clone();
        // An error of the server is a value at this level.
        Box::pin(async move {
            connection
                .req_packed_command(&command)
                .await?
                .extract_error()
        })
    }
}

/// What all policies on one connection know of its health.
struct Gate {
    gate: StoreGate,
    started: Instant,
    /// When Redis last answered, and when it may next be probed; nanoseconds since `started`.
    answered: AtomicU64,
    next_probe: AtomicU64,
}

/// After so many failures in a row Redis is taken to be down: one may be chance.
const FAILURES: NonZeroU32 = NonZeroU32::MIN.saturating_add(2);
/// How long until a Redis that is down is tried again, so that it is back in use within a second.
const PAUSE: Duration = Duration::from_millis(250);

impl Redis {
    /// A store behind this connection, with the prefix `palisade`, a timeout of 25 ms and the server's clock.
    pub fn new(connection: impl ConnectionLike + Clone + Send + Sync + 'static) -> Self {
        Self(Arc::new(Settings {
            connection: Arc::new(connection),
            gate: Arc::new(Gate {
                gate: StoreGate::new(FAILURES, PAUSE),
                started: time::now(),
                answered: AtomicU64::new(0),
                next_probe: AtomicU64::new(0),
            }),
            prefix: "palisade".into(),
            timeout: Duration::from_millis(25),
            clock: None,
            keys: SharedKeys::plain(),
            remembered: 10_000,
        }))
    }

    /// Sets what the names of all keys begin with; default `palisade`.
    #[must_use]
    pub fn prefix(self, prefix: &str) -> Self {
        self.with(|settings| settings.prefix = prefix.into())
    }

    /// Sets how long an answer is waited for; default 25 ms, many times what a Redis nearby takes.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|settings| settings.timeout = timeout)
    }

    /// Decides by this clock instead of the server's. All instances must then have the same time.
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

    /// Whether Redis is taken to be down at the moment.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.0.gate.gate.is_shut()
    }

    fn with(self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::clone(&self.0);
        change(&mut settings);
        Self(Arc::new(settings))
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

    /// Sends a command that is no question to the script.
    pub(super) async fn send(&self, command: Cmd) -> Result<Value, Silence> {
        match tokio::time::timeout(self.0.timeout, self.0.connection.send(command)).await {
            Ok(answer) => answer.map_err(Silence::Failed),
            Err(_) => Err(Silence::TimedOut),
        }
    }

    pub(crate) fn keys(&self) -> &SharedKeys {
        &self.0.keys
    }

    /// Asks once, and once more with the whole script where the server does not know it.
    pub(super) async fn ask(
        &self,
        key: Vec<u8>,
        limits: Arc<[Wire]>,
        call: Call,
    ) -> Result<Reply, Silence> {
        let settings = &*self.0;
        let Some(pass) = settings.gate.gate.enter(time::now()) else {
            return Err(Silence::Down);
        };
        let asking = async {
            let send = |whole| settings.connection.send(call.command(&key, &limits, whole));
            match send(false).await {
                Err(error) if is_unknown_script(&error) => send(true).await,
                answer => answer,
            }
        };
        let answer = match tokio::time::timeout(settings.timeout, asking).await {
            Ok(answer) => answer.and_then(Reply::read).map_err(Silence::Failed),
            Err(_) => Err(Silence::TimedOut),
        };
        match &answer {
            Ok(_) => {
                settings
                    .gate
                    .answered
                    .store(settings.gate.elapsed(), Ordering::Relaxed);
                pass.succeeded();
            }
            Err(_) => pass.failed(time::now()),
        }
        answer
    }

    /// For how long Redis has not answered.
    pub(super) fn silent_for(&self) -> Duration {
        let gate = &self.0.gate;
        Duration::from_nanos(
            gate.elapsed()
                .saturating_sub(gate.answered.load(Ordering::Relaxed)),
        )
    }

    /// Tries a Redis that is down, in a task of its own: no request should wait for what may not come.
    pub(super) fn probe(&self) {
        let gate = &self.0.gate;
        let (now, due) = (gate.elapsed(), gate.next_probe.load(Ordering::Relaxed));
        let next = now.saturating_add(PAUSE.as_nanos() as u64);
        if now < due
            || gate
                .next_probe
                .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_err()
        {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let redis = self.clone();
        runtime.spawn(async move {
            let Some(pass) = redis.0.gate.gate.enter(time::now()) else {
                return;
            };
            let ping = redis.0.connection.send(redis::cmd("PING"));
            match tokio::time::timeout(redis.0.timeout, ping).await {
                Ok(Ok(_)) => {
                    redis
                        .0
                        .gate
                        .answered
                        .store(redis.0.gate.elapsed(), Ordering::Relaxed);
                    pass.succeeded();
                }
                _ => pass.failed(time::now()),
            }
        });
    }
}

impl Gate {
    fn elapsed(&self) -> u64 {
        time::now()
            .saturating_duration_since(self.started)
            .as_nanos() as u64
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

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Silence {
    /// Redis is known to be down; nothing was sent.
    Down,
    /// No answer came in time. It may still have been charged.
    TimedOut,
    /// Redis answered with an error, or the connection is gone.
    Failed(RedisError),
}

impl Silence {
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Down => "down".into(),
            Self::TimedOut => "timed out".into(),
            Self::Failed(error) => error.to_string(),
        }
    }
}
