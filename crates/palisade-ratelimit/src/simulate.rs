//! A server for simulations: `cargo xtask simulate` puts it where Redis would be. No part of the public interface.
//!
//! It reads the calls of the scripts, decides by the same rules as the store in memory, and answers as the scripts do. That
//! the rules and the scripts decide alike is what `tests/redis/differential.rs` proves.

use std::collections::HashMap;
use std::time::Duration;

use palisade_core::Problems;
use redis::{Arg, Cmd, Value};

use crate::error::Error;
use crate::limit::{Assessment, Fit, Rules, Word};
use crate::policy::Policy;

/// One server of a cluster, for a policy of a single token bucket or fixed window.
#[derive(Debug)]
pub struct Shard {
    rules: Rules,
    states: HashMap<Box<[u8]>, Box<[Word]>>,
    calls: u64,
}

/// A call of a script.
struct Call {
    action: u8,
    cost: u64,
    /// The units to take if there are so many; of a refund the time of the charge, in microseconds.
    second: u64,
}

impl Shard {
    /// An empty server.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the policy is not one that it can decide.
    pub fn new(policy: &Policy) -> Result<Self, Error> {
        let rules = policy.compile()?;
        let whole = rules
            .only_bucket()
            .is_some_and(|bucket| bucket.parts == 1_000);
        if !whole && rules.words() != 2 {
            return Err(Problems::one("limits", "cannot be simulated").into());
        }
        Ok(Self {
            rules,
            states: HashMap::new(),
            calls: 0,
        })
    }

    /// The number of scripts that were run.
    #[must_use]
    pub const fn calls(&self) -> u64 {
        self.calls
    }

    /// Loses all keys, as a server does that is started again.
    pub fn forget(&mut self) {
        self.states.clear();
    }

    /// Answers a command at this time of the server; what is no script with an error.
    pub fn answer(&mut self, command: &Cmd, now: Duration) -> Value {
        let mut arguments = command.args_iter().skip(3);
        let (Some(Arg::Simple(key)), Some(Arg::Simple(packed))) =
            (arguments.next(), arguments.next())
        else {
            return Value::Nil;
        };
        let Some(call) = self.read(packed) else {
            return Value::Nil;
        };
        self.calls += 1;
        let words = self.rules.words();
        let state = self.states.entry(key.into());
        let state = state.or_insert_with(|| (0..words).map(|_| Word::new(0)).collect());
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let answer = decide(&self.rules, state, now, &call);
        Value::BulkString(answer.unwrap_or_default())
    }

    fn read(&self, packed: &[u8]) -> Option<Call> {
        let number = |at: usize| Some(f64::from_le_bytes(*packed.get(at..)?.first_chunk()?));
        if let Some(bucket) = self.rules.only_bucket() {
            let units = |price: f64| price.abs() as u64 / bucket.interval.max(1);
            let price = number(0)?;
            let action = if price < 0.0 { b'r' } else { b'c' };
            let wanted = number(40).map_or(0, units);
            return Some(Call {
                action,
                cost: units(price),
                second: wanted,
            });
        }
        Some(Call {
            action: *packed.get(8)?,
            cost: number(9)? as u64,
            second: number(17)? as u64,
        })
    }
}

/// Decides a call by the rules of this crate, and packs what a script would answer.
fn decide(rules: &Rules, state: &[Word], now: u64, call: &Call) -> Option<Vec<u8>> {
    let mut units = call.cost;
    match call.action {
        b'r' => rules.refund(state, call.second.saturating_mul(1_000), call.cost),
        b'p' => units = 0,
        _ => {
            let wanted = call.second.max(call.cost);
            if rules.assess(state, now, wanted)?.fits() {
                units = wanted;
            }
        }
    }
    let charges = call.action == b'c';
    let assessed = rules.assess(state, now, if charges { units } else { 0 })?;
    if charges && assessed.fits() && units > 0 {
        rules.commit(state, now, units);
    }
    let more = assessed.fits() && units > call.cost;
    Some(pack(rules, state, now, &assessed, more))
}

fn pack(rules: &Rules, state: &[Word], now: u64, assessed: &Assessment, more: bool) -> Vec<u8> {
    let (code, wait) = match assessed.fit {
        Fit::Fits if more => (3_u8, None),
        Fit::Fits => (0, None),
        Fit::Wait(wait) => (1, Some(wait)),
        Fit::Never => (2, None),
    };
    let time = now / 1_000;
    let (head, numbers) = match rules.only_bucket() {
        Some(_) => (
            vec![code.min(if more { 3 } else { 1 })],
            vec![assessed.reset, time],
        ),
        None => {
            let mut numbers = vec![assessed.remaining, assessed.reset, time];
            numbers.extend(wait);
            if more {
                numbers.extend([rules.full_at(state).saturating_sub(now), 0]);
            }
            (vec![code, 1], numbers)
        }
    };
    let numbers = numbers
        .into_iter()
        .flat_map(|number| (number as f64).to_le_bytes());
    head.into_iter().chain(numbers).collect()
}
