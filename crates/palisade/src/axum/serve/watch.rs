use palisade_core::time::Instant;

use super::settings::{IDLE_WHEN_FULL, Settings};
use super::traffic::Reading;

/// The bytes that are progress where no rate is asked for: more than the pings of HTTP/2 within a transfer's time.
const PROGRESS: u64 = 64;

/// The time limits of one connection: pure, and handed the time and the traffic at every check.
#[derive(Debug)]
pub(super) struct Watch {
    phase: Phase,
    /// The number of requests when the phase was first seen: after another one it is another phase of the same kind.
    begun: u32,
    since: Instant,
    /// Bytes written when the phase was first seen, or at the last progress where any will do.
    written: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The head of a request is expected, or has come in part.
    Head,
    /// Nothing is under way.
    Idle,
    /// Requests are handled, or have nothing to send.
    Handling,
    /// The client has not taken what there is for it.
    Sending,
}

/// The reason for closing a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    /// The head of a request took too long.
    Head,
    /// No request came.
    Idle,
    /// The client takes its response too slowly.
    Sending,
}

impl Overdue {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Head => "header_timeout",
            Self::Idle => "idle_timeout",
            Self::Sending => "transfer_timeout",
        }
    }
}

impl Watch {
    /// Begins with a new connection.
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            phase: Phase::Head,
            begun: 0,
            since: now,
            written: 0,
        }
    }

    /// Returns why the connection has to be closed, if it has to.
    pub(super) fn check(
        &mut self,
        settings: &Settings,
        is_full: bool,
        now: Instant,
        reading: Reading,
    ) -> Option<Overdue> {
        let phase = Phase::of(reading);
        if phase != self.phase || (reading.begun != self.begun && phase != Phase::Sending) {
            (self.phase, self.begun) = (phase, reading.begun);
            (self.since, self.written) = (now, reading.written);
            return None;
        }
        let took = now.saturating_duration_since(self.since);
        match phase {
            Phase::Head => (took >= settings.header).then_some(Overdue::Head),
            Phase::Idle => {
                let most = match is_full {
                    true => settings.idle.min(IDLE_WHEN_FULL),
                    false => settings.idle,
                };
                (took >= most).then_some(Overdue::Idle)
            }
            Phase::Handling => None,
            Phase::Sending => {
                let sent = reading.written - self.written;
                if took < settings.allowance(sent) {
                    return None;
                }
                if settings.any_progress_will_do() && sent >= PROGRESS {
                    (self.since, self.written) = (now, reading.written);
                    return None;
                }
                Some(Overdue::Sending)
            }
        }
    }
}

impl Phase {
    const fn of(reading: Reading) -> Self {
        match reading {
            Reading {
                is_sending: true, ..
            } => Self::Sending,
            Reading { under_way: 1.., .. } => Self::Handling,
            Reading { begun: 0, .. }
            | Reading {
                has_begun_head: true,
                ..
            } => Self::Head,
            _ => Self::Idle,
        }
    }
}

#[cfg(test)]
mod tests;
