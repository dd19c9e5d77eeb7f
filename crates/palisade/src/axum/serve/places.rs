use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use palisade_core::{ClientAddr, ClientIp};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places for connections, in all and by address.
#[derive(Debug)]
pub(super) struct Places {
    total: Arc<Semaphore>,
    most: usize,
    is_full: AtomicBool,
    per_address: usize,
    proxies: ClientIp,
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

/// The place of one connection, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    address: Option<IpAddr>,
    places: Arc<Places>,
}

impl Places {
    pub(super) fn new(most: usize, per_address: usize, proxies: ClientIp) -> Self {
        Self {
            total: Arc::new(Semaphore::new(most)),
            most,
            is_full: AtomicBool::new(false),
            per_address,
            proxies,
            by_address: Mutex::default(),
        }
    }

    /// Waits for a place among all.
    pub(super) async fn wait(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.total).try_acquire_owned() {
            return Some(permit);
        }
        self.is_full.store(true, Ordering::Relaxed);
        tracing::warn!(target: "palisade", connections = self.most,
            "every place for a connection is taken; others wait, and idle connections are closed"
        );
        let permit = Arc::clone(&self.total).acquire_owned().await.ok();
        self.is_full.store(false, Ordering::Relaxed);
        permit
    }

    /// Takes the place of a peer, unless its address has too many.
    pub(super) fn take(
        self: &Arc<Self>,
        permit: OwnedSemaphorePermit,
        peer: Option<IpAddr>,
    ) -> Option<Place> {
        let address = peer
            .filter(|peer| !self.proxies.trusts(*peer))
            .map(|peer| ClientAddr::new(peer).group());
        if let Some(address) = address {
            let mut by_address = self.lock();
            let taken = by_address.entry(address).or_default();
            if *taken >= self.per_address {
                return None;
            }
            *taken += 1;
        }
        Some(Place {
            _permit: permit,
            address,
            places: Arc::clone(self),
        })
    }

    /// Whether a connection waits for a place.
    pub(super) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    /// The number of places that are taken.
    pub(super) fn taken(&self) -> usize {
        self.most - self.total.available_permits()
    }

    /// Waits until every place is given back.
    pub(super) async fn all_free(&self) {
        let most = u32::try_from(self.most).unwrap_or(u32::MAX);
        let _ = self.total.acquire_many(most).await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.by_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut by_address = self.places.lock();
        if let Some(taken) = by_address.get_mut(&address) {
            *taken -= 1;
            if *taken == 0 {
                by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_has_its_share_and_gets_back_what_it_gives_back() {
        let places = Arc::new(Places::new(10, 2, ClientIp::peer()));
        let take = async |peer: &str| {
            let permit = places.wait().await?;
            places.take(permit, Some(peer.parse().ok()?))
        };
        let first = take("192.0.2.1").await;
        let second = take("192.0.2.1").await;
        assert!(first.is_some() && second.is_some());
        assert!(take("192.0.2.1").await.is_none());
        let other = take("192.0.2.2").await;
        assert!(other.is_some());
        assert_eq!(places.taken(), 3, "the one that was refused has none");
        drop(first);
        let third = take("192.0.2.1").await;
        assert!(third.is_some());
        assert!(take("192.0.2.1").await.is_none(), "the second is there");
        drop((second, third, other));
        assert_eq!(places.taken(), 0);
        assert!(places.lock().is_empty(), "nobody is remembered");
    }
}
