use palisade::breaker::State;
use serde_json::{Value, json};

use super::latency::Latencies;

/// The counts of a few seconds.
#[derive(Debug, Clone, Default)]
pub(super) struct Slot {
    /// Its beginning, in seconds since 1970.
    pub(super) start: u64,
    pub(super) allowed: u64,
    pub(super) refused: u64,
    pub(super) failed: u64,
    pub(super) failed_logins: u64,
    pub(super) latencies: Latencies,
    /// The worst state of the breaker.
    pub(super) breaker: Breaker,
    pub(super) written: u64,
    pub(super) lost: u64,
}

/// The state of a breaker, from good to bad.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Breaker {
    #[default]
    Closed,
    HalfOpen,
    Open,
}

impl Breaker {
    pub(super) fn of(state: State) -> Self {
        match state {
            State::Open | State::ForcedOpen => Self::Open,
            State::HalfOpen => Self::HalfOpen,
            _ => Self::Closed,
        }
    }
}

impl Slot {
    pub(super) fn at(start: u64) -> Self {
        Self {
            start,
            ..Self::default()
        }
    }

    /// Counts a record of the trail.
    pub(super) fn record(&mut self, record: &Value) {
        if record["event"] == "authn_login_fail" {
            self.failed_logins += 1;
        }
        if record["event"] != "http_request" {
            return;
        }
        match record["outcome"].as_str() {
            Some("success") => self.allowed += 1,
            Some("denied") => self.refused += 1,
            Some("failure" | "error" | "panic") => self.failed += 1,
            _ => {}
        }
        if let Some(micros) = record["duration_us"].as_u64() {
            self.latencies.add(micros);
        }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "start": self.start,
            "allowed": self.allowed,
            "refused": self.refused,
            "failed": self.failed,
            "failed_logins": self.failed_logins,
            "p50": self.latencies.percentile(50),
            "p99": self.latencies.percentile(99),
            "breaker": self.breaker as u8,
            "written": self.written,
            "lost": self.lost,
        })
    }
}
