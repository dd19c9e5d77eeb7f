//! A connection of whatever kind, and why it may not answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use palisade_core::time;
use redis::aio::ConnectionLike;
use redis::{Cmd, RedisError, RedisResult, Value};

use super::health::Health;
use super::reply::Reply;
use super::script::{ScriptCall, is_unknown_script};

/// The reply to a call of a script. Boxed once, together with the connection that it holds.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<Reply, StoreError>> + Send>>;

/// The reply to any other command.
type Done = Pin<Box<dyn Future<Output = Result<Value, StoreError>> + Send>>;

pub(super) trait Connection: Send + Sync {
    /// Asks once, and once more with the whole script where the server does not know it.
    fn ask(&self, health: Arc<Health>, timeout: Duration, call: ScriptCall) -> Answer;

    /// Sends a command that calls no script.
    fn send(&self, command: Cmd, timeout: Duration) -> Done;
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Connection for C {
    fn ask(&self, health: Arc<Health>, timeout: Duration, call: ScriptCall) -> Answer {
        let mut connection = self.clone();
        Box::pin(async move {
            let ScriptCall {
                command,
                script,
                reading,
            } = call;
            // Only a charge can prove that a store that was down is back: nothing else may take the probe's place.
            if !reading.charges() && health.gate().is_shut() {
                return Err(StoreError::Down);
            }
            let Some(pass) = health.gate().enter(time::now()) else {
                return Err(StoreError::Down);
            };
            let asking = async {
                match request(&mut connection, &command).await {
                    Err(error) if is_unknown_script(&error) => {
                        request(&mut connection, &script.whole(&command)).await
                    }
                    answer => answer,
                }
            };
            let answer = match tokio::time::timeout(timeout, asking).await {
                Ok(answer) => answer
                    .and_then(|value| reading.read(&value))
                    .map_err(StoreError::Failed),
                Err(_) => Err(StoreError::TimedOut),
            };
            match &answer {
                Ok(reply) if reading.wrote(reply) => pass.succeeded(),
                // A replica and a server without memory answer all that needs no write, as a refusal does.
                Ok(_) => {}
                Err(error) if error.is_about_the_key() => {}
                Err(_) => pass.failed(time::now()),
            }
            answer
        })
    }

    fn send(&self, command: Cmd, timeout: Duration) -> Done {
        let mut connection = self.clone();
        Box::pin(async move {
            match tokio::time::timeout(timeout, request(&mut connection, &command)).await {
                Ok(answer) => answer.map_err(StoreError::Failed),
                Err(_) => Err(StoreError::TimedOut),
            }
        })
    }
}

/// Sends a command once. An error of the server is a value to a connection, and an error here.
async fn request(connection: &mut impl ConnectionLike, command: &Cmd) -> RedisResult<Value> {
    connection
        .req_packed_command(command)
        .await?
        .extract_error()
}

/// The reason for which there is no answer.
#[derive(Debug)]
pub(crate) enum StoreError {
    /// Redis is known to be down; nothing was sent.
    Down,
    /// No answer came in time. What was asked for may have been charged, or may yet be: once, because nothing is sent
    /// again.
    TimedOut,
    /// Redis answered with an error or with something else than the script does, or the connection is gone.
    Failed(RedisError),
}

impl StoreError {
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Down => "down".into(),
            Self::TimedOut => "timed out".into(),
            Self::Failed(error) => error.to_string(),
        }
    }

    /// Whether it is the key that is not what it should be, as when somebody else has written to it. That says nothing
    /// about all the other keys. Every other error is about the store, whatever its code: `ERR` stands for unknown
    /// commands and missing permissions too.
    fn is_about_the_key(&self) -> bool {
        let Self::Failed(error) = self else {
            return false;
        };
        match error.code() {
            // The second is the script's own: this caller's clock is wrong, or the server's.
            Some("WRONGTYPE" | "CLOCKS") => true,
            Some("ERR") => {
                let detail = error.detail().unwrap_or_default();
                ABOUT_THE_KEY.iter().any(|text| detail.contains(text))
            }
            _ => false,
        }
    }
}

/// Texts of the errors that scripts run into where a key holds something else than they keep there: another type (which
/// Redis 6 reports under the code `ERR`), no whole number, nothing that `cmsgpack` reads, or values that the arithmetic
/// does not take.
const ABOUT_THE_KEY: [&str; 6] = [
    "WRONGTYPE",
    "value is not an integer",
    "increment or decrement would overflow",
    "Bad data format",
    "Missing bytes",
    ": attempt to ",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn is_about_the_key(line: &str) -> bool {
        let parsed = redis::parse_redis_value(format!("-{line}\r\n").as_bytes());
        let error = parsed.and_then(Value::extract_error).unwrap_err();
        StoreError::Failed(error).is_about_the_key()
    }

    /// As Redis 7.0 words them; the forms with `call to` are those of earlier servers.
    #[test]
    fn an_error_about_one_key_is_told_from_one_about_the_store() {
        for line in [
            "WRONGTYPE Operation against a key holding the wrong kind of value script: f00, on @user_script:18.",
            "ERR Error running script (call to f_f00): @user_script:18: WRONGTYPE Operation against a key holding the wrong kind of value",
            "ERR value is not an integer or out of range script: f00, on @user_script:33.",
            "ERR increment or decrement would overflow script: f00, on @user_script:33.",
            "ERR user_script:24: Bad data format in input. script: f00, on @user_script:24.",
            "ERR user_script:24: Missing bytes in input. script: f00, on @user_script:24.",
            "ERR user_script:37: attempt to compare number with string script: f00, on @user_script:37.",
        ] {
            assert!(is_about_the_key(line), "{line}");
        }
        for line in [
            "ERR unknown command 'EVALSHA', with args beginning with: 'f00' '1'",
            "ERR The user executing the script can't run this command or subcommand script: f00, on @user_script:18.",
            "ERR Error running script (call to f_f00): @user_script:33: -OOM command not allowed when used memory > 'maxmemory'.",
            "ERR Error running script (call to f_f00): @user_script:33: -READONLY You can't write against a read only replica.",
            "ERR user_script:8: Script attempted to access nonexistent global variable 'struct' script: f00, on @user_script:8.",
            "ERR max number of clients reached",
            "OOM command not allowed when used memory > 'maxmemory'. script: f00, on @user_script:33.",
            "READONLY You can't write against a read only replica. script: f00, on @user_script:33.",
            "NOPERM User limits has no permissions to run the 'evalsha' command",
            "NOAUTH Authentication required.",
            "WRONGPASS invalid username-password pair or user is disabled.",
            "CLUSTERDOWN The cluster is down",
            "LOADING Redis is loading the dataset in memory",
            "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
            "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
            "NOREPLICAS Not enough good replicas to write.",
            "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
            "TRYAGAIN Multiple keys request during rehashing of slot",
        ] {
            assert!(!is_about_the_key(line), "{line}");
        }
    }
}
