use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use palisade_core::{Handle, time};

use super::bound::bounded;
use crate::event::BreakerEvent;
use crate::setup::Setup;
use crate::shared::Shared;
use crate::state::State;

/// The breakers of a keyed layer: a bounded map in shards, each with a clock hand that finds what may go.
#[derive(Debug)]
pub(crate) struct Store {
    setup: Arc<Setup>,
    shards: Box<[Mutex<Shard>]>,
    most_per_shard: usize,
    hasher: RandomState,
    /// Stands in where a call has no key or no room.
    pass_through: Handle<Shared>,
    pub(crate) evicted: AtomicU64,
    pub(crate) unguarded: AtomicU64,
}

#[derive(Debug, Default)]
struct Shard {
    places: HashMap<Arc<str>, u32>,
    slots: Vec<Slot>,
    hand: usize,
}

#[derive(Debug)]
struct Slot {
    key: Arc<str>,
    breaker: Handle<Shared>,
    used: bool,
}

const SHARDS: usize = 16;

/// Slots that the clock hand passes for one new key. It goes on from there for the next, so that no call pays for a whole round.
const STEPS: usize = 64;

impl Store {
    pub(crate) fn new(setup: Setup, most: usize) -> Self {
        let most = most.clamp(1, u32::MAX as usize);
        let shards = if most < SHARDS * 4 { 1 } else { SHARDS };
        let pass_through = Setup {
            begins: State::Disabled,
            ..setup.clone()
        };
        Self {
            setup: Arc::new(setup),
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            most_per_shard: most / shards,
            hasher: RandomState::new(),
            pass_through: Handle::new(Shared::new(pass_through)),
            evicted: AtomicU64::new(0),
            unguarded: AtomicU64::new(0),
        }
    }

    pub(crate) fn setup(&self) -> &Setup {
        &self.setup
    }

    /// The breaker of this key, made if need be; one that lets everything pass where there is no key, or every other
    /// breaker is needed.
    pub(crate) fn breaker(&self, key: Option<&str>) -> Handle<Shared> {
        let Some(key) = key else {
            return self.pass_through.clone();
        };
        self.place(key).unwrap_or_else(|| {
            self.notify_unguarded(key);
            self.pass_through.clone()
        })
    }

    /// The breaker of this key, made if need be and if there is room.
    pub(crate) fn place(&self, key: &str) -> Option<Handle<Shared>> {
        let key = &*bounded(key);
        let mut shard = self.shard(key);
        if let Some(place) = shard.places.get(key).copied() {
            let slot = &mut shard.slots[place as usize];
            slot.used = true;
            return Some(slot.breaker.clone());
        }
        let place = if shard.slots.len() < self.most_per_shard {
            shard.slots.len()
        } else {
            let place = shard.make_room(self.setup.begins)?;
            self.evicted.fetch_add(1, Ordering::Relaxed);
            place
        };
        let key: Arc<str> = key.into();
        let breaker = Handle::new(Shared::with_key(Arc::clone(&self.setup), Arc::clone(&key)));
        let slot = Slot {
            key: Arc::clone(&key),
            breaker: breaker.clone(),
            used: false,
        };
        match shard.slots.get_mut(place) {
            Some(old) => *old = slot,
            None => shard.slots.push(slot),
        }
        // Below the bound, which is below it.
        shard.places.insert(key, place as u32);
        Some(breaker)
    }

    #[cold]
    fn notify_unguarded(&self, key: &str) {
        let Setup {
            name,
            observers,
            counters,
            ..
        } = &*self.setup;
        let calls = self.unguarded.fetch_add(1, Ordering::Relaxed) + 1;
        counters.unguarded(*name);
        let event = BreakerEvent::Unguarded {
            name: *name,
            key: (*bounded(key)).into(),
            calls,
        };
        event.trace();
        observers.tell(&event);
    }

    /// The breaker of this key, if there is one.
    pub(crate) fn find(&self, key: &str) -> Option<Handle<Shared>> {
        let key = &*bounded(key);
        let shard = self.shard(key);
        let place = *shard.places.get(key)?;
        Some(shard.slots[place as usize].breaker.clone())
    }

    /// About how many keys are remembered at most.
    #[cfg(feature = "redis")]
    pub(crate) fn most(&self) -> usize {
        self.most_per_shard * self.shards.len()
    }

    /// The keys whose breakers are open, and the breakers.
    #[cfg(feature = "redis")]
    pub(crate) fn open(&self) -> Vec<(Arc<str>, Handle<Shared>)> {
        let mut found = Vec::new();
        for shard in self.each_shard() {
            let slots = shard.slots.iter();
            let open = slots.filter(|slot| slot.breaker.state() == State::Open);
            found.extend(open.map(|slot| (Arc::clone(&slot.key), slot.breaker.clone())));
        }
        found
    }

    pub(crate) fn len(&self) -> usize {
        self.each_shard().map(|shard| shard.slots.len()).sum()
    }

    /// The keys whose breakers do not stand where they began.
    pub(crate) fn not_closed(&self) -> Vec<(String, State)> {
        let mut found = Vec::new();
        for shard in self.each_shard() {
            let states = shard.slots.iter().map(|slot| (slot, slot.breaker.state()));
            let moved = states.filter(|(_, state)| *state != self.setup.begins);
            found.extend(moved.map(|(slot, state)| (slot.key.to_string(), state)));
        }
        found
    }

    fn each_shard(&self) -> impl Iterator<Item = MutexGuard<'_, Shard>> {
        self.shards.iter().map(lock)
    }

    fn shard(&self, key: &str) -> MutexGuard<'_, Shard> {
        // The maps inside hash with seeds of their own, so the low bits are free.
        let hash = self.hasher.hash_one(key);
        lock(&self.shards[hash as usize % self.shards.len()])
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shard {
    /// Takes out a breaker that may be forgotten, is in nobody's hands and was not used of late.
    fn make_room(&mut self, begins: State) -> Option<usize> {
        let now = time::now();
        for _ in 0..STEPS.min(self.slots.len() * 2) {
            let place = self.hand;
            self.hand = (self.hand + 1) % self.slots.len();
            let slot = &mut self.slots[place];
            if std::mem::take(&mut slot.used) {
                continue;
            }
            // Nobody can clone it meanwhile: that takes this shard's lock.
            if slot.breaker.is_unique() && slot.breaker.cell.lock().is_forgettable(now, begins) {
                self.places.remove(&slot.key);
                return Some(place);
            }
        }
        None
    }
}
