use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// Tasks that wait until a call is let through, each with a place of its own.
#[derive(Debug, Default)]
pub(crate) struct Waiters(Mutex<Option<Box<Places>>>);

#[derive(Debug, Default)]
struct Places {
    wakers: BTreeMap<u64, Waker>,
    given: u64,
}

impl Waiters {
    /// A place to wait in.
    pub(crate) fn place(&self) -> u64 {
        let mut places = self.places();
        let places = places.get_or_insert_default();
        places.given += 1;
        places.given
    }

    /// Registers a waker, which is woken when calls may be let through again for another cause than time.
    pub(crate) fn wait(&self, place: u64, waker: &Waker) {
        let mut places = self.places();
        let wakers = &mut places.get_or_insert_default().wakers;
        let before = wakers.insert(place, waker.clone());
        drop(places);
        drop(before);
    }

    pub(crate) fn leave(&self, place: u64) {
        // What a waker does when it is dropped is not for under the lock.
        let waker = self
            .places()
            .as_mut()
            .map(|places| places.wakers.remove(&place));
        drop(waker);
    }

    pub(crate) fn wake(&self) {
        let woken = self
            .places()
            .as_mut()
            .map(|places| std::mem::take(&mut places.wakers));
        woken
            .unwrap_or_default()
            .into_values()
            .for_each(Waker::wake);
    }

    fn places(&self) -> MutexGuard<'_, Option<Box<Places>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
