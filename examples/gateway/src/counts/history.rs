use std::collections::VecDeque;

use palisade::breaker::State;
use serde_json::{Value, json};

use super::slot::{Breaker, Slot};

/// Seconds that one point of a chart stands for.
const STEP: u64 = 5;

/// Points of a chart: fifteen minutes.
const SLOTS: usize = 180;

/// Totals since the start, and the last fifteen minutes.
#[derive(Debug, Default)]
pub(super) struct History {
    slots: VecDeque<Slot>,
    totals: Slot,
    breaker: &'static str,
    /// The trail when it was looked at last.
    trail: Trail,
    seal: Seal,
}

/// The state of the trail.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Trail {
    pub(super) written: u64,
    pub(super) lost: u64,
    pub(super) failing: bool,
}

/// The state of the seal, as the records of the trail show it.
#[derive(Debug, Default)]
struct Seal {
    /// The number of the last sealed record.
    last: Option<u64>,
    /// The number and time of the last signed one.
    signed: Option<(u64, String)>,
    /// Records that say that others are missing.
    gaps: u64,
}

impl History {
    /// Counts a record of the trail.
    pub(super) fn record(&mut self, record: &Value) {
        self.seal.see(record);
        self.totals.record(record);
        if let Some(slot) = self.slots.back_mut() {
            slot.record(record);
        }
    }

    /// Once a second: begins a new slot where one is due, and notes how breaker and trail are.
    pub(super) fn tick(&mut self, now: u64, state: State, trail: Trail) {
        let start = now - now % STEP;
        if self.slots.back().is_none_or(|slot| slot.start < start) {
            if self.slots.len() == SLOTS {
                self.slots.pop_front();
            }
            self.slots.push_back(Slot::at(start));
        }
        let before = std::mem::replace(&mut self.trail, trail);
        self.breaker = state.as_str();
        if let Some(slot) = self.slots.back_mut() {
            slot.breaker = slot.breaker.max(Breaker::of(state));
            slot.written += trail.written.saturating_sub(before.written);
            slot.lost += trail.lost.saturating_sub(before.lost);
        }
    }

    pub(super) fn now(&self) -> Value {
        let totals = &self.totals;
        json!({
            "allowed": totals.allowed,
            "refused": totals.refused,
            "failed": totals.failed,
            "failed_logins": totals.failed_logins,
            "breaker": self.breaker,
            "written": self.trail.written,
            "lost": self.trail.lost,
            "failing": self.trail.failing,
            "seal": {
                "last": self.seal.last,
                "signed": self.seal.signed.as_ref().map(|(seq, _)| seq),
                "signed_at": self.seal.signed.as_ref().map(|(_, time)| time),
                "gaps": self.seal.gaps,
            },
            "slot": self.slots.back().map(Slot::to_json),
        })
    }

    pub(super) fn slots(&self) -> Value {
        let slots: Vec<Value> = self.slots.iter().map(Slot::to_json).collect();
        json!({ "step": STEP, "slots": slots })
    }
}

impl Seal {
    fn see(&mut self, record: &Value) {
        if record["event"] == "audit_gap" {
            self.gaps += 1;
        }
        let seal = &record["seal"];
        let Some(seq) = seal["seq"].as_u64() else {
            return;
        };
        self.last = Some(seq);
        if seal["signature"].is_string() || record["signature"].is_string() {
            let time = record["timestamp"].as_str().unwrap_or_default();
            self.signed = Some((seq, time.to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(outcome: &str, micros: u64) -> Value {
        json!({ "event": "http_request", "outcome": outcome, "duration_us": micros })
    }

    #[test]
    fn slots_last_five_seconds_and_a_quarter_of_an_hour_is_kept() {
        let mut history = History::default();
        // From a full slot on, 2,000 seconds.
        for now in 1_000..3_000 {
            history.tick(now, State::Closed, Trail::default());
            history.record(&request("success", 1_000));
        }
        let slots = history.slots();
        let slots = slots["slots"].as_array().unwrap();
        assert_eq!(slots.len(), 180);
        assert_eq!(slots[0]["start"], 3_000 - 900);
        assert_eq!(slots[179]["start"], 2_995);
        assert!(slots.iter().all(|slot| slot["allowed"] == 5));
        assert_eq!(history.now()["allowed"], 2_000);
    }

    #[test]
    fn a_slot_says_what_happened_in_it() {
        let mut history = History::default();
        let with = |written, lost| Trail {
            written,
            lost,
            failing: false,
        };
        history.tick(1_000, State::Closed, with(10, 0));
        for outcome in ["success", "denied", "failure", "panic", "aborted"] {
            history.record(&request(outcome, 2_000));
        }
        history.record(&json!({ "event": "authn_login_fail" }));
        history.tick(1_001, State::Open, with(17, 2));
        history.tick(1_002, State::Closed, with(17, 2));
        let slot = &history.now()["slot"];
        assert_eq!(
            (
                &slot["allowed"],
                &slot["refused"],
                &slot["failed"],
                &slot["failed_logins"]
            ),
            (&json!(1), &json!(1), &json!(2), &json!(1))
        );
        assert_eq!((&slot["written"], &slot["lost"]), (&json!(17), &json!(2)));
        assert_eq!(slot["breaker"], 2, "it was open for a while");
        let p50 = slot["p50"].as_f64().unwrap();
        assert!((2.0..2.2).contains(&p50), "{p50}");
    }

    #[test]
    fn the_seal_is_read_off_the_records() {
        let mut history = History::default();
        assert_eq!(history.now()["seal"]["last"], Value::Null);
        history.record(&json!({ "event": "x", "seal": { "seq": 7 } }));
        history.record(&json!({
            "event": "audit_checkpoint", "timestamp": "t", "seal": { "seq": 8, "signature": "s" }
        }));
        history.record(&json!({ "event": "audit_gap", "seal": { "seq": 12 } }));
        assert_eq!(
            history.now()["seal"],
            json!({ "last": 12, "signed": 8, "signed_at": "t", "gaps": 1 })
        );
    }
}
