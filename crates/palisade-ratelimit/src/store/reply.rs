//! Replies of the scripts.

use redis::{ErrorKind, RedisError, RedisResult, Value};

use super::action::Action;
use crate::limit::{Assessment, Fit, Rules, WireBucket};

/// An answer of a script. Times are nanoseconds, unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) fit: Fit,
    /// The number of the limit that is closest to refusing, from 0.
    pub(crate) rule: usize,
    pub(crate) remaining: u64,
    pub(crate) reset: u64,
    /// The time of the decision by Redis, in microseconds since 1970.
    pub(crate) time: u64,
    pub(crate) taken: Option<LeasedUnits>,
    /// The state of each limit, where that was asked for.
    pub(crate) each: Option<Each>,
}

/// The units that are left of each limit, and the time until it is full.
pub(crate) type Each = Box<[(u64, u64)]>;

/// The units that were taken beyond the cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LeasedUnits {
    pub(crate) units: u64,
    /// For how long it may be kept.
    pub(crate) valid: u64,
    /// Until the token bucket is full again, where there is one.
    pub(crate) bucket: u64,
}

/// The way in which a reply is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    /// The bucket, where `bucket.lua` was called: it tells no more than how full the bucket is.
    pub(crate) bucket: Option<WireBucket>,
    pub(crate) action: Action,
    pub(crate) cost: u64,
}

/// The first byte of an answer.
const FITS: u8 = 0;
const WAIT: u8 = 1;
const NEVER: u8 = 2;
const MORE: u8 = 3;

impl Reading {
    /// Whether the script is asked to write: to charge something, if it fits.
    pub(crate) const fn charges(self) -> bool {
        self.cost > 0 && matches!(self.action, Action::Charge { .. })
    }

    /// Whether the answer proves that the server takes writes: what was refused and what was looked at needed none.
    pub(crate) fn wrote(self, reply: &Reply) -> bool {
        self.charges() && reply.fit == Fit::Fits
    }

    /// Reads an answer.
    ///
    /// # Errors
    ///
    /// If it is not the reply of a script.
    pub(crate) fn read(self, value: &Value) -> RedisResult<Reply> {
        let reply = match (value, self.bucket) {
            (Value::BulkString(bytes), Some(bucket)) => self.read_bucket(bucket, bytes),
            (Value::BulkString(bytes), None) => self.read_several(bytes),
            _ => None,
        };
        let unexpected = (
            ErrorKind::UnexpectedReturnType,
            "not the answer of the script",
        );
        reply.ok_or_else(|| RedisError::from(unexpected))
    }

    fn read_bucket(self, bucket: WireBucket, bytes: &[u8]) -> Option<Reply> {
        let (&code, numbers) = bytes.split_first()?;
        let ([debt, time], []) = numbers.as_chunks() else {
            return None;
        };
        let (debt, time) = (whole(*debt)?, whole(*time)?);
        let price = bucket.price(self.cost);
        let after = debt.saturating_add(price);
        let refused = match code {
            FITS => self.action == Action::Peek && after > bucket.depth,
            WAIT => true,
            MORE => false,
            _ => return None,
        };
        let fit = match refused {
            false => Fit::Fits,
            true if price > bucket.depth => Fit::Never,
            true => Fit::Wait(bucket.nanos(after.saturating_sub(bucket.depth))),
        };
        let reset = bucket.nanos(debt);
        Some(Reply {
            fit,
            rule: 0,
            remaining: bucket.depth.saturating_sub(debt) / bucket.interval.max(1),
            reset,
            time,
            taken: (code == MORE).then(|| self.taken(reset, reset)),
            each: None,
        })
    }

    fn read_several(self, bytes: &[u8]) -> Option<Reply> {
        let (&[code, number], numbers) = bytes.split_first_chunk()?;
        let ([remaining, reset, time, more @ ..], []) = numbers.as_chunks() else {
            return None;
        };
        let own = match code {
            WAIT => 1,
            MORE => 2,
            _ => 0,
        };
        let (more, each) = more.split_at_checked(own)?;
        let (fit, taken) = match (code, more) {
            (FITS, []) => (Fit::Fits, None),
            (WAIT, [wait]) => (Fit::Wait(whole(*wait)?), None),
            (NEVER, []) => (Fit::Never, None),
            (MORE, [valid, bucket]) => {
                let taken = self.taken(whole(*valid)?, whole(*bucket)?);
                (Fit::Fits, Some(taken))
            }
            _ => return None,
        };
        Some(Reply {
            fit,
            rule: usize::from(number).checked_sub(1)?,
            remaining: whole(*remaining)?,
            reset: whole(*reset)?,
            time: whole(*time)?,
            taken,
            each: self.read_each(each)?,
        })
    }

    /// Reads what is left of each limit: nothing, unless it was asked for.
    fn read_each(self, numbers: &[[u8; 8]]) -> Option<Option<Each>> {
        let (pairs, rest) = numbers.as_chunks();
        let asked = matches!(self.action, Action::Charge { each: true, .. });
        if !rest.is_empty() || asked == pairs.is_empty() {
            return None;
        }
        let pairs = pairs
            .iter()
            .map(|[left, full]| Some((whole(*left)?, whole(*full)?)));
        let each = pairs.collect::<Option<Each>>()?;
        Some(asked.then_some(each))
    }

    fn taken(self, valid: u64, bucket: u64) -> LeasedUnits {
        let want = match self.action {
            Action::Charge { want, .. } => want,
            _ => self.cost,
        };
        LeasedUnits {
            units: want.saturating_sub(self.cost),
            valid,
            bucket,
        }
    }
}

/// A whole number; less than nothing is nothing.
fn whole(bytes: [u8; 8]) -> Option<u64> {
    let number = f64::from_le_bytes(bytes);
    number.is_finite().then_some(number as u64)
}

impl Reply {
    pub(crate) fn assessment(&self, rules: &Rules) -> Option<Assessment> {
        let rule = rules.iter().nth(self.rule)?;
        Some(Assessment {
            fit: self.fit,
            remaining: self.remaining,
            reset: self.reset,
            quota: rule.quota(),
            window: rule.window(),
        })
    }
}
