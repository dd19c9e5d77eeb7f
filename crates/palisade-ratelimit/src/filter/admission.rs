use palisade_core::time::UnixTime;

use crate::charge::Plan;
use crate::decision::Decision;
use crate::filter::headers::Items;
use crate::filter::response_fields::ResponseFields;

/// The admission of a request, or what stands in its way.
pub(crate) enum Admission {
    /// It passes, and there is nothing left to do when its response comes.
    Pass,
    /// It passes, and its response says what is left.
    Counted(ResponseFields),
    /// It is over a limit. Kept out of line: what passes should not carry its weight.
    Refused(Box<Refusal>),
    /// It passes after a while.
    #[cfg(feature = "wait")]
    Delay(Box<crate::filter::delay::Delay>),
    /// A store has to be asked first.
    #[cfg(feature = "redis")]
    Query(Box<crate::query::PendingQuery>),
}

/// A decision about a request that is over a limit.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) decision: Decision,
    pub(crate) unix: UnixTime,
    pub(crate) shadow: bool,
    pub(crate) plan: Plan,
    /// The states of all limits, where the header fields list them.
    pub(crate) items: Option<Box<Items>>,
}
