//! One family of refresh tokens, each made by using up the one before. Pure: handed the time.

use std::time::Duration;

use palisade_core::time::UnixTime;

use crate::digest::{Digest, same_digest};

/// The lifetimes of families.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// From the first token to the last use, whatever happens.
    pub(crate) lifetime: Duration,
    /// From one use to the next.
    pub(crate) idle: Duration,
    /// The time for which the token before may still be presented, by a client that did not get the answer.
    pub(crate) grace: Duration,
}

/// The state of a family: no token, only digests.
#[derive(Debug, Clone)]
pub(crate) struct Family {
    current: Digest,
    previous: Option<Digest>,
    rotated_at: UnixTime,
    started_at: UnixTime,
}

/// The choice among the tokens that may follow one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    First,
    Other,
}

/// The outcome of presenting a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// It was the current one, and its successor is now.
    Rotated,
    /// It was used a moment ago, and its successor has not been used yet: give out the same one again.
    Replayed(Choice),
    /// The same, but its successor cannot be made here: it was made with a key that is not there.
    Lost,
    /// It was used before: somebody has a copy.
    Reused,
    /// The family is over.
    Expired,
}

impl Family {
    pub(crate) const fn begin(first: Digest, now: UnixTime) -> Self {
        Self {
            current: first,
            previous: None,
            rotated_at: now,
            started_at: now,
        }
    }

    /// Whether no token of the family can be used any more.
    pub(crate) fn is_over(&self, now: UnixTime, rules: &Rules) -> bool {
        now >= self.started_at.saturating_add(rules.lifetime)
            || now >= self.rotated_at.saturating_add(rules.idle)
    }

    /// Uses a token that carries this family's MAC, and so was one of its tokens once. Of its successors the first is
    /// given out, unless the other was already.
    pub(crate) fn present(
        &mut self,
        presented: &Digest,
        successors: (Digest, Option<Digest>),
        now: UnixTime,
        rules: &Rules,
    ) -> Use {
        if self.is_over(now, rules) {
            return Use::Expired;
        }
        if same_digest(&self.current, presented) {
            self.previous = Some(self.current);
            self.current = successors.0;
            self.rotated_at = now;
            return Use::Rotated;
        }
        let in_grace = now <= self.rotated_at.saturating_add(rules.grace);
        let is_previous = self
            .previous
            .is_some_and(|previous| same_digest(&previous, presented));
        if !(in_grace && is_previous) {
            return Use::Reused;
        }
        let is_current = |digest: &Digest| same_digest(&self.current, digest);
        match successors {
            (first, _) if is_current(&first) => Use::Replayed(Choice::First),
            (_, Some(other)) if is_current(&other) => Use::Replayed(Choice::Other),
            _ => Use::Lost,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULES: Rules = Rules {
        lifetime: Duration::from_secs(1_000),
        idle: Duration::from_secs(100),
        grace: Duration::from_secs(10),
    };

    fn token(number: u8) -> Digest {
        [number; 32]
    }

    fn next(number: u8) -> (Digest, Option<Digest>) {
        (token(number), None)
    }

    #[test]
    fn a_replay_gives_out_what_was_given_out() {
        let rotated = |given: u8| {
            let mut family = Family::begin(token(0), at(0));
            let used = family.present(&token(0), next(given), at(1), &RULES);
            assert_eq!(used, Use::Rotated);
            let both = (token(1), Some(token(2)));
            family.present(&token(0), both, at(2), &RULES)
        };
        assert_eq!(rotated(1), Use::Replayed(Choice::First));
        assert_eq!(rotated(2), Use::Replayed(Choice::Other));
        assert_eq!(rotated(3), Use::Lost);
    }

    fn at(seconds: u64) -> UnixTime {
        UnixTime::from_secs(1_800_000_000 + seconds)
    }

    #[test]
    fn grace_lasts_ten_seconds_for_the_token_just_used() {
        let mut family = Family::begin(token(0), at(0));
        let present = |family: &mut Family, number, seconds| {
            family.present(&token(number), next(number + 1), at(seconds), &RULES)
        };
        assert_eq!(present(&mut family, 0, 50), Use::Rotated);
        assert_eq!(present(&mut family, 0, 60), Use::Replayed(Choice::First));
        assert_eq!(present(&mut family, 0, 61), Use::Reused);
    }

    #[test]
    fn once_the_successor_was_used_the_grace_is_over() {
        let mut family = Family::begin(token(0), at(0));
        assert_eq!(
            family.present(&token(0), next(1), at(1), &RULES),
            Use::Rotated
        );
        assert_eq!(
            family.present(&token(1), next(2), at(1), &RULES),
            Use::Rotated
        );
        assert_eq!(
            family.present(&token(0), next(1), at(1), &RULES),
            Use::Reused
        );
    }

    #[test]
    fn a_family_ends_by_idling_and_for_good() {
        let mut family = Family::begin(token(0), at(0));
        assert_eq!(
            family.clone().present(&token(0), next(1), at(100), &RULES),
            Use::Expired
        );
        for number in 0..20 {
            let used = family.present(
                &token(number),
                next(number + 1),
                at(u64::from(number) * 50),
                &RULES,
            );
            assert_eq!(used, Use::Rotated);
        }
        assert_eq!(
            family.present(&token(20), next(21), at(1_000), &RULES),
            Use::Expired
        );
    }

    proptest! {
        /// Against a naive model: a list of all tokens, and who was used when.
        #[test]
        fn only_the_newest_token_rotates(uses in prop::collection::vec((0_u8..6, 0_u64..15), 1..40)) {
            let rules = Rules { idle: Duration::from_secs(1_000), ..RULES };
            let mut family = Family::begin(token(0), at(0));
            let (mut newest, mut used_at, mut now) = (0_u8, None, 0);
            for (back, pause) in uses {
                now += pause;
                let presented = newest.saturating_sub(back);
                let expected = match newest - presented {
                    0 => Use::Rotated,
                    1 if used_at.is_some_and(|used: u64| now <= used + 10) => Use::Replayed(Choice::First),
                    _ => Use::Reused,
                };
                let used = family.present(&token(presented), next(presented + 1), at(now), &rules);
                prop_assert_eq!(used, expected);
                if used == Use::Rotated {
                    newest += 1;
                    used_at = Some(now);
                }
            }
        }
    }
}
