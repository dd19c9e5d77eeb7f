//! The writer's end of the queue.

use std::sync::{MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use palisade_core::time;

use super::{GROUP, Item, KEEP_ENTRIES, Queue, State};
use crate::entry::Slot;

/// The time for which the writer lets records gather after the first one: a wake-up of a thread costs as much as several
/// records, so it is paid once a group.
const LINGER: Duration = Duration::from_millis(2);

/// The result of [`Queue::take`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Items, or none when the time is over.
    Items,
    /// The last items; nothing comes after them.
    Last,
}

impl Queue {
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
        if last {
            state.closed = true;
            // Threads that handed a record over hold on to the queue.
            state.entries = Vec::new();
        }
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
}
