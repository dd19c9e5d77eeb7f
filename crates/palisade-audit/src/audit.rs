use std::fmt;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::HeaderName;
use palisade_core::time::WallClock;
use palisade_core::{ClientIp, Handle, LateSink};

use crate::class::Deliveries;
use crate::trail::ack::Ack;
use crate::trail::alarm::Alarm;
use crate::trail::places::{Place, Room};
use crate::trail::queue::{Item, Queue};
use crate::trail::tail::Live;
use crate::{AuditBuilder, AuditError, Delivery, Policy, Record, Subscription};

/// The trail of a service; clones write to the same one.
///
/// # Example
///
/// ```
/// use palisade_audit::{Audit, MemorySink, Outcome, Record};
/// use palisade_core::EventKind;
///
/// let memory = MemorySink::new();
/// let (audit, guard) = Audit::builder("bookings").sink(memory.clone()).open()?;
///
/// audit.record(
///     Record::new(EventKind::AdminAction)
///         .actor("ada")
///         .action("room.delete")
///         .resource("rooms/7")
///         .outcome(Outcome::Success)
///         .detail("api_key", "never shown"),
/// );
///
/// assert_eq!(guard.shutdown(std::time::Duration::from_secs(1)).lost, 0);
/// let line = memory.lines().into_iter().find(|line| line.contains("authz_admin")).unwrap();
/// assert!(line.contains(r#""actor":"ada","action":"room.delete","resource":"rooms/7""#));
/// assert!(line.contains(r#""api_key":"[redacted]""#));
/// # Ok::<(), palisade_audit::AuditError>(())
/// ```
#[derive(Clone)]
pub struct Audit(Handle<Shared>);

pub(crate) struct Shared {
    pub(crate) service: Box<str>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) live: Arc<Live>,
    pub(crate) alarm: Alarm,
    pub(crate) clock: WallClock,
    pub(crate) client_ip: ClientIp,
    pub(crate) policy: Policy,
    pub(crate) deliveries: Deliveries,
    /// The longest time for which a request waits for the disk.
    pub(crate) sync_timeout: Duration,
    /// Whether every request is refused while the trail cannot be written.
    pub(crate) no_trail_no_service: bool,
    /// Up to how many bytes of a body are captured.
    pub(crate) capture: usize,
    pub(crate) headers: Vec<HeaderName>,
    pub(crate) late: LateSink,
}

/// The state of a trail: counts, and whether it can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditStats {
    /// Records written since the trail was opened; events that layers noted about a request count with it.
    pub written: u64,
    /// Records lost since then, of all classes.
    pub lost: u64,
    /// Records that wait for the writer.
    pub pending: u64,
    /// Whether the last write failed, or has not come back for [`AuditBuilder::sync_timeout`].
    pub failing: bool,
}

impl Audit {
    /// Begins to describe the trail of this service, whose name goes into records and file names: letters, digits,
    /// `-`, `_` and `.`.
    pub fn builder(service: &str) -> AuditBuilder {
        AuditBuilder::new(service)
    }

    pub(crate) fn new(shared: Shared) -> Self {
        Self(Handle::new(shared))
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0
    }

    /// The place for events that come after their request's record.
    pub(crate) fn late(&self) -> LateSink {
        match self.0.as_static() {
            Some(shared) => shared.late.as_static(),
            None => self.0.late.clone(),
        }
    }

    /// Keeps the state for the rest of the process, so that requests need not count their references; see
    /// [`Handle::leak`].
    #[must_use]
    pub fn leak(self) -> Self {
        Self(self.0.leak())
    }

    /// Puts something on record, without waiting.
    ///
    /// A record of a class that is delivered best effort is lost and counted when the queue is full; others go in
    /// even then, up to twice the queue's size less the places that are promised to requests in flight and, one a thread, to
    /// the next. To know that a record is on the disk use [`commit`](Self::commit).
    pub fn record(&self, record: Record) {
        self.shared().record(record);
    }

    /// Puts something on record, and waits until it is on the disk.
    ///
    /// # Errors
    ///
    /// [`AuditError::NotKept`] when there was no room, the disk refused, or it took longer than
    /// [`AuditBuilder::sync_timeout`]. The record may still be written then.
    ///
    /// # Cancel safety
    ///
    /// A future that was polled at least once and had room has queued the record; dropping it only forgoes the answer.
    pub async fn commit(&self, record: Record) -> Result<(), AuditError> {
        let shared = self.shared();
        let deadline = shared.alarm.after(shared.sync_timeout);
        let (ack, settle) = Ack::pair();
        let mut item = Some((Box::new((shared.clock.now(), record)), settle));
        let mut place = Place::None;
        std::future::poll_fn(|cx| {
            if item.is_some() {
                match shared.queue.poll_reserve(&mut place, cx) {
                    Poll::Ready(false) => return Poll::Ready(false),
                    Poll::Ready(true) => {
                        if let Some((timed, settle)) = item.take() {
                            let item = Item::Record(timed, Some(settle));
                            shared.queue.push(item, Room::Over, place);
                        }
                    }
                    Poll::Pending => {}
                }
            }
            if item.is_none()
                && let Poll::Ready(kept) = ack.poll(cx)
            {
                return Poll::Ready(kept);
            }
            deadline.poll(cx).map(|()| false)
        })
        .await
        .then_some(())
        .ok_or(AuditError::NotKept)
    }

    /// Waits until every record so far is on the disk.
    ///
    /// # Errors
    ///
    /// [`AuditError::NotKept`] when the disk refused, or it took longer than
    /// [`AuditBuilder::sync_timeout`].
    pub async fn flush(&self) -> Result<(), AuditError> {
        let shared = self.shared();
        let deadline = shared.alarm.after(shared.sync_timeout);
        let (ack, settle) = Ack::pair();
        let flush = Item::Flush(settle);
        shared.queue.push(flush, Room::Over, Place::None);
        std::future::poll_fn(|cx| {
            if let Poll::Ready(kept) = ack.poll(cx) {
                return Poll::Ready(kept);
            }
            deadline.poll(cx).map(|()| false)
        })
        .await
        .then_some(())
        .ok_or(AuditError::NotKept)
    }

    /// The records as they are written from now on, as lines of native JSON, after redaction.
    ///
    /// The stream is bounded: a slow subscriber misses records and is told so. It does not wait for a file that does not
    /// answer: a record that is seen here may never reach the file, whose gap is counted then.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        self.shared().live.subscribe()
    }

    /// Up to this many of the latest records of this process, the oldest first, as lines of native JSON.
    ///
    /// At most as many as [`AuditBuilder::recent`] keeps. While the file of a trail does not answer, nothing new comes in
    /// unless there is another sink or a [subscriber](Self::subscribe).
    #[must_use]
    pub fn recent(&self, records: usize) -> Vec<String> {
        self.shared().live.latest(records)
    }

    /// Returns counts of records, and whether the last write failed.
    #[must_use]
    pub fn stats(&self) -> AuditStats {
        let queue = &self.shared().queue;
        AuditStats {
            written: queue.written(),
            lost: queue.lost(),
            pending: queue.pending(),
            failing: queue.is_refusing(),
        }
    }
}

impl Shared {
    pub(crate) fn record(&self, record: Record) {
        let room = match self.deliveries.of(record.class) {
            Delivery::BestEffort => Room::Ordinary,
            _ => Room::Over,
        };
        let timed = Box::new((self.clock.now(), record));
        self.queue
            .push(Item::Record(timed, None), room, Place::None);
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit")
            .field("service", &self.shared().service)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
