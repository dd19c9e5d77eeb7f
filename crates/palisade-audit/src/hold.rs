use std::sync::Arc;
use std::task::{Context, Poll};

use crate::Delivery;
use crate::flight::InFlight;
use crate::trail::ack::Ack;
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
    /// Begins to wait, unless the response may leave at once.
    pub(crate) fn begin(flight: &mut InFlight, delivery: Delivery) -> Option<Box<Self>> {
        let shared = flight.audit()?.shared();
        let (wait, deadline) = match delivery {
            Delivery::BestEffort => return None,
            Delivery::Block(patience) => {
                if flight.is_reserved() || shared.queue.reserve() {
                    flight.set_reserved();
                    return None;
                }
                (Wait::Room, shared.alarm.after(patience))
            }
            Delivery::Durable | Delivery::FailClosed => {
                let deadline = shared.alarm.after(Delivery::SYNC_TIMEOUT);
                let (ack, settle) = Ack::pair();
                flight.push_stage(settle);
                (Wait::Disk(ack), deadline)
            }
        };
        Some(Box::new(Self {
            delivery,
            wait,
            deadline,
        }))
    }

    /// Whether the response may leave as it is, once it is known whether the record was kept, or the time is over.
    pub(crate) fn poll(&self, flight: &mut InFlight, cx: &Context<'_>) -> Poll<bool> {
        let kept = match &self.wait {
            Wait::Disk(ack) => ack.poll(cx),
            Wait::Room => match flight.audit() {
                Some(audit) => audit.shared().queue.poll_reserve(cx),
                None => Poll::Ready(true),
            },
        };
        if matches!(self.wait, Wait::Room) && kept == Poll::Ready(true) {
            flight.set_reserved();
        }
        let kept = match kept {
            Poll::Ready(kept) => Poll::Ready(kept),
            Poll::Pending => self.deadline.poll(cx).map(|()| false),
        };
        kept.map(|kept| kept || self.delivery != Delivery::FailClosed)
    }
}
