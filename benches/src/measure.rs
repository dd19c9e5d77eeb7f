//! A measure by its fixed name, and what it found.

use std::error::Error;

use serde_json::{Value, json};

use crate::disturbance;
use crate::goal::{self, Goal, Goals};
use crate::harness::{BYTES, Figure, Mode, Outcome};

/// The way in which a measure is taken.
pub(crate) type Run = fn(Mode) -> Result<Outcome, Box<dyn Error>>;

/// One measure. Its name is fixed, so that a figure can be followed over time.
#[derive(Clone, Copy)]
pub(crate) struct Measure {
    pub(crate) name: &'static str,
    /// The subject, in a few words.
    pub(crate) what: &'static str,
    pub(crate) goals: &'static [Goal],
    pub(crate) run: Run,
}

/// The result of a measure, or the reason why it could not be taken.
pub(crate) struct Found {
    pub(crate) measure: Measure,
    pub(crate) outcome: Result<Outcome, String>,
}

impl Found {
    /// Takes a measure; where it is one of time, again if something else took the machine meanwhile.
    pub(crate) fn take(measure: Measure, mode: Mode) -> Self {
        let outcome = match mode {
            Mode::Time { .. } => {
                disturbance::undisturbed(|| (measure.run)(mode)).map(|(mut outcome, disturbed)| {
                    // Memory is what it is, however long it took.
                    outcome.disturbed |= disturbed && outcome.unit != BYTES;
                    outcome
                })
            }
            Mode::Count(_) | Mode::Profile => (measure.run)(mode),
        };
        Self {
            measure,
            outcome: outcome.map_err(|error| error.to_string()),
        }
    }

    /// The goal in words, if there is one.
    pub(crate) fn goal(&self) -> Option<String> {
        let unit = self.outcome.as_ref().map_or("", |outcome| outcome.unit);
        let goals = Goals {
            goals: self.measure.goals,
            unit,
        };
        (!self.measure.goals.is_empty()).then(|| goals.to_string())
    }

    pub(crate) fn met(&self) -> Option<bool> {
        goal::met(self.measure.goals, self.outcome.as_ref().ok()?)
    }

    /// Whether something else took the machine while it was taken.
    pub(crate) fn is_disturbed(&self) -> bool {
        self.outcome.as_ref().is_ok_and(|outcome| outcome.disturbed)
    }

    pub(crate) fn ratio(&self) -> Option<f64> {
        goal::ratio(self.outcome.as_ref().ok()?)
    }

    /// Takes over what the counting program found, in the order of the sides.
    pub(crate) fn add_counted(&mut self, counted: &Value) {
        let Ok(outcome) = &mut self.outcome else {
            return;
        };
        let in_bytes = outcome.unit == BYTES;
        let sides = outcome
            .ours
            .iter_mut()
            .chain(outcome.peers.iter_mut().map(|(_, peer)| peer));
        for (index, figure) in sides.enumerate() {
            let entry = &counted[self.measure.name][index];
            match entry["best"].as_f64() {
                Some(bytes) if in_bytes => *figure = Figure::single(bytes),
                _ => figure.allocs = entry["allocs"].as_f64(),
            }
        }
    }

    /// The results that the counting program hands to the one that times.
    pub(crate) fn counted(&self) -> Value {
        let Ok(outcome) = &self.outcome else {
            return Value::Null;
        };
        let sides = outcome
            .ours
            .iter()
            .chain(outcome.peers.iter().map(|(_, peer)| peer));
        sides
            .map(|figure| json!({ "best": figure.best, "allocs": figure.allocs }))
            .collect()
    }

    /// One object of `report.json` for the first peer, and one more for each other.
    pub(crate) fn report(&self) -> Vec<Value> {
        let Ok(outcome) = &self.outcome else {
            return vec![self.row(self.measure.name, None, 0)];
        };
        (0..outcome.peers.len().max(1))
            .map(|index| match outcome.peers.get(index) {
                Some((peer, _)) if index > 0 => {
                    let peer = peer.split(' ').next().unwrap_or(peer);
                    let name = format!("{}-beside-{peer}", self.measure.name);
                    self.row(&name, Some(outcome), index)
                }
                _ => self.row(self.measure.name, Some(outcome), index),
            })
            .collect()
    }

    fn row(&self, name: &str, outcome: Option<&Outcome>, peer: usize) -> Value {
        let ours = outcome.and_then(|outcome| outcome.ours);
        let peer = outcome.and_then(|outcome| outcome.peers.get(peer));
        let ratio = match (ours, peer) {
            (Some(ours), Some((_, peer))) if peer.best > 0.0 => Some(ours.best / peer.best),
            _ => None,
        };
        let first = name == self.measure.name;
        json!({
            "measure": name,
            "unit": outcome.map(|outcome| outcome.unit),
            "ours": ours.map(|ours| rounded(ours.best)),
            "peer": peer.map(|(_, peer)| rounded(peer.best)),
            "peer_name": peer.map(|(name, _)| name),
            "ratio": ratio.map(rounded),
            "ours_allocs": ours.and_then(|ours| ours.allocs).map(rounded),
            "peer_allocs": peer.and_then(|(_, peer)| peer.allocs).map(rounded),
            "goal": if first { self.goal() } else { None },
            "met": if first { self.met() } else { None },
            "disturbed": self.is_disturbed(),
        })
    }
}

/// Three decimals are more than any figure here is good for.
fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beside_two_peers() -> Found {
        let measure = Measure {
            name: "breaker/closed",
            what: "",
            goals: &[Goal::RatioAtMost(0.5)],
            run: |_| Err("not run here".into()),
        };
        let outcome = Outcome {
            unit: "ns",
            ours: Some(Figure::single(10.0)),
            peers: vec![
                ("first 1.0.0".to_owned(), Figure::single(40.0)),
                ("second 2.0.0".to_owned(), Figure::single(5.0)),
            ],
            disturbed: false,
        };
        Found {
            measure,
            outcome: Ok(outcome),
        }
    }

    #[test]
    fn the_report_has_a_row_for_each_peer_and_the_goal_in_the_first() {
        let rows = beside_two_peers().report();
        assert_eq!(
            rows[0],
            json!({ "measure": "breaker/closed", "unit": "ns", "ours": 10.0, "peer": 40.0, "peer_name": "first 1.0.0",
                "ratio": 0.25, "ours_allocs": null, "peer_allocs": null, "goal": "ratio <= 0.5", "met": true, "disturbed": false })
        );
        assert_eq!(rows[1]["measure"], "breaker/closed-beside-second");
        assert_eq!(
            (&rows[1]["ratio"], &rows[1]["met"]),
            (&json!(2.0), &Value::Null)
        );
        assert_eq!(rows.len(), 2);
    }

    #[test]
    fn the_report_says_that_a_measure_was_disturbed_and_gives_no_verdict() {
        let mut found = beside_two_peers();
        if let Ok(outcome) = &mut found.outcome {
            outcome.disturbed = true;
        }
        for row in found.report() {
            assert_eq!(
                (&row["disturbed"], &row["met"]),
                (&json!(true), &Value::Null)
            );
        }
        assert_eq!(found.report()[0]["ours"], 10.0);
    }

    #[test]
    fn a_measure_that_failed_is_in_the_report_without_figures() {
        let measure = Measure {
            name: "a/b",
            what: "",
            goals: &[],
            run: |_| Err("no".into()),
        };
        let found = Found::take(measure, Mode::Time { rounds: 1 });
        assert_eq!(found.report()[0]["ours"], Value::Null);
        assert_eq!(found.report()[0]["measure"], "a/b");
    }
}
