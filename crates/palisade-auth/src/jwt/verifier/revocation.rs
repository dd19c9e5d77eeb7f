use std::sync::Arc;

use palisade_core::Principal;
use palisade_core::time::UnixTime;

use super::JwtVerifier;
use crate::jwt::own::OwnClaims;
use crate::outcome::Outcome;
use crate::revocation::Answer;

impl JwtVerifier {
    /// Whether a principal that was proved before, at `known_at` if by no token, has not been revoked since.
    pub(crate) fn check_again(&self, principal: Arc<Principal>, known_at: UnixTime) -> Outcome {
        let Some(revocation) = &self.0.revocation else {
            return Outcome::Now(Ok(principal));
        };
        let own = OwnClaims::of(&principal);
        let answer = revocation.check(&own.token_ref(&principal, Some(known_at)));
        let outage = self.0.outage;
        match answer {
            Answer::Now(status) => Outcome::Now(outage.judge(&principal, status)),
            Answer::Later(later) => Outcome::Later(Box::pin(async move {
                let status = later.await;
                outage.judge(&principal, status)
            })),
        }
    }
}
