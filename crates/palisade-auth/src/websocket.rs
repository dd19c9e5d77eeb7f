//! Credentials of WebSockets, for which a browser can set no header of its own.
//!
//! - A token may stand among the offered subprotocols as `bearer.<token>`, beside one that is no secret. It is taken
//!   out before the inner service sees the request, so only the other one can be echoed.
//! - A one-use ticket of 30 seconds may stand in the query as `ticket`; see [`Tickets`].
//! - With a session's cookie the `Origin` must be this host, or one that was allowed: browsers let any site open a
//!   WebSocket to any other, with its cookies.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use palisade_core::time::{UnixTime, WallClock};
use palisade_core::{Principal, random};

use crate::credential::is_token68;
use crate::jwt::keys::{Digest, sha256};
use crate::jwt::parse::encode;
use crate::{AuthError, Refusal};

/// The code with which to close a WebSocket whose principal may no longer act (RFC 6455, section 7.4.2: private use).
pub const CLOSE_UNAUTHENTICATED: u16 = 4001;

const PREFIX: &str = "bearer.";

/// Whether the request opens a WebSocket, over HTTP/1.1 or by extended CONNECT (RFC 8441).
#[inline]
pub(crate) fn is_opening(headers: &HeaderMap) -> bool {
    headers.contains_key(header::SEC_WEBSOCKET_VERSION)
}

/// Takes the token out of the offered subprotocols.
pub(crate) fn take_token(headers: &mut HeaderMap) -> Result<Option<Box<[u8]>>, Refusal> {
    const NAME: HeaderName = header::SEC_WEBSOCKET_PROTOCOL;
    let mut token = None;
    let mut others: Vec<&str> = Vec::new();
    for value in headers.get_all(NAME) {
        let text = value.to_str().map_err(|_| Refusal::MalformedCredential)?;
        for protocol in text.split(',').map(str::trim) {
            let Some(found) = protocol.strip_prefix(PREFIX) else {
                others.push(protocol);
                continue;
            };
            if !is_token68(found.as_bytes()) {
                return Err(Refusal::MalformedCredential);
            }
            if token.replace(found.as_bytes().into()).is_some() {
                return Err(Refusal::SeveralCredentials);
            }
        }
    }
    if token.is_some() {
        let others = HeaderValue::try_from(others.join(", ")).ok();
        headers.remove(NAME);
        if let Some(others) = others.filter(|others| !others.is_empty()) {
            headers.insert(NAME, others);
        }
    }
    Ok(token)
}

/// Whether a page of this origin may open a WebSocket with the user's cookie.
pub(crate) fn origin_allowed(headers: &HeaderMap, allowed: &[Box<str>]) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let (Some(origin), None) = (
        origins.next().and_then(|value| value.to_str().ok()),
        origins.next(),
    ) else {
        return false;
    };
    let host = headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok());
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    let same =
        matches!((authority, host), (Some(own), Some(host)) if own.eq_ignore_ascii_case(host));
    same || allowed
        .iter()
        .any(|known| known.eq_ignore_ascii_case(origin))
}

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

/// The ticket in the query.
pub(crate) fn ticket(uri: &Uri) -> Option<&str> {
    let mut pairs = uri
        .query()?
        .split('&')
        .filter_map(|pair| pair.split_once('='));
    pairs
        .find(|(name, _)| *name == "ticket")
        .map(|(_, ticket)| ticket)
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

#[cfg(feature = "websocket")]
mod ended {
    use super::Duration;
    use crate::jwt::{JwtVerifier, TokenClaims};
    use crate::revocation::{Standing, TokenRef};
    use palisade_core::time::UnixTime;
    use palisade_core::{Principal, time};
    use serde::Deserialize;

    /// How often revocation is asked about an open connection.
    const PAUSE: Duration = Duration::from_secs(1);
    /// For how long the store may be away before the connection ends.
    const PATIENCE: Duration = Duration::from_secs(30);

    /// Why a principal may no longer act.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    #[non_exhaustive]
    pub enum Ended {
        /// Its credential has expired.
        Expired,
        /// Its credential was revoked.
        Revoked,
        /// The store of revocations could not be asked for 30 seconds.
        Unknown,
    }

    #[derive(Deserialize, Default)]
    struct Own {
        jti: Option<String>,
        iat: Option<f64>,
    }

    impl JwtVerifier {
        /// Resolves when the token that proved this principal expires or is revoked: close the WebSocket then, with
        /// [`CLOSE_UNAUTHENTICATED`](super::CLOSE_UNAUTHENTICATED).
        ///
        /// Revocation is asked once a second. A principal without an expiry never ends by itself.
        ///
        /// # Cancel safety
        ///
        /// Dropping it leaves nothing behind.
        pub async fn ended(&self, principal: &Principal) -> Ended {
            let own: Own = principal
                .claims_as::<TokenClaims>()
                .and_then(|claims| claims.parse().ok())
                .unwrap_or_default();
            let mut known = time::now();
            loop {
                let now = self.now();
                if principal.expiry().is_some_and(|expiry| now >= expiry) {
                    return Ended::Expired;
                }
                let token = TokenRef {
                    issuer: principal.issuer(),
                    subject: principal.subject(),
                    id: own.jti.as_deref(),
                    session: principal.session_id(),
                    issued_at: own.iat.map(|iat| UnixTime::from_secs(iat as u64)),
                    expires_at: principal.expiry().unwrap_or_default(),
                };
                match self.standing(&token).await {
                    Standing::Good => known = time::now(),
                    Standing::Revoked => return Ended::Revoked,
                    Standing::Unknown if known.elapsed() >= PATIENCE => return Ended::Unknown,
                    Standing::Unknown => {}
                }
                let left = principal
                    .expiry()
                    .map(|expiry| expiry.saturating_since(now));
                tokio::time::sleep(left.map_or(PAUSE, |left| left.min(PAUSE))).await;
            }
        }
    }
}

#[cfg(feature = "websocket")]
pub use ended::Ended;

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(values: &[&str]) -> (Result<Option<String>, Refusal>, Vec<String>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::SEC_WEBSOCKET_PROTOCOL, value.parse().unwrap());
        }
        let token = take_token(&mut headers);
        let token = token.map(|token| token.map(|token| String::from_utf8(token.into()).unwrap()));
        let left = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
        (
            token,
            left.map(|value| value.to_str().unwrap().to_owned())
                .collect(),
        )
    }

    #[test]
    fn the_token_is_taken_out_and_the_other_protocols_stay() {
        let found = |token: &str, left: &[&str]| {
            let left = left.iter().map(|text| (*text).to_owned()).collect();
            (Ok(Some(token.to_owned())), left)
        };
        assert_eq!(taken(&["chat, bearer.a.b.c"]), found("a.b.c", &["chat"]));
        assert_eq!(
            taken(&["bearer.a.b.c,chat,v2"]),
            found("a.b.c", &["chat, v2"])
        );
        assert_eq!(taken(&["chat", "bearer.a.b.c"]), found("a.b.c", &["chat"]));
        assert_eq!(taken(&["bearer.a.b.c"]), found("a.b.c", &[]));
        assert_eq!(
            taken(&["chat, v2"]),
            (Ok(None), vec!["chat, v2".to_owned()])
        );
    }

    #[test]
    fn two_tokens_or_a_malformed_one_are_refused() {
        assert_eq!(
            taken(&["bearer.a, bearer.b"]).0,
            Err(Refusal::SeveralCredentials)
        );
        assert_eq!(
            taken(&["bearer.a", "bearer.a"]).0,
            Err(Refusal::SeveralCredentials)
        );
        assert_eq!(taken(&["bearer."]).0, Err(Refusal::MalformedCredential));
        assert_eq!(taken(&["bearer.a b"]).0, Err(Refusal::MalformedCredential));
    }

    #[test]
    fn only_this_host_and_allowed_origins_may_use_cookies() {
        let asked = |origin: &[&str], host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            for origin in origin {
                headers.append(header::ORIGIN, origin.parse().unwrap());
            }
            origin_allowed(&headers, &["https://app.example".into()])
        };
        assert!(asked(&["https://api.example"], "api.example"));
        assert!(asked(&["https://app.example"], "api.example"));
        for bad in [
            "https://evil.example",
            "null",
            "",
            "https://api.example.evil.example",
            "https://app.example:444",
            "https://api.example@evil.example",
        ] {
            assert!(!asked(&[bad], "api.example"), "{bad}");
        }
        assert!(!asked(&[], "api.example"));
        assert!(!asked(
            &["https://app.example", "https://evil.example"],
            "api.example"
        ));
    }
}
