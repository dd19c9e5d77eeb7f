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
use super::script::{Question, is_unknown_script};

/// What becomes of a question. Boxed once, together with the connection that it holds.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<Reply, Silence>> + Send>>;

/// What becomes of any other command.
type Done = Pin<Box<dyn Future<Output = Result<(), Silence>> + Send>>;

pub(super) trait Connection: Send + Sync {
    /// Asks once, and once more with the whole script where the server does not know it.
    fn ask(&self, health: Arc<Health>, timeout: Duration, question: Question) -> Answer;

    /// Sends a command whose answer says no more than that there is one.
    fn send(&self, command: Cmd, timeout: Duration) -> Done;
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Connection for C {
    fn ask(&self, health: Arc<Health>, timeout: Duration, question: Question) -> Answer {
        let mut connection = self.clone();
        Box::pin(async move {
            let Some(pass) = health.gate().enter(time::now()) else {
                return Err(Silence::Down);
            };
            let Question {
                command,
                script,
                reading,
            } = question;
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
                    .map_err(Silence::Failed),
                Err(_) => Err(Silence::TimedOut),
            };
            match &answer {
                Ok(_) => pass.succeeded(),
                Err(silence) if silence.is_about_the_key() => {}
                Err(_) => pass.failed(time::now()),
            }
            answer
        })
    }

    fn send(&self, command: Cmd, timeout: Duration) -> Done {
        let mut connection = self.clone();
        Box::pin(async move {
            match tokio::time::timeout(timeout, request(&mut connection, &command)).await {
                Ok(answer) => answer.map(drop).map_err(Silence::Failed),
                Err(_) => Err(Silence::TimedOut),
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

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Silence {
    /// Redis is known to be down; nothing was sent.
    Down,
    /// No answer came in time. What was asked for may have been charged, or may yet be: once, because nothing is sent
    /// again.
    TimedOut,
    /// Redis answered with an error or with something else than the script does, or the connection is gone.
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

    /// Whether it is the key that is not what it should be, as when somebody else has written to it. That says nothing
    /// about all the other keys.
    fn is_about_the_key(&self) -> bool {
        match self {
            Self::Failed(error) => matches!(error.code(), Some("WRONGTYPE" | "ERR")),
            _ => false,
        }
    }
}
