use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use palisade_core::time::{UnixTime, WallClock};
use palisade_core::{Principal, random};

use crate::digest::{Digest, sha256};
use crate::jwt::parse::encode;
use crate::{AuthError, Refusal};

/// Tickets for opening one WebSocket each, in the memory of this process. Clones share them.
///
/// An authenticated request asks for a ticket, and the WebSocket is opened with it in the query: what ends up in logs
/// and histories is of no use any more.
///
/// A ticket is good for the opening handshake alone, and for no longer than what proved its principal: a token that has
/// expired or was revoked since, an API key that is gone, or a session that is over, of those that the
/// [`AuthLayer`](crate::AuthLayer) knows, voids it.
///
/// # Example
///
/// ```
/// use palisade_auth::AuthLayer;
/// use palisade_auth::websocket::Tickets;
/// use palisade_core::Principal;
///
/// let tickets = Tickets::new();
/// let layer = AuthLayer::new().tickets(tickets.clone());
/// let ticket = tickets.issue(Principal::user("bookings", "alice").into())?;
/// let url = format!("wss://bookings.example/ws?ticket={ticket}");
/// # Ok::<(), palisade_auth::AuthError>(())
/// ```
#[derive(Clone)]
pub struct Tickets(Arc<Inner>);

struct Inner {
    clock: WallClock,
    pending: Mutex<PendingTickets>,
}

/// The tickets that have not been redeemed.
#[derive(Default)]
struct PendingTickets {
    entries: HashMap<Digest, Entry>,
    /// Each subject's, the oldest first; no list is empty.
    by_subject: HashMap<Subject, VecDeque<Digest>>,
    swept_at: UnixTime,
}

/// Issuer and subject.
type Subject = (Box<str>, Box<str>);

struct Entry {
    principal: Arc<Principal>,
    issued_at: UnixTime,
}

/// A ticket that was redeemed in time: for whom it was issued, and when.
pub(crate) struct Redeemed {
    pub(crate) principal: Arc<Principal>,
    pub(crate) issued_at: UnixTime,
}

impl Tickets {
    /// 30 seconds: the page opens the WebSocket right after it got the ticket.
    pub const LIFETIME: Duration = Duration::from_secs(30);
    /// 32 unredeemed tickets of one subject: more than a browser with all its tabs asks for at once.
    pub const MAX_PER_SUBJECT: usize = 32;
    /// The most tickets that there may be at once.
    const MAX: usize = 100_000;

    /// No tickets yet.
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(WallClock::system())
    }

    /// The same, on a clock that a test controls.
    #[must_use]
    pub fn with_clock(clock: WallClock) -> Self {
        let pending = Mutex::default();
        Self(Arc::new(Inner { clock, pending }))
    }

    /// A ticket for this principal, of the characters that a query may have as they are.
    ///
    /// Of more than [`MAX_PER_SUBJECT`](Self::MAX_PER_SUBJECT) tickets that one subject has not redeemed within their 30
    /// seconds, the oldest is void.
    ///
    /// # Errors
    ///
    /// Fails when the operating system gives no random bytes, or while 100,000 tickets wait to be redeemed.
    pub fn issue(&self, principal: Arc<Principal>) -> Result<String, AuthError> {
        let ticket = encode(random::bytes::<24>()?);
        let issued_at = self.0.clock.now();
        let mut pending = self.pending();
        pending.sweep(issued_at);
        if pending.entries.len() >= Self::MAX {
            return Err(AuthError::Issue("there are too many tickets"));
        }
        let entry = Entry {
            principal,
            issued_at,
        };
        pending.add(sha256(ticket.as_bytes()), entry);
        Ok(ticket)
    }

    /// Ends every unredeemed ticket of a subject; says how many there were.
    pub fn revoke_subject(&self, issuer: &str, subject: &str) -> usize {
        let mut pending = self.pending();
        let tickets = pending.by_subject.remove(&(issuer.into(), subject.into()));
        let tickets = tickets.unwrap_or_default();
        for ticket in &tickets {
            pending.entries.remove(ticket);
        }
        tickets.len()
    }

    /// Uses a ticket up. Whether its principal was revoked meanwhile is not asked here.
    pub(crate) fn redeem(&self, ticket: &str) -> Result<Redeemed, Refusal> {
        let entry = self.pending().take(&sha256(ticket.as_bytes()));
        let now = self.0.clock.now();
        let entry = entry
            .filter(|entry| !entry.is_over(now))
            .ok_or(Refusal::UnknownToken)?;
        if entry.principal.expiry().is_some_and(|end| now >= end) {
            return Err(Refusal::TokenExpired);
        }
        Ok(Redeemed {
            principal: entry.principal,
            issued_at: entry.issued_at,
        })
    }

    fn pending(&self) -> MutexGuard<'_, PendingTickets> {
        self.0
            .pending
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn is_over(&self, now: UnixTime) -> bool {
        now >= self.issued_at.saturating_add(Tickets::LIFETIME)
    }

    fn subject(&self) -> Subject {
        let principal = &*self.principal;
        (principal.issuer().into(), principal.subject().into())
    }
}

impl PendingTickets {
    fn add(&mut self, ticket: Digest, entry: Entry) {
        let tickets = self.by_subject.entry(entry.subject()).or_default();
        if tickets.len() >= Tickets::MAX_PER_SUBJECT
            && let Some(oldest) = tickets.pop_front()
        {
            self.entries.remove(&oldest);
        }
        tickets.push_back(ticket);
        self.entries.insert(ticket, entry);
    }

    fn take(&mut self, ticket: &Digest) -> Option<Entry> {
        let entry = self.entries.remove(ticket)?;
        let subject = entry.subject();
        if let Some(tickets) = self.by_subject.get_mut(&subject) {
            tickets.retain(|known| known != ticket);
            if tickets.is_empty() {
                self.by_subject.remove(&subject);
            }
        }
        Some(entry)
    }

    /// Forgets what nobody redeemed in time, once in a lifetime of tickets, or once a second while there are too many.
    fn sweep(&mut self, now: UnixTime) {
        let pause = match self.entries.len() >= Tickets::MAX {
            true => 1,
            false => Tickets::LIFETIME.as_secs(),
        };
        // A clock that was set back must not put the sweep off.
        if now.as_secs().abs_diff(self.swept_at.as_secs()) < pause {
            return;
        }
        self.swept_at = now;
        let entries = &mut self.entries;
        entries.retain(|_, entry| !entry.is_over(now));
        self.by_subject.retain(|_, tickets| {
            tickets.retain(|ticket| entries.contains_key(ticket));
            !tickets.is_empty()
        });
    }
}

impl Default for Tickets {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tickets")
            .field("len", &self.pending().entries.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn tickets() -> (Tickets, Arc<AtomicU64>) {
        let seconds = Arc::new(AtomicU64::new(NOW));
        let read = Arc::clone(&seconds);
        let clock = WallClock::from_fn(move || UnixTime::from_secs(read.load(Ordering::Relaxed)));
        (Tickets::with_clock(clock), seconds)
    }

    fn user(subject: &str) -> Arc<Principal> {
        Principal::user("bookings", subject).into()
    }

    #[test]
    fn one_user_cannot_use_up_the_tickets_of_all() {
        let (tickets, _) = tickets();
        let mut issued = Vec::new();
        for _ in 0..100_001 {
            issued.push(tickets.issue(user("mallory")).unwrap());
        }
        assert_eq!(tickets.pending().entries.len(), 32);
        assert!(tickets.redeem(&issued[100_001 - 33]).is_err(), "too old");
        assert!(tickets.redeem(&issued[100_001 - 32]).is_ok());
        let alice = tickets.issue(user("alice")).unwrap();
        assert!(tickets.redeem(&alice).is_ok());
    }

    #[test]
    fn a_full_pile_empties_as_its_tickets_run_out() {
        let (tickets, seconds) = tickets();
        for number in 0..Tickets::MAX / 32 {
            for _ in 0..32 {
                tickets.issue(user(&format!("u-{number}"))).unwrap();
            }
        }
        assert!(tickets.issue(user("alice")).is_err());
        seconds.store(NOW + 29, Ordering::Relaxed);
        assert!(tickets.issue(user("alice")).is_err());
        seconds.store(NOW + 30, Ordering::Relaxed);
        assert!(tickets.issue(user("alice")).is_ok());
        let pending = tickets.pending();
        assert_eq!((pending.entries.len(), pending.by_subject.len()), (1, 1));
    }

    #[test]
    fn nothing_is_kept_of_a_ticket_that_was_redeemed() {
        let (tickets, _) = tickets();
        let ticket = tickets.issue(user("alice")).unwrap();
        assert!(tickets.redeem(&ticket).is_ok());
        assert!(tickets.redeem(&ticket).is_err(), "once");
        let pending = tickets.pending();
        assert!(pending.entries.is_empty() && pending.by_subject.is_empty());
    }

    #[test]
    fn every_ticket_of_a_subject_ends_in_one_call() {
        let (tickets, _) = tickets();
        let alice = [(); 2].map(|()| tickets.issue(user("alice")).unwrap());
        let bob = tickets.issue(user("bob")).unwrap();
        assert_eq!(tickets.revoke_subject("elsewhere", "alice"), 0);
        assert_eq!(tickets.revoke_subject("bookings", "alice"), 2);
        assert!(alice.iter().all(|ticket| tickets.redeem(ticket).is_err()));
        assert!(tickets.redeem(&bob).is_ok());
    }
}
