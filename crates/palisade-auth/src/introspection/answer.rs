//! The answer about a token (RFC 7662, section 2.2). Pure: handed the time.

use palisade_core::Principal;
use palisade_core::time::UnixTime;
use serde::Deserialize;

use crate::Refusal;
use crate::jwt::claims::Registered;
use crate::jwt::token_claims::TokenClaims;
use crate::jwt::trusted::TrustedIssuer;

#[derive(Deserialize)]
struct Standing {
    active: bool,
    #[serde(default)]
    token_type: Option<String>,
}

/// Whose token it is. [`Refusal::StoreUnavailable`] for what is no answer.
pub(super) fn read(
    json: &[u8],
    issuer: &TrustedIssuer,
    now: UnixTime,
) -> Result<Principal, Refusal> {
    let standing: Standing = serde_json::from_slice(json).map_err(|_| Refusal::StoreUnavailable)?;
    if !standing.active {
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
    if claims.is_bound() || standing.token_type.as_ref().is_some_and(is_dpop) {
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
    Ok(principal.expires_at(ends_at).claims(raw))
}
