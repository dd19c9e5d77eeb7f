use palisade_core::time::UnixTime;

use crate::class::Deliveries;
use crate::entry::Slot;
use crate::trail::ack::Settle;
use crate::{Class, Delivery, Record};

/// An entry of the queue.
#[derive(Debug)]
pub(crate) enum Item {
    /// A request that is over, or whose response begins.
    Request(Slot, Option<Settle>),
    /// A record of the application, or a late event.
    Record(Box<(UnixTime, Record)>, Option<Settle>),
    /// Nothing to write, only to know that everything before is on the disk.
    Flush(Settle),
}

impl Item {
    pub(super) fn class(&self) -> Option<Class> {
        match self {
            Self::Request(entry, _) => Some(entry.main_class()),
            Self::Record(timed, _) => Some(timed.1.class()),
            Self::Flush(_) => None,
        }
    }

    /// Whether it may be lost rather than hold anybody up.
    pub(crate) fn is_best_effort(&self, deliveries: &Deliveries) -> bool {
        let delivery = match self {
            Self::Request(entry, None) => entry.delivery,
            Self::Record(timed, None) => deliveries.of(timed.1.class()),
            _ => return false,
        };
        delivery == Delivery::BestEffort
    }

    pub(crate) const fn is_urgent(&self) -> bool {
        matches!(
            self,
            Self::Request(_, Some(_)) | Self::Record(_, Some(_)) | Self::Flush(_)
        )
    }
}
