//! The decision about a request without an explicit credential: the browser may have sent a cookie.

use std::sync::Arc;

use http::Request;
use palisade_core::Principal;
use palisade_core::filter::Exchange;

use crate::decide::{Config, Decision, Presence};
use crate::outcome::Outcome;
use crate::session::cookie;
use crate::{Refusal, credential};

impl Config {
    /// Decides by a session, else by a token in a cookie, else as for nobody.
    pub(crate) fn decide_ambient<B>(
        &self,
        request: &Request<B>,
        exchange: &mut Exchange,
        origin: Result<(), Refusal>,
    ) -> Decision {
        let sessions = self.sessions.as_ref();
        match sessions.and_then(|sessions| sessions.check(request.headers())) {
            Some(Outcome::Now(found)) => {
                self.decide_after_session(request, exchange, origin, found)
            }
            Some(Outcome::Later(later)) => Decision::Session(later, origin),
            None => self.decide_without_session(request, exchange, origin, Refusal::NoCredential),
        }
    }

    /// Goes on once it is known whose session a request came with.
    pub(crate) fn decide_after_session<B>(
        &self,
        request: &Request<B>,
        exchange: &mut Exchange,
        origin: Result<(), Refusal>,
        found: Result<Arc<Principal>, Refusal>,
    ) -> Decision {
        match found {
            Ok(principal) => Decision::Now(self.admit(origin.map(|()| principal))),
            Err(refusal @ Refusal::SessionUnknown) => {
                self.decide_without_session(request, exchange, origin, refusal)
            }
            Err(refusal) => Decision::Now(Err(refusal)),
        }
    }

    fn decide_without_session<B>(
        &self,
        request: &Request<B>,
        exchange: &mut Exchange,
        origin: Result<(), Refusal>,
        refusal: Refusal,
    ) -> Decision {
        let refusal = match self.decide_token_cookie(request, exchange, origin) {
            Some(Decision::Now(Err(Refusal::TokenExpired))) => Refusal::SessionUnknown,
            Some(decision) => return decision,
            None => refusal,
        };
        match self.presence {
            Presence::Optional => Decision::Anonymous,
            Presence::Required => Decision::Now(Err(refusal)),
        }
    }

    /// The token that a browser sends by itself; nothing where it sends none.
    fn decide_token_cookie<B>(
        &self,
        request: &Request<B>,
        exchange: &mut Exchange,
        origin: Result<(), Refusal>,
    ) -> Option<Decision> {
        let found = cookie::find(request.headers(), self.token_cookie.as_deref()?);
        let token = match found.and_then(|found| found.map(credential::bare_token).transpose()) {
            Ok(token) => token?,
            Err(refusal) => return Some(Decision::Now(Err(refusal))),
        };
        Some(match origin {
            Ok(()) => self.decided(self.check_bearer(token, exchange, &self.possession(request))),
            Err(refusal) => Decision::Now(Err(refusal)),
        })
    }
}
