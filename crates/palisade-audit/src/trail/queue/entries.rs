//! Entries for requests.
//!
//! A thread takes the entry and the place for its next request while it hands a record over, under a lock that it holds
//! anyway. A request that begins then takes no lock. The entry is cleared at once, so that its memory is in the cache when
//! the request needs it.

use std::cell::RefCell;
use std::sync::Arc;

use super::{Item, KEEP_ENTRIES, Need, Queue, State};
use crate::entry::{Entry, Slot};
use crate::trail::places::{Place, Room};

impl Queue {
    /// An entry to fill, with a place for its record where that may be needed and there is one.
    pub(crate) fn entry(self: &Arc<Self>, need: Need) -> Slot {
        if let Some(entry) = take_next(self, need) {
            return entry;
        }
        let mut state = self.state();
        let mut place = Place::None;
        if need == Need::Certain {
            state.reserve(&mut place);
        }
        if need != Need::Never {
            state.promise(&mut place);
        }
        let entry = state.entries.pop();
        drop(state);
        let mut entry = match entry {
            Some(mut entry) => {
                entry.clear();
                entry
            }
            None => Box::new(Entry::with_room()),
        };
        entry.place = place;
        entry
    }

    /// Lets the record of a request in, as [`push`](Self::push) does, and gets an entry for the thread's next request.
    pub(crate) fn push_request(self: &Arc<Self>, entry: Slot, room: Room) {
        let place = entry.place;
        let is_due = is_due(self);
        let mut next = None;
        self.push_then(Item::Request(entry, None), room, place, |state| {
            if is_due {
                next = state.next_entry(place);
            }
        });
        if let Some((mut next, place)) = next {
            next.clear();
            next.place = place;
            keep_next(self, next);
        }
    }

    /// Gives back an entry that was not needed.
    fn give_back(&self, entry: Slot) {
        let mut state = self.state();
        state.places.give_back(entry.place);
        if !state.closed && state.entries.len() < KEEP_ENTRIES {
            state.entries.push(entry);
        }
    }
}

impl State {
    /// An entry for the request after one that had this place, and such a place for it.
    fn next_entry(&mut self, place: Place) -> Option<(Slot, Place)> {
        let mut next = Place::None;
        if place != Place::None {
            self.promise(&mut next);
            if next == Place::None {
                return None;
            }
        }
        match self.entries.pop() {
            Some(entry) => Some((entry, next)),
            None => {
                self.places.give_back(next);
                None
            }
        }
    }
}

thread_local! {
    static NEXT: RefCell<Option<NextEntry>> = const { RefCell::new(None) };
}

/// The entry for the next request of a thread, and the queue that it belongs to: the latest to get a record.
struct NextEntry {
    queue: Arc<Queue>,
    entry: Option<Slot>,
}

impl Drop for NextEntry {
    /// Returns the place to the other requests, such as when the thread ends.
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.queue.give_back(entry);
        }
    }
}

/// Takes the entry, if it has the place that is needed.
fn take_next(queue: &Arc<Queue>, need: Need) -> Option<Slot> {
    with(|kept| {
        let kept = kept.as_mut().filter(|kept| kept.is_of(queue))?;
        let fits = |entry: &mut Slot| match need {
            Need::Never => entry.place == Place::None,
            Need::Possible => entry.place == Place::Promised,
            Need::Certain => false,
        };
        kept.entry.take_if(fits)
    })
}

/// Whether the thread has none of this queue.
fn is_due(queue: &Arc<Queue>) -> bool {
    let is_due = with(|kept| {
        let is_of = |kept: &NextEntry| kept.is_of(queue) && kept.entry.is_some();
        Some(!kept.as_ref().is_some_and(is_of))
    });
    is_due == Some(true)
}

/// Keeps an entry for the next request.
fn keep_next(queue: &Arc<Queue>, entry: Slot) {
    let mut entry = Some(entry);
    with(|kept| {
        match kept {
            Some(kept) if kept.is_of(queue) => kept.entry = entry.take(),
            other => {
                *other = Some(NextEntry {
                    queue: Arc::clone(queue),
                    entry: entry.take(),
                });
            }
        }
        Some(())
    });
    if let Some(entry) = entry {
        queue.give_back(entry);
    }
}

impl NextEntry {
    fn is_of(&self, queue: &Arc<Queue>) -> bool {
        Arc::ptr_eq(&self.queue, queue)
    }
}

/// Returns `None` while the thread ends.
fn with<T>(use_it: impl FnOnce(&mut Option<NextEntry>) -> Option<T>) -> Option<T> {
    let used = NEXT.try_with(|kept| use_it(&mut *kept.try_borrow_mut().ok()?));
    used.ok().flatten()
}

#[cfg(test)]
mod tests;
