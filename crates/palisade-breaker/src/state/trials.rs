use std::collections::VecDeque;

use palisade_core::time::Instant;

/// Numbers below it mean something else in a grant.
pub(crate) const FIRST_TRIAL: u32 = 2;

/// The trials in flight, the oldest first. All have the same lease, so the oldest is the first to lose it.
#[derive(Debug, Default)]
pub(crate) struct Trials {
    in_flight: VecDeque<Trial>,
    last: u32,
}

#[derive(Debug)]
struct Trial {
    number: u32,
    lease_over: Instant,
}

impl Trials {
    pub(crate) fn len(&self) -> u32 {
        // At most `MOST_TRIALS` are ever let in.
        u32::try_from(self.in_flight.len()).unwrap_or(u32::MAX)
    }

    /// Lets one in, and answers its number.
    pub(crate) fn start(&mut self, lease_over: Instant) -> u32 {
        self.last = self.last.wrapping_add(1).max(FIRST_TRIAL);
        self.in_flight.push_back(Trial {
            number: self.last,
            lease_over,
        });
        self.last
    }

    /// Takes one out; `false` means that it had lost its lease.
    pub(crate) fn end(&mut self, number: u32) -> bool {
        let place = self
            .in_flight
            .iter()
            .position(|trial| trial.number == number);
        place
            .and_then(|place| self.in_flight.remove(place))
            .is_some()
    }

    /// Takes the oldest out if its lease is over.
    pub(crate) fn lose_one(&mut self, now: Instant) -> bool {
        let lost = self.first_lease_over().is_some_and(|over| over <= now);
        if lost {
            self.in_flight.pop_front();
        }
        lost
    }

    /// The end of the oldest lease.
    pub(crate) fn first_lease_over(&self) -> Option<Instant> {
        self.in_flight.front().map(|trial| trial.lease_over)
    }
}
