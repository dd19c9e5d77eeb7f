use palisade_core::time::UnixTime;

use crate::charge::Plan;
use crate::decision::Decision;
use crate::filter::ticket::Ticket;

/// What is to be done with a request.
pub(crate) enum Verdict {
    /// It passes, and there is nothing left to do when its response comes.
    Pass,
    /// It passes, and its response says what is left.
    Counted(Ticket),
    /// It is over a limit. Kept out of line: what passes should not carry its weight.
    Over(Box<Ruling>),
    /// It passes after a while.
    #[cfg(feature = "wait")]
    Delay(Box<crate::filter::delay::Delay>),
    /// A store has to be asked first.
    #[cfg(feature = "redis")]
    Ask(Box<crate::query::Question>),
}

/// A decision about a request that is over a limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ruling {
    pub(crate) decision: Decision,
    pub(crate) unix: UnixTime,
    pub(crate) shadow: bool,
    pub(crate) plan: Plan,
}
