//! The answer about a token (RFC 7662, section 2.2). Pure: handed the time.

use std::sync::Arc;

use palisade_core::Principal;
use palisade_core::time::UnixTime;
use serde::Deserialize;

use crate::Refusal;
use crate::jwt::claims::Registered;
use crate::jwt::confirmation::Confirmation;
use crate::jwt::token_claims::TokenClaims;
use crate::jwt::trusted::TrustedIssuer;

/// The principal of a token, and the key that its holder must have (RFC 9449, section 6.2; RFC 8705, section 3.2).
#[derive(Clone)]
pub(super) struct KnownToken {
    pub(super) principal: Arc<Principal>,
    pub(super) bound_to: Option<Confirmation>,
}

#[derive(Deserialize)]
struct Introspected {
    active: bool,
    #[serde(default)]
    token_type: Option<String>,
}

/// Reads the principal from an answer; [`Refusal::StoreUnavailable`] for what is no answer.
pub(super) fn read(
    json: &[u8],
    issuer: &TrustedIssuer,
    now: UnixTime,
) -> Result<KnownToken, Refusal> {
    let answer: Introspected =
        serde_json::from_slice(json).map_err(|_| Refusal::StoreUnavailable)?;
    if !answer.active {
        return Err(Refusal::UnknownToken);
    }
    let claims = Registered::parse(json)?;
    let name = &*issuer.name;
    if claims.iss.as_ref().is_some_and(|named| *named.0 != *name) {
        return Err(Refusal::UnknownIssuer);
    }
    if claims.says_other_use() {
        return Err(Refusal::WrongType);
    }
    let is_dpop = |kind: &String| kind.eq_ignore_ascii_case("DPoP");
    let must_be_bound = issuer.bound || answer.token_type.as_ref().is_some_and(is_dpop);
    if must_be_bound && claims.cnf.is_none() {
        return Err(Refusal::SenderConstrained);
    }
    let (expires_at, subject) = issuer.rules.check(&claims, now)?;
    let principal = issuer.principal(&claims, name, subject, expires_at);
    let raw = TokenClaims::new(json.to_vec());
    let principal = match &issuer.adapt {
        Some(adapt) => adapt(principal, &raw),
        None => principal,
    };
    let ends_at = principal
        .expiry()
        .map_or(expires_at, |end| end.min(expires_at));
    Ok(KnownToken {
        principal: Arc::new(principal.expires_at(ends_at).claims(raw)),
        bound_to: claims.cnf,
    })
}
