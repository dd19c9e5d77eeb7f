use std::sync::Arc;
use std::task::{Context, Poll};

use crate::Delivery;
use crate::trail::ack::{Ack, Settle};
use crate::trail::alarm::Deadline;

/// A response that waits for its record; out of line, because most do not wait.
#[derive(Debug)]
pub(crate) struct Hold {
    delivery: Delivery,
    wait: Wait,
    deadline: Deadline,
}

#[derive(Debug)]
enum Wait {
    Room,
    Disk(Arc<Ack>),
}

impl Hold {
    /// A wait for a place in the queue.
    pub(crate) fn for_room(delivery: Delivery, deadline: Deadline) -> Box<Self> {
        Box::new(Self {
            delivery,
            wait: Wait::Room,
            deadline,
        })
    }

    /// A wait until the record that goes with the [`Settle`] is on the disk.
    pub(crate) fn for_disk(delivery: Delivery, deadline: Deadline) -> (Box<Self>, Settle) {
        let (ack, settle) = Ack::pair();
        let hold = Box::new(Self {
            delivery,
            wait: Wait::Disk(ack),
            deadline,
        });
        (hold, settle)
    }

    /// Whether the response may leave as it is, once it is known whether the record was kept, or the time is over.
    ///
    /// Asks `poll_room` for a place in the queue if it waits for one.
    pub(crate) fn poll(
        &self,
        cx: &Context<'_>,
        poll_room: impl FnOnce(&Context<'_>) -> Poll<bool>,
    ) -> Poll<bool> {
        let kept = match &self.wait {
            Wait::Disk(ack) => ack.poll(cx),
            Wait::Room => poll_room(cx),
        };
        let kept = match kept {
            Poll::Ready(kept) => Poll::Ready(kept),
            Poll::Pending => self.deadline.poll(cx).map(|()| false),
        };
        kept.map(|kept| kept || self.delivery != Delivery::FailClosed)
    }
}
