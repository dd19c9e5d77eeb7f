use std::collections::HashMap;
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
    entries: Mutex<HashMap<Digest, (Arc<Principal>, UnixTime)>>,
}

impl Tickets {
    /// 30 seconds: the page opens the WebSocket right after it got the ticket.
    pub const LIFETIME: Duration = Duration::from_secs(30);
    /// How many tickets there may be at once.
    const MAX: usize = 100_000;

    /// No tickets yet.
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(WallClock::system())
    }

    /// The same, on a clock that a test controls.
    #[must_use]
    pub fn with_clock(clock: WallClock) -> Self {
        let entries = Mutex::default();
        Self(Arc::new(Inner { clock, entries }))
    }

    /// A ticket for this principal, of the characters that a query may have as they are.
    ///
    /// # Errors
    ///
    /// Fails when the operating system gives no random bytes, or when there are too many tickets.
    pub fn issue(&self, principal: Arc<Principal>) -> Result<String, AuthError> {
        let ticket = encode(random::bytes::<24>()?);
        let now = self.0.clock.now();
        let mut entries = self.entries();
        if entries.len().is_multiple_of(1_024) {
            entries.retain(|_, (_, until)| now < *until);
        }
        if entries.len() >= Self::MAX {
            return Err(AuthError::Issue("there are too many tickets"));
        }
        let until = now.saturating_add(Self::LIFETIME);
        entries.insert(sha256(ticket.as_bytes()), (principal, until));
        Ok(ticket)
    }

    pub(crate) fn redeem(&self, ticket: &str) -> Result<Arc<Principal>, Refusal> {
        let entry = self.entries().remove(&sha256(ticket.as_bytes()));
        match entry {
            Some((principal, until)) if self.0.clock.now() < until => Ok(principal),
            _ => Err(Refusal::UnknownToken),
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Digest, (Arc<Principal>, UnixTime)>> {
        self.0
            .entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
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
            .field("len", &self.entries().len())
            .finish()
    }
}
