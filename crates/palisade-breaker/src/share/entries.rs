//! The data in Redis: for each name a sorted set of the instances that are open, by the end of that on the clock of Redis.

use std::time::Duration;

use palisade_core::Name;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, RedisError, RetryMethod, cmd};
use tokio::time::timeout;

use super::wire::Change;

/// A Redis that takes longer than this is as good as none.
pub(super) const COMMAND_TIMEOUT: Duration = Duration::from_secs(2);

/// Notes an entry (of those that last ten years at most: what lasts longer is none of ours), lets go of those that are over or too many, the first to end first, and tells it.
const OPENED: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - ARGV[3])
local latest = string.format('%.0f', now + 315360000000)
local last = redis.call('ZREVRANGEBYSCORE', KEYS[1], latest, '-inf', 'WITHSCORES', 'LIMIT', 0, 1)
if last[2] then redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', last[2])) end
return redis.call('PUBLISH', ARGV[4], ARGV[5])";

/// Takes an entry out, and tells it.
const CLOSED: &str = r"
redis.call('ZREM', KEYS[1], ARGV[1])
return redis.call('PUBLISH', ARGV[2], ARGV[3])";

/// The entries that are not over, and their milliseconds left; where there are too many, those that last longest.
const READ: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local latest = string.format('%.0f', now + 315360000000)
local found = redis.call('ZREVRANGEBYSCORE', KEYS[1], latest, '(' .. string.format('%.0f', now),
  'WITHSCORES', 'LIMIT', 0, ARGV[1])
for i = 2, #found, 2 do found[i] = string.format('%.0f', found[i] - now) end
return found";

/// Redis is out of reach.
#[derive(Debug)]
pub(super) struct Unreachable;

/// The failure of a command.
#[derive(Debug)]
pub(super) enum Failure {
    /// Redis is out of reach.
    Unreachable,
    /// Redis will not have it, in its own words: the key is of another type, say, or Redis has no memory left.
    Refused(String),
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        if !error.is_io_error() && matches!(error.retry_method(), RetryMethod::NoRetry) {
            Self::Refused(error.to_string())
        } else {
            Self::Unreachable
        }
    }
}

impl From<tokio::time::error::Elapsed> for Failure {
    fn from(_: tokio::time::error::Elapsed) -> Self {
        Self::Unreachable
    }
}

impl From<RedisError> for Unreachable {
    fn from(_: RedisError) -> Self {
        Self
    }
}

impl From<tokio::time::error::Elapsed> for Unreachable {
    fn from(_: tokio::time::error::Elapsed) -> Self {
        Self
    }
}

/// An open breaker, as recorded in Redis.
pub(super) struct Entry {
    pub(super) instance: String,
    pub(super) key: Option<String>,
    pub(super) left: Duration,
}

/// The entries of open breakers in Redis, as one instance reads and writes them.
pub(super) struct OpenEntries<'a> {
    pub(super) prefix: &'a str,
    pub(super) instance: &'a str,
}

impl OpenEntries<'_> {
    pub(super) fn channel(&self) -> String {
        format!("{}:news", self.prefix)
    }

    fn set(&self, name: Name) -> String {
        format!("{}:{{{name}}}", self.prefix)
    }

    /// Notes and tells what has happened to a breaker; the set keeps at most so many entries. What cannot be noted is told
    /// all the same.
    pub(super) async fn write(
        &self,
        redis: &mut MultiplexedConnection,
        (name, key): (Name, Option<&str>),
        what: Change,
        most: usize,
    ) -> Result<(), Failure> {
        let instance = self.instance;
        // No instance has a line break in it.
        let tail = key.map_or_else(String::new, |key| format!("\n{key}"));
        let member = format!("{instance}{tail}");
        let mut eval = cmd("EVAL");
        let text;
        match what {
            Change::Opened(left) => {
                let millis = u64::try_from(left.as_millis()).unwrap_or(u64::MAX).max(1);
                text = format!("1 {instance} opened {millis} {name}{tail}");
                eval.arg(OPENED).arg(1).arg(self.set(name)).arg(member);
                eval.arg(millis).arg(most).arg(self.channel()).arg(&text)
            }
            Change::Closed => {
                text = format!("1 {instance} closed 0 {name}{tail}");
                eval.arg(CLOSED).arg(1).arg(self.set(name)).arg(member);
                eval.arg(self.channel()).arg(&text)
            }
        };
        let noted = ask::<i64>(redis, &eval).await;
        if let Err(Failure::Refused(_)) = noted {
            let mut publish = cmd("PUBLISH");
            ask::<i64>(redis, publish.arg(self.channel()).arg(&text)).await?;
        }
        noted.map(drop)
    }

    /// The entries of a name, at most so many. What is none of ours is passed over.
    pub(super) async fn read(
        &self,
        redis: &mut MultiplexedConnection,
        name: Name,
        most: usize,
    ) -> Result<Vec<Entry>, Failure> {
        let mut eval = cmd("EVAL");
        eval.arg(READ).arg(1).arg(self.set(name)).arg(most);
        let found: Vec<(Vec<u8>, Vec<u8>)> = ask(redis, &eval).await?;
        let entry = |(member, millis): (Vec<u8>, Vec<u8>)| {
            let member = String::from_utf8(member).ok()?;
            let (instance, key) = match member.split_once('\n') {
                Some((instance, key)) => (instance, Some(key)),
                None => (&*member, None),
            };
            Some(Entry {
                instance: instance.to_owned(),
                key: key.map(str::to_owned),
                left: Duration::from_millis(std::str::from_utf8(&millis).ok()?.parse().ok()?),
            })
        };
        Ok(found.into_iter().filter_map(entry).collect())
    }
}

pub(super) async fn ask<T: redis::FromRedisValue>(
    redis: &mut MultiplexedConnection,
    what: &Cmd,
) -> Result<T, Failure> {
    Ok(timeout(COMMAND_TIMEOUT, what.query_async(redis)).await??)
}
