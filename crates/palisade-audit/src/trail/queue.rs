use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use palisade_core::time::{self, UnixTime};

use super::ack::Settle;
use crate::entry::{Entry, Slot};
use crate::meters::Meters;
use crate::{Class, Record};

/// The writer is woken early once so many records wait, so that bursts are written in groups of about this size.
const GROUP: usize = 512;

/// The time for which the writer lets records gather after the first one: a wake-up of a thread costs as much as several
/// records, so it is paid once a group.
const LINGER: Duration = Duration::from_millis(2);

/// Used entries that are kept for later requests.
const KEEP_ENTRIES: usize = 2_048;

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
    fn class(&self) -> Option<Class> {
        match self {
            Self::Request(entry, _) => Some(entry.main_class()),
            Self::Record(timed, _) => Some(timed.1.class()),
            Self::Flush(_) => None,
        }
    }

    pub(crate) const fn is_urgent(&self) -> bool {
        matches!(
            self,
            Self::Request(_, Some(_)) | Self::Record(_, Some(_)) | Self::Flush(_)
        )
    }
}

/// The rule by which an item enters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// Only while a quarter is left for those with a better right.
    Ordinary,
    /// Its place was reserved.
    Reserved,
    /// Even over the limit, up to twice of it: for what must not be lost and cannot wait, such as the record of a
    /// request that is dropped. There is at most one for each request in flight.
    Over,
}

/// The bounded queue between requests and the writer.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    capacity: usize,
    handled: AtomicU64,
    unwritten: AtomicU64,
    lost: [AtomicU64; Class::ALL.len()],
    refusing: AtomicBool,
    meters: Meters,
}

#[derive(Debug, Default)]
struct State {
    items: Vec<Item>,
    /// Records that were let in since the trail was opened.
    accepted: u64,
    reserved: usize,
    entries: Vec<Slot>,
    waiting: Vec<Waker>,
    sleeping: bool,
    urgent: bool,
    closing: bool,
    closed: bool,
}

/// The result of [`Queue::take`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Items, or none when the time is over.
    Items,
    /// The last items; nothing comes after them.
    Last,
}

impl Queue {
    pub(crate) fn new(capacity: usize) -> Self {
        let entries = (0..GROUP.min(capacity)).map(|_| Box::new(Entry::with_room()));
        Self {
            state: Mutex::new(State {
                items: Vec::with_capacity(GROUP * 2),
                entries: entries.collect(),
                ..State::default()
            }),
            wake: Condvar::new(),
            capacity,
            handled: AtomicU64::new(0),
            unwritten: AtomicU64::new(0),
            lost: [const { AtomicU64::new(0) }; Class::ALL.len()],
            refusing: AtomicBool::new(false),
            meters: Meters::new(),
        }
    }

    /// An entry to fill, with a place for its record where `reserve` asks for one and there is one.
    pub(crate) fn entry(&self, reserve: bool) -> (Slot, bool) {
        let mut state = self.state();
        let reserved = reserve && self.reserve_in(&mut state);
        let entry = state.entries.pop();
        drop(state);
        (
            entry.unwrap_or_else(|| Box::new(Entry::with_room())),
            reserved,
        )
    }

    pub(crate) fn reserve(&self) -> bool {
        self.reserve_in(&mut self.state())
    }

    fn reserve_in(&self, state: &mut State) -> bool {
        let room = !state.closing && state.items.len() + state.reserved < self.capacity;
        state.reserved += usize::from(room);
        room
    }

    /// Waits for a place; `false` when the trail is shut down and there will be none.
    pub(crate) fn poll_reserve(&self, cx: &Context<'_>) -> Poll<bool> {
        let mut state = self.state();
        if state.closing || self.reserve_in(&mut state) {
            return Poll::Ready(!state.closing);
        }
        state.waiting.push(cx.waker().clone());
        Poll::Pending
    }

    /// Lets an item in, or counts it as lost.
    pub(crate) fn push(&self, item: Item, room: Room) -> bool {
        let mut state = self.state();
        let used = state.items.len() + state.reserved;
        let fits = match room {
            Room::Ordinary => used < self.capacity - self.capacity / 4,
            Room::Reserved => {
                state.reserved = state.reserved.saturating_sub(1);
                true
            }
            Room::Over => used < self.capacity.saturating_mul(2),
        };
        // A flush takes no room to speak of.
        let fits = fits || item.class().is_none();
        if state.closed || !fits {
            drop(state);
            self.lose(item.class());
            return false;
        }
        state.accepted += u64::from(item.class().is_some());
        let urgent = item.is_urgent();
        state.urgent |= urgent;
        state.items.push(item);
        // The writer is told about the first record, about a full group, and about what a request waits for.
        let wake = state.sleeping || state.items.len() == GROUP || urgent;
        state.sleeping = false;
        drop(state);
        if wake {
            self.wake.notify_one();
        }
        true
    }

    fn lose(&self, class: Option<Class>) {
        if let Some(class) = class {
            self.lost[class as usize].fetch_add(1, Ordering::Relaxed);
            self.meters.lost(class, 1);
        }
    }

    /// Takes what waits, after it has had a moment to gather; gives back entries for later requests.
    ///
    /// Without anything to take it comes back after `tick`.
    pub(crate) fn take(
        &self,
        into: &mut Vec<Item>,
        spent: &mut Vec<Slot>,
        tick: Option<Duration>,
    ) -> Next {
        let mut state = self.state();
        let keep = KEEP_ENTRIES.saturating_sub(state.entries.len());
        state.entries.extend(spent.drain(..).take(keep));
        if state.items.is_empty() && !state.closing {
            state = self.sleep(state, tick);
        }
        if !state.items.is_empty() {
            state = self.linger(state);
        }
        std::mem::swap(&mut state.items, into);
        state.urgent = false;
        self.meters.depth(into.len());
        let last = state.closing;
        // Nothing gets in behind the last items.
        state.closed |= last;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
        if last { Next::Last } else { Next::Items }
    }

    fn sleep<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        tick: Option<Duration>,
    ) -> MutexGuard<'a, State> {
        state.sleeping = true;
        state = match tick {
            None => self
                .wake
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner),
            Some(tick) => {
                let waited = self.wake.wait_timeout(state, tick);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        state.sleeping = false;
        state
    }

    fn linger<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let start = time::now();
        while state.items.len() < GROUP && !state.urgent && !state.closing {
            let rest = LINGER.saturating_sub(time::now().saturating_duration_since(start));
            if rest.is_zero() {
                break;
            }
            let waited = self.wake.wait_timeout(state, rest);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }

    /// Asks the writer to write what is there and to end.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closing = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        self.wake.notify_one();
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Takes nothing any more, and lets go of what waits: the writer has ended, in order or by a panic of a sink.
    pub(crate) fn abandon(&self) {
        let mut state = self.state();
        state.closing = true;
        state.closed = true;
        let items = std::mem::take(&mut state.items);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        self.set_refusing(true);
        drop(items);
        waiting.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn count_written(&self, records: u64) {
        self.handled.fetch_add(records, Ordering::Relaxed);
    }

    /// Counts records that could not be written; what their classes were is no longer known.
    pub(crate) fn count_unwritten(&self, records: u64) {
        self.handled.fetch_add(records, Ordering::Relaxed);
        self.unwritten.fetch_add(records, Ordering::Relaxed);
        self.lost[Class::Operations as usize].fetch_add(records, Ordering::Relaxed);
        self.meters.lost(Class::Operations, records);
    }

    /// Counts records as lost that were written to a file which somebody else removed or truncated.
    pub(crate) fn count_vanished(&self, records: u64) {
        self.count_unwritten(records);
        self.handled.fetch_sub(records, Ordering::Relaxed);
    }

    /// Waits until the trail is shut down, at most this long; whether it is.
    pub(crate) fn wait_for_close(&self, patience: Duration) -> bool {
        let waited = self
            .wake
            .wait_timeout_while(self.state(), patience, |state| !state.closing);
        waited.unwrap_or_else(PoisonError::into_inner).0.closing
    }

    pub(crate) fn lost_of(&self, class: Class) -> u64 {
        self.lost[class as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn lost(&self) -> u64 {
        Class::ALL
            .into_iter()
            .map(|class| self.lost_of(class))
            .sum()
    }

    pub(crate) fn written(&self) -> u64 {
        let handled = self.handled.load(Ordering::Relaxed);
        handled.saturating_sub(self.unwritten.load(Ordering::Relaxed))
    }

    /// Records that were let in and are not written yet.
    pub(crate) fn pending(&self) -> u64 {
        let accepted = self.state().accepted;
        accepted.saturating_sub(self.handled.load(Ordering::Relaxed))
    }

    pub(crate) const fn meters(&self) -> &Meters {
        &self.meters
    }

    /// Says that the trail cannot be written, or that it can again.
    pub(crate) fn set_refusing(&self, refusing: bool) {
        self.refusing.store(refusing, Ordering::Release);
    }

    pub(crate) fn is_refusing(&self) -> bool {
        self.refusing.load(Ordering::Acquire)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
