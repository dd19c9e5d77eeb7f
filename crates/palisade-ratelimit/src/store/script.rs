use std::sync::LazyLock;

use redis::{Cmd, ErrorKind, RedisError, RedisResult, Script, ServerErrorKind, Value};

use crate::limit::{Assessment, Fit, Rules, Wire};

const SOURCE: &str = include_str!("redis.lua");

static SHA: LazyLock<String> = LazyLock::new(|| Script::new(SOURCE).get_hash().to_owned());

/// One question to the script.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// Microseconds since 1970, or 0 for the server's.
    pub(crate) time: u64,
    pub(crate) action: Action,
    pub(crate) cost: u64,
    /// Milliseconds.
    pub(crate) jitter: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Take the cost, or more if there is as much.
    Charge {
        want: u64,
    },
    Peek,
    Refund {
        charged_at: u64,
    },
}

impl Call {
    /// The command, by the script's digest or with its whole text.
    pub(crate) fn command(&self, key: &[u8], limits: &[Wire], whole: bool) -> Cmd {
        let (name, script) = if whole {
            ("EVAL", SOURCE)
        } else {
            ("EVALSHA", SHA.as_str())
        };
        let (action, second) = match self.action {
            Action::Charge { want } => ("charge", want),
            Action::Peek => ("peek", 0),
            Action::Refund { charged_at } => ("refund", charged_at),
        };
        let mut command = redis::cmd(name);
        command
            .arg(script)
            .arg(1)
            .arg(key)
            .arg(self.time)
            .arg(action);
        command.arg(self.cost).arg(second).arg(self.jitter);
        for limit in limits {
            command.arg(limit.kind).arg(&limit.first).arg(&limit.second);
        }
        command
    }
}

/// Whether the server does not know the script, and so has done nothing.
pub(crate) fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

/// What the script answers. Times are microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) fit: Fit,
    /// The number of the limit that is closest to refusing, from 0.
    pub(crate) rule: usize,
    pub(crate) remaining: u64,
    pub(crate) reset: u64,
    pub(crate) charged: u64,
    pub(crate) time: u64,
    pub(crate) valid: u64,
    /// Until the token bucket is full again, where there is one.
    pub(crate) bucket: u64,
}

impl Reply {
    pub(crate) fn read(value: Value) -> RedisResult<Self> {
        let numbers: [u64; 9] = redis::from_redis_value::<Vec<u64>>(value)?
            .try_into()
            .map_err(|_| {
                RedisError::from((
                    ErrorKind::UnexpectedReturnType,
                    "not the answer of the script",
                ))
            })?;
        let [
            fit,
            rule,
            remaining,
            reset,
            wait,
            charged,
            time,
            valid,
            bucket,
        ] = numbers;
        let fit = match fit {
            0 => Fit::Fits,
            1 => Fit::Wait(wait.saturating_mul(1_000)),
            _ => Fit::Never,
        };
        let rule = usize::try_from(rule).unwrap_or(1).saturating_sub(1);
        Ok(Self {
            fit,
            rule,
            remaining,
            reset,
            charged,
            time,
            valid,
            bucket,
        })
    }

    pub(crate) fn assessment(&self, rules: &Rules) -> Option<Assessment> {
        let rule = rules.iter().nth(self.rule)?;
        Some(Assessment {
            fit: self.fit,
            remaining: self.remaining,
            reset: self.reset.saturating_mul(1_000),
            quota: rule.quota(),
            window: rule.window(),
        })
    }
}
