//! A provider that does as it is told.

#![allow(dead_code, reason = "no test uses all of it")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use palisade_core::Name;
use palisade_secrets::{Fetched, Provider, ProviderError, Secret, Stage};

/// The contents of the store, the number of its calls, and whether it works.
#[derive(Clone, Default)]
pub(crate) struct Store(Arc<Inner>);

#[derive(Default)]
struct Inner {
    values: Mutex<HashMap<(String, Stage), String>>,
    calls: AtomicUsize,
    broken: Mutex<bool>,
    slow: Mutex<Duration>,
    good_for: Mutex<Option<Duration>>,
}

impl Store {
    pub(crate) fn of<const N: usize>(values: [(&str, &str); N]) -> Self {
        let store = Self::default();
        for (name, value) in values {
            store.set(name, value);
        }
        store
    }

    pub(crate) fn set(&self, name: &str, value: &str) {
        self.set_stage(name, Stage::Current, value);
    }

    pub(crate) fn set_stage(&self, name: &str, stage: Stage, value: &str) {
        let mut values = self.0.values.lock().unwrap();
        values.insert((name.into(), stage), value.into());
    }

    pub(crate) fn broken(&self, broken: bool) {
        *self.0.broken.lock().unwrap() = broken;
    }

    pub(crate) fn slow(&self, wait: Duration) {
        *self.0.slow.lock().unwrap() = wait;
    }

    /// Gives secrets that end after this time.
    pub(crate) fn good_for(&self, time: Duration) {
        *self.0.good_for.lock().unwrap() = Some(time);
    }

    pub(crate) fn calls(&self) -> usize {
        self.0.calls.load(Ordering::Relaxed)
    }
}

impl Provider for Store {
    fn name(&self) -> Name {
        Name::from_static("store")
    }

    async fn fetch(&self, name: &str, stage: Stage) -> Result<Option<Fetched>, ProviderError> {
        self.0.calls.fetch_add(1, Ordering::Relaxed);
        let wait = *self.0.slow.lock().unwrap();
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        if *self.0.broken.lock().unwrap() {
            return Err(ProviderError::new("connection refused"));
        }
        let values = self.0.values.lock().unwrap();
        let value = values.get(&(name.to_owned(), stage));
        let good_for = *self.0.good_for.lock().unwrap();
        Ok(value.map(|value| {
            let fetched = Fetched::new(Secret::new(value.as_str()));
            match good_for {
                Some(time) => fetched.good_for(time),
                None => fetched,
            }
        }))
    }
}
