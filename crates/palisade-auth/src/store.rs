//! One command to Redis or Valkey: with a timeout, behind a gate, and never repeated.

use std::future::Future;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use palisade_core::{StoreGate, time};
use redis::aio::ConnectionLike;
use redis::{Cmd, RedisResult, Value};

/// A connection of whatever kind.
trait Connection: Send + Sync {
    fn send(&self, command: Cmd) -> Pin<Box<dyn Future<Output = RedisResult<Value>> + Send>>;
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Connection for C {
    fn send(&self, command: Cmd) -> Pin<Box<dyn Future<Output = RedisResult<Value>> + Send>> {
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

pub(crate) struct Store {
    connection: Box<dyn Connection>,
    gate: StoreGate,
    /// Whether a setting came after the store was shared, so that it could not reach everybody.
    late: AtomicBool,
    pub(crate) timeout: Duration,
    pub(crate) prefix: Box<str>,
}

/// After so many failures in a row Redis is taken to be down: one may be chance.
const FAILURES: NonZeroU32 = NonZeroU32::MIN.saturating_add(2);
/// The time until it is tried again, so that it is back in use within a second.
const PAUSE: Duration = Duration::from_millis(250);

impl Store {
    pub(crate) fn new(connection: impl ConnectionLike + Clone + Send + Sync + 'static) -> Self {
        Self {
            connection: Box::new(connection),
            gate: StoreGate::new(FAILURES, PAUSE),
            late: AtomicBool::new(false),
            timeout: Duration::from_millis(50),
            prefix: "palisade".into(),
        }
    }

    /// The mistake in its settings, for those who are built with it.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        let late = self.late.load(Ordering::Relaxed);
        late.then_some("was given a setting after it was cloned; set everything first")
    }

    /// The answer, or `None` when the store could not be asked: it is down, slow, did not understand, or was set up wrongly.
    pub(crate) async fn ask(&self, command: Cmd) -> Option<Value> {
        if self.late.load(Ordering::Relaxed) {
            return None;
        }
        let pass = self.gate.enter(time::now())?;
        match tokio::time::timeout(self.timeout, self.connection.send(command)).await {
            Ok(Ok(value)) => {
                pass.succeeded();
                Some(value)
            }
            Ok(Err(error)) => {
                pass.failed(time::now());
                tracing::warn!(target: "palisade_auth", %error, "redis refused a command or is away");
                None
            }
            Err(_) => {
                pass.failed(time::now());
                tracing::warn!(target: "palisade_auth", "redis did not answer in time");
                None
            }
        }
    }
}

/// A value with a store in it.
pub(crate) trait HasStore {
    fn store(&self) -> &Store;
}

impl HasStore for Store {
    fn store(&self) -> &Store {
        self
    }
}

/// Changes a setting of what nobody shares yet. What is shared already is of no use any more: one clone would look for marks
/// where another does not leave them.
pub(crate) fn settle<T: HasStore>(
    mut shared: Arc<T>,
    name: &str,
    change: impl FnOnce(&mut T),
) -> Arc<T> {
    match Arc::get_mut(&mut shared) {
        Some(alone) => change(alone),
        None => {
            shared.store().late.store(true, Ordering::Relaxed);
            tracing::error!(target: "palisade_auth", "a setting came after {name} was cloned; it refuses everything");
        }
    }
    shared
}

pub(crate) fn text_of(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

/// A number, in whichever of its forms it came.
pub(crate) fn number_of(value: &Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        text => text_of(text)?.parse().ok(),
    }
}
