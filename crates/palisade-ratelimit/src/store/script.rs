//! The scripts, and what is asked of them.

use std::io::Write as _;
use std::sync::LazyLock;

use redis::{Arg, Cmd, ErrorKind, RedisError, RedisWrite as _, ServerErrorKind};

use super::action::Action;
use super::reply::Reading;
use crate::limit::{Rule, Rules, WireBucket};

/// A script and the digest by which a server knows it.
#[derive(Debug)]
pub(crate) struct Script {
    source: &'static str,
    digest: String,
}

/// For a policy that is a single token bucket.
static BUCKET: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("bucket.lua")));
/// For all others.
static SEVERAL: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis.lua")));

impl Script {
    fn new(source: &'static str) -> Self {
        Self {
            source,
            digest: redis::Script::new(source).get_hash().to_owned(),
        }
    }

    /// The same call with the whole script, for a server that does not know it yet.
    pub(crate) fn whole(&self, call: &Cmd) -> Cmd {
        let mut whole = redis::cmd("EVAL");
        whole.arg(self.source);
        for arg in call.args_iter().skip(2) {
            if let Arg::Simple(arg) = arg {
                whole.arg(arg);
            }
        }
        whole
    }
}

/// Whether the server does not know the script, and so has done nothing.
pub(crate) fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

/// The limits of a policy as arguments of a script.
#[derive(Debug, Clone)]
pub(crate) enum ScriptLimits {
    Bucket(WireBucket),
    /// The kind and the two numbers of each, packed.
    Several(Box<[u8]>),
}

/// A command for a script, and how to read what comes back.
pub(crate) struct ScriptCall {
    pub(crate) command: Cmd,
    pub(crate) script: &'static Script,
    pub(crate) reading: Reading,
}

impl ScriptLimits {
    pub(crate) fn new(rules: &Rules) -> Self {
        if let Some(bucket) = rules.only_bucket() {
            return Self::Bucket(bucket);
        }
        let mut packed = Vec::new();
        for wire in rules.iter().map(Rule::wire) {
            packed.push(wire.kind);
            packed.extend_from_slice(&wire.first.to_le_bytes());
            packed.extend_from_slice(&wire.second.to_le_bytes());
            if wire.kind == b'c' {
                packed.extend_from_slice(wire.bounds.map(f64::to_le_bytes).as_flattened());
            }
        }
        Self::Several(packed.into())
    }

    /// Asks about the key whose name has these parts. The time is microseconds since 1970, or 0 for the server's.
    pub(crate) fn ask(&self, key: &[&[u8]], action: Action, cost: u64, time: u64) -> ScriptCall {
        let script = match self {
            Self::Bucket(_) => &*BUCKET,
            Self::Several(_) => &*SEVERAL,
        };
        let mut command =
            Cmd::with_capacity(7, 160 + key.iter().map(|part| part.len()).sum::<usize>());
        command.arg("EVALSHA").arg(&script.digest).arg("1");
        write_parts(&mut command, key);
        match self {
            Self::Bucket(bucket) => bucket.write(&mut command, action, cost, time),
            Self::Several(packed) => {
                let (letter, second) = match action {
                    Action::Charge { want, each: false } => (b'c', want),
                    Action::Charge { want, each: true } => (b'C', want),
                    Action::Peek => (b'p', 0),
                    Action::Refund { charged_at } => (b'r', charged_at),
                };
                let (time, cost, second) = (double(time), double(cost), double(second));
                write_parts(&mut command, &[&time, &[letter], &cost, &second, packed]);
            }
        }
        let bucket = match self {
            Self::Bucket(bucket) => Some(*bucket),
            Self::Several(_) => None,
        };
        ScriptCall {
            command,
            script,
            reading: Reading {
                bucket,
                action,
                cost,
            },
        }
    }
}

impl WireBucket {
    /// Writes the arguments of `bucket.lua`.
    fn write(self, command: &mut Cmd, action: Action, cost: u64, time: u64) {
        let (sign, units, wanted) = match action {
            Action::Charge { want, .. } => (1.0, cost, (want > cost).then(|| self.price(want))),
            Action::Peek => (1.0, 0, None),
            Action::Refund { .. } => (-1.0, cost, None),
        };
        let price = self.price(units);
        // By the time of a caller, which may run differently from the server's, every charge is a step of its own.
        let step = if time == 0 { self.step() } else { 1 };
        let numbers = [
            (sign * price as f64).to_le_bytes(),
            double(self.depth),
            double(step),
            double(self.parts),
            double(time),
        ];
        let text = format_args!("{}{price}", if sign < 0.0 { "-" } else { "" });
        match wanted {
            None => {
                command.arg(numbers.as_flattened());
                command.write_arg_fmt(text);
            }
            Some(wanted) => {
                write_parts(command, &[numbers.as_flattened(), &double(wanted)]);
                command.write_arg_fmt(text);
                command.write_arg_fmt(wanted);
            }
        }
    }

    /// In which steps a key's time to live grows: long enough that most charges need not touch it, and short beside the
    /// time that the key has to live anyway. A power of two of seconds, which divides a round.
    const fn step(self) -> u64 {
        let second = 1_000_000 * self.parts;
        let seconds = self.depth / 16 / second + 1;
        second << seconds.ilog2()
    }
}

fn double(number: u64) -> [u8; 8] {
    (number as f64).to_le_bytes()
}

/// Writes one argument.
fn write_parts(command: &mut Cmd, parts: &[&[u8]]) {
    let mut argument = command.writer_for_next_arg();
    for part in parts {
        // Writing to a `Vec` does not fail.
        let _ = argument.write_all(part);
    }
}
