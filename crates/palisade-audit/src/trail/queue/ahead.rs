//! The entry that a thread has for its next request.
//!
//! It is taken under the lock that is held anyway to hand a record over, so that a request which begins takes none, and made
//! ready then, so that its memory is near when it is needed.

use std::cell::RefCell;
use std::sync::Arc;

use super::{Need, Queue};
use crate::entry::Slot;
use crate::trail::places::Place;

thread_local! {
    static AHEAD: RefCell<Option<Ahead>> = const { RefCell::new(None) };
}

/// The latest queue that the thread handed a record to.
struct Ahead {
    queue: Arc<Queue>,
    entry: Option<Slot>,
}

impl Drop for Ahead {
    /// Other requests need the place, such as when the thread ends.
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.queue.give_back(entry);
        }
    }
}

/// Takes the entry, if it has the place that is needed.
pub(super) fn take(queue: &Arc<Queue>, need: Need) -> Option<Slot> {
    with(|ahead| {
        let ahead = ahead.as_mut().filter(|ahead| ahead.is_of(queue))?;
        let fits = |entry: &mut Slot| match need {
            Need::Never => entry.place == Place::None,
            Need::Possible => entry.place == Place::Promised,
            Need::Certain => false,
        };
        ahead.entry.take_if(fits)
    })
}

/// Whether the thread has none of this queue.
pub(super) fn is_due(queue: &Arc<Queue>) -> bool {
    let is_due = with(|ahead| {
        let is_of = |ahead: &Ahead| ahead.is_of(queue) && ahead.entry.is_some();
        Some(!ahead.as_ref().is_some_and(is_of))
    });
    is_due == Some(true)
}

/// Keeps an entry for the next request.
pub(super) fn keep(queue: &Arc<Queue>, entry: Slot) {
    let mut entry = Some(entry);
    with(|ahead| {
        match ahead {
            Some(ahead) if ahead.is_of(queue) => ahead.entry = entry.take(),
            other => {
                *other = Some(Ahead {
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

impl Ahead {
    fn is_of(&self, queue: &Arc<Queue>) -> bool {
        Arc::ptr_eq(&self.queue, queue)
    }
}

/// Nothing while the thread ends.
fn with<T>(use_it: impl FnOnce(&mut Option<Ahead>) -> Option<T>) -> Option<T> {
    let used = AHEAD.try_with(|ahead| use_it(&mut *ahead.try_borrow_mut().ok()?));
    used.ok().flatten()
}
