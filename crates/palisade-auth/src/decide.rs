//! The decision about a request: which of its credentials counts, and whether that one holds.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, Request, header};
use palisade_core::filter::Exchange;
use palisade_core::{PathSet, Principal, sent_path};

use crate::challenge::Challenges;
use crate::counters::Counters;
use crate::credential::{self, Credential, Places};
use crate::digest::sha256;
use crate::dpop;
use crate::jwt::confirmation::Possession;
use crate::jwt::own::OwnClaims;
use crate::outcome::{Later, Outcome};
use crate::service_token::ServiceTokens;
use crate::session::cookie;
use crate::websocket::{self, Redeemed, Tickets};
use crate::{AccountStatus, ApiKeyInfo, ApiKeys, Dpop, JwtVerifier, Refusal, SessionStore};

pub(crate) type Status = Arc<dyn Fn(&Principal) -> AccountStatus + Send + Sync>;

/// The configuration of a layer, shared by all its clones.
#[derive(Clone)]
pub(crate) struct Config {
    pub(crate) bearer: Option<JwtVerifier>,
    #[cfg(feature = "introspection")]
    pub(crate) introspection: Option<crate::Introspection>,
    pub(crate) services: ServiceTokens,
    pub(crate) api_keys: Option<ApiKeys>,
    pub(crate) sessions: Option<SessionStore>,
    pub(crate) tickets: Option<Tickets>,
    pub(crate) dpop: Option<Dpop>,
    /// Whether the certificates of clients count.
    pub(crate) mutual_tls: bool,
    pub(crate) token_header: Option<HeaderName>,
    pub(crate) token_cookie: Option<Box<str>>,
    /// Whether what proved a principal is taken out of its request.
    pub(crate) stripped: bool,
    pub(crate) origins: Vec<Box<str>>,
    pub(crate) presence: Presence,
    pub(crate) skip: PathSet,
    pub(crate) status: Option<Status>,
    pub(crate) challenges: Challenges,
    pub(crate) counters: Arc<Counters>,
}

/// Whether a request must present a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Required,
    Optional,
}

/// The decision about a request.
pub(crate) enum Decision {
    /// It passes without a principal.
    Anonymous,
    Now(Result<Arc<Principal>, Refusal>),
    Later(Later),
    /// A session is looked up. Where there is none, the request may pass all the same; the other part says whether its
    /// origin lets a cookie count.
    Session(Later, Result<(), Refusal>),
}

impl Config {
    #[inline]
    pub(crate) fn decide<B>(&self, exchange: &mut Exchange, request: &mut Request<B>) -> Decision {
        if self
            .skip
            .contains(sent_path(request.extensions(), request.uri()))
        {
            return Decision::Anonymous;
        }
        if websocket::is_opening(request.headers()) {
            return self.decide_opening(exchange, request);
        }
        match credential::find(request.headers(), request.uri(), self.places()) {
            Err(refusal) => Decision::Now(Err(refusal)),
            Ok(Credential::Bearer(token)) => {
                self.decided(self.check_bearer(token, exchange, &self.possession(request)))
            }
            Ok(Credential::Dpop(token)) => self.decided(self.check_dpop(token, exchange, request)),
            Ok(Credential::ApiKey(key)) => match &self.api_keys {
                Some(keys) => self.decided(keys.check(key)),
                None => Decision::Now(Err(Refusal::KeyUnknown)),
            },
            Ok(Credential::None) => self.decide_ambient(request, exchange, Ok(())),
        }
    }

    const fn places(&self) -> Places<'_> {
        Places {
            api_key: self.api_keys.is_some(),
            dpop: self.dpop.is_some(),
            token: self.token_header.as_ref(),
        }
    }

    /// Takes what may have proved the principal out of the request.
    #[cold]
    pub(crate) fn strip(&self, headers: &mut HeaderMap) {
        headers.remove(header::AUTHORIZATION);
        headers.remove(credential::API_KEY);
        headers.remove(dpop::PROOF);
        if let Some(name) = &self.token_header {
            headers.remove(name);
        }
        let session = self.sessions.as_ref().map(SessionStore::cookie_name);
        for name in self.token_cookie.as_deref().into_iter().chain(session) {
            cookie::remove(headers, name);
        }
    }

    /// A WebSocket has more places for a credential, none of which the inner service may see.
    #[cold]
    fn decide_opening<B>(&self, exchange: &mut Exchange, request: &mut Request<B>) -> Decision {
        let offered = match websocket::take_token(request.headers_mut()) {
            Ok(offered) => offered,
            Err(refusal) => return Decision::Now(Err(refusal)),
        };
        let presented = match credential::find(request.headers(), request.uri(), self.places()) {
            Ok(presented) => presented,
            Err(refusal) => return Decision::Now(Err(refusal)),
        };
        let tickets = self
            .tickets
            .as_ref()
            .filter(|_| websocket::redeems(request));
        let ticket = tickets.and_then(|tickets| Some((tickets, websocket::ticket(request.uri())?)));
        match (presented, offered, ticket) {
            (Credential::Bearer(token), None, None) => {
                self.decided(self.check_bearer(token, exchange, &self.possession(request)))
            }
            (Credential::Dpop(token), None, None) => {
                self.decided(self.check_dpop(token, exchange, request))
            }
            (Credential::ApiKey(key), None, None) => match &self.api_keys {
                Some(keys) => self.decided(keys.check(key)),
                None => Decision::Now(Err(Refusal::KeyUnknown)),
            },
            (Credential::None, Some(token), None) => {
                self.decided(self.check_bearer(&token, exchange, &self.possession(request)))
            }
            (Credential::None, None, Some((tickets, ticket))) => {
                self.decided(self.check_ticket(tickets.redeem(ticket)))
            }
            (Credential::None, None, None) => {
                let origin = match websocket::origin_allowed(request, &self.origins) {
                    true => Ok(()),
                    false => Err(Refusal::OriginNotAllowed),
                };
                self.decide_ambient(request, exchange, origin)
            }
            _ => Decision::Now(Err(Refusal::SeveralCredentials)),
        }
    }

    /// Checks that the proof of a ticket's principal still holds.
    fn check_ticket(&self, redeemed: Result<Redeemed, Refusal>) -> Outcome {
        let Redeemed {
            principal,
            issued_at,
        } = match redeemed {
            Ok(redeemed) => redeemed,
            Err(refusal) => return Outcome::Now(Err(refusal)),
        };
        if let (Some(keys), Some(key)) = (&self.api_keys, principal.claims_as::<ApiKeyInfo>()) {
            let id = key.id.clone();
            return keys.check_again(&id, principal);
        }
        let verifier = self.bearer.clone();
        let check_token = move |principal| match &verifier {
            Some(verifier) => verifier.check_again(principal, issued_at),
            None => Outcome::Now(Ok(principal)),
        };
        match (&self.sessions, principal.session_id()) {
            (Some(sessions), Some(session))
                if OwnClaims::of(&principal).session() != Some(session) =>
            {
                let session = session.to_owned();
                sessions.check_again(&session, principal).then(check_token)
            }
            _ => check_token(principal),
        }
    }

    pub(crate) fn check_bearer(
        &self,
        token: &[u8],
        exchange: &mut Exchange,
        shown: &Possession,
    ) -> Outcome {
        if token.len() > crate::jwt::parse::MAX_TOKEN_LEN {
            return Outcome::Now(Err(Refusal::TokenTooLong));
        }
        let verifier = self.bearer.as_ref();
        let known = verifier.and_then(|verifier| {
            let now = exchange.unix_now(verifier.clock());
            verifier.check_known(token, now, shown)
        });
        if let Some(outcome) = known {
            return outcome;
        }
        if shown.key.is_none()
            && !self.services.is_empty()
            && let Some(service) = self.services.find(&sha256(token))
        {
            return Outcome::Now(Ok(Arc::clone(service)));
        }
        #[cfg(feature = "introspection")]
        if let Some(introspection) = &self.introspection
            && (verifier.is_none() || !crate::jwt::parse::is_compact(token))
        {
            let verifier = self.bearer.clone();
            return introspection
                .check(token, shown)
                .then(move |principal| match verifier {
                    Some(verifier) => {
                        let issued_at = OwnClaims::of(&principal).issued_at();
                        verifier.check_again(principal, issued_at.unwrap_or_default())
                    }
                    None => Outcome::Now(Ok(principal)),
                });
        }
        match verifier {
            Some(verifier) => {
                verifier.check_unknown(token, exchange.unix_now(verifier.clock()), shown)
            }
            None => Outcome::Now(Err(Refusal::UnknownToken)),
        }
    }

    pub(crate) fn decided(&self, outcome: Outcome) -> Decision {
        match outcome {
            Outcome::Now(result) => Decision::Now(self.admit(result)),
            Outcome::Later(later) => Decision::Later(later),
        }
    }

    /// The last word, after the credential has been proved.
    #[inline]
    pub(crate) fn admit(
        &self,
        result: Result<Arc<Principal>, Refusal>,
    ) -> Result<Arc<Principal>, Refusal> {
        let principal = result?;
        match self.status.as_ref().map(|status| status(&principal)) {
            None | Some(AccountStatus::Active) => Ok(principal),
            Some(AccountStatus::Disabled) => Err(Refusal::AccountDisabled),
            Some(AccountStatus::Unknown) => Err(Refusal::StoreUnavailable),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("bearer", &self.bearer)
            .field("presence", &self.presence)
            .field("skip", &self.skip)
            .finish_non_exhaustive()
    }
}
