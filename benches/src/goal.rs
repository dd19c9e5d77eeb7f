//! The goal of a measure.

use std::fmt;

use crate::harness::Outcome;

/// One condition of a goal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Goal {
    /// Ours over the peer's.
    RatioAtMost(f64),
    /// Ours over the peer's.
    RatioAtLeast(f64),
    /// Ours, in the unit of the measure.
    AtMost(f64),
    /// Ours, in the unit of the measure.
    AtLeast(f64),
    /// Ours, for each operation.
    AllocsAtMost(f64),
}

/// Allocations that happen once in many operations, such as a buffer that grows, are not held against a layer.
const RARELY: f64 = 0.05;

impl Goal {
    /// Whether it is met, unless the figures that say so are missing.
    fn met(self, outcome: &Outcome) -> Option<bool> {
        let ours = outcome.ours?;
        Some(match self {
            Self::RatioAtMost(most) => ratio(outcome)? <= most,
            Self::RatioAtLeast(least) => ratio(outcome)? >= least,
            Self::AtMost(most) => ours.best <= most,
            Self::AtLeast(least) => ours.best >= least,
            Self::AllocsAtMost(most) => ours.allocs? <= most + RARELY,
        })
    }

    fn text(self, unit: &str) -> String {
        match self {
            Self::RatioAtMost(most) => format!("ratio <= {most}"),
            Self::RatioAtLeast(least) => format!("ratio >= {least}"),
            Self::AtMost(most) => format!("<= {most} {unit}"),
            Self::AtLeast(least) => format!(">= {least} {unit}"),
            Self::AllocsAtMost(most) => format!("<= {most} allocations"),
        }
    }
}

/// Ours over the first peer's.
pub(crate) fn ratio(outcome: &Outcome) -> Option<f64> {
    let (_, peer) = outcome.peers.first()?;
    let ratio = outcome.ours?.best / peer.best;
    ratio.is_finite().then_some(ratio)
}

/// Whether all conditions are met; `None` where there are none, where a figure is missing, or where the figures were
/// disturbed.
pub(crate) fn met(goals: &[Goal], outcome: &Outcome) -> Option<bool> {
    if outcome.disturbed {
        return None;
    }
    let mut all = None;
    for goal in goals {
        all = Some(goal.met(outcome)? && all.unwrap_or(true));
    }
    all
}

/// All conditions in words.
pub(crate) struct Goals<'a> {
    pub(crate) goals: &'a [Goal],
    pub(crate) unit: &'a str,
}

impl fmt::Display for Goals<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, goal) in self.goals.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            f.write_str(&goal.text(self.unit))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::Figure;

    fn outcome(ours: Option<f64>, peer: Option<f64>, allocs: Option<f64>) -> Outcome {
        let figure = |best| Figure {
            best,
            median: best,
            allocs,
        };
        Outcome {
            unit: "ns",
            ours: ours.map(figure),
            peers: peer
                .map(|best| ("peer".to_owned(), figure(best)))
                .into_iter()
                .collect(),
            disturbed: false,
        }
    }

    #[test]
    fn every_condition_counts() {
        let goals = [Goal::RatioAtMost(0.5), Goal::AllocsAtMost(2.0)];
        let met = |ours, peer, allocs| met(&goals, &outcome(ours, peer, allocs));
        assert_eq!(met(Some(50.0), Some(100.0), Some(2.0)), Some(true));
        assert_eq!(met(Some(51.0), Some(100.0), Some(2.0)), Some(false));
        assert_eq!(met(Some(50.0), Some(100.0), Some(3.0)), Some(false));
    }

    #[test]
    fn what_is_missing_is_not_called_met() {
        let goals = [Goal::RatioAtMost(0.5)];
        assert_eq!(met(&goals, &outcome(None, Some(100.0), None)), None);
        assert_eq!(met(&goals, &outcome(Some(1.0), None, None)), None);
        assert_eq!(met(&[], &outcome(Some(1.0), Some(2.0), None)), None);
    }

    #[test]
    fn what_was_disturbed_is_neither_met_nor_missed() {
        let goals = [Goal::RatioAtMost(0.5)];
        for ours in [1.0, 99.0] {
            let disturbed = Outcome {
                disturbed: true,
                ..outcome(Some(ours), Some(100.0), None)
            };
            assert_eq!(met(&goals, &disturbed), None);
        }
    }
}
