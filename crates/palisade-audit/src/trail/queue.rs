mod entries;
mod item;
mod take;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

pub(crate) use self::item::Item;
pub(crate) use self::take::Next;
use super::places::{Place, Places, Room};
use crate::Class;
use crate::entry::{Entry, Slot};
use crate::meters::Meters;

/// The writer is woken early once so many records wait, so that bursts are written in groups of about this size.
const GROUP: usize = 512;

/// Used entries that are kept for later requests.
const KEEP_ENTRIES: usize = 2_048;

/// The bounded queue between requests and the writer.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// Wakes the writer.
    wake: Condvar,
    /// Wakes whoever waits for the end.
    ended: Condvar,
    handled: AtomicU64,
    unwritten: AtomicU64,
    lost: [AtomicU64; Class::ALL.len()],
    refusing: AtomicBool,
    meters: Meters,
}

#[derive(Debug)]
struct State {
    items: Vec<Item>,
    /// Records that were let in since the trail was opened.
    accepted: u64,
    places: Places,
    entries: Vec<Slot>,
    waiting: Vec<Waker>,
    sleeping: bool,
    urgent: bool,
    closing: bool,
    closed: bool,
}

impl State {
    fn reserve(&mut self, place: &mut Place) -> bool {
        !self.closing && self.places.reserve(place, self.items.len())
    }

    fn promise(&mut self, place: &mut Place) {
        self.places.promise(place, self.items.len());
    }
}

/// Whether the record of a request will need a place that cannot be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// It is best effort whatever happens.
    Never,
    /// Something may happen whose class is not best effort.
    Possible,
    /// A rule says that it is not best effort.
    Certain,
}

impl Queue {
    pub(crate) fn new(capacity: usize) -> Self {
        let entries = (0..GROUP.min(capacity)).map(|_| Box::new(Entry::with_room()));
        Self {
            state: Mutex::new(State {
                items: Vec::with_capacity(GROUP * 2),
                accepted: 0,
                places: Places::new(capacity),
                entries: entries.collect(),
                waiting: Vec::new(),
                sleeping: false,
                urgent: false,
                closing: false,
                closed: false,
            }),
            wake: Condvar::new(),
            ended: Condvar::new(),
            handled: AtomicU64::new(0),
            unwritten: AtomicU64::new(0),
            lost: [const { AtomicU64::new(0) }; Class::ALL.len()],
            refusing: AtomicBool::new(false),
            meters: Meters::new(),
        }
    }

    /// Whether there is a place within the limit, which takes the place of the one that it had.
    pub(crate) fn reserve(&self, place: &mut Place) -> bool {
        self.state().reserve(place)
    }

    /// Waits for a place; `false` when the trail is shut down and there will be none.
    pub(crate) fn poll_reserve(&self, place: &mut Place, cx: &Context<'_>) -> Poll<bool> {
        let mut state = self.state();
        if state.closing || state.reserve(place) {
            return Poll::Ready(!state.closing);
        }
        state.waiting.push(cx.waker().clone());
        Poll::Pending
    }

    /// Lets an item in, or counts it as lost; either way its place is given back.
    pub(crate) fn push(&self, item: Item, room: Room, place: Place) -> bool {
        self.push_then(item, room, place, |_| {})
    }

    /// As [`push`](Self::push), and runs `then` under the same lock where the item was let in.
    #[inline]
    fn push_then(
        &self,
        item: Item,
        room: Room,
        place: Place,
        then: impl FnOnce(&mut State),
    ) -> bool {
        let mut state = self.state();
        let queued = state.items.len();
        let fits = state.places.admit(room, place, queued);
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
        then(&mut state);
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

    /// Asks the writer to write what is there and to end.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closing = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        self.wake.notify_one();
        self.ended.notify_all();
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Notes the records' worth of lines that wait for a file which does not answer: they take the places of records
    /// that want to be let in.
    pub(crate) fn hold(&self, lines: usize) {
        let mut state = self.state();
        let eased = state.places.hold(lines);
        let waiting = match eased {
            true => std::mem::take(&mut state.waiting),
            false => Vec::new(),
        };
        drop(state);
        if eased {
            // What the writer has put off can go on.
            self.wake.notify_one();
        }
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Takes nothing any more, and lets go of what waits: the writer has ended, in order or by a panic of a sink.
    pub(crate) fn abandon(&self) {
        let mut state = self.state();
        state.closing = true;
        state.closed = true;
        state.entries = Vec::new();
        let items = std::mem::take(&mut state.items);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        self.ended.notify_all();
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
            .ended
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

    /// The number of records that may wait.
    pub(crate) fn capacity(&self) -> usize {
        self.state().places.capacity()
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
