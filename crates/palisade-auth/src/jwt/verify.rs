//! Decides about one token. Pure: no clock, no store, no HTTP.

use std::sync::Arc;

use palisade_core::Principal;
use palisade_core::time::UnixTime;

use super::claims::Registered;
use super::confirmation::Confirmation;
use super::parse::{Compact, Header, decode};
use super::token_claims::TokenClaims;
use super::trusted::TrustedIssuer;
use crate::Refusal;

/// A token that holds, and what must be known of it to ask whether it was revoked.
#[derive(Debug)]
pub(crate) struct Verified {
    pub(crate) principal: Arc<Principal>,
    /// The place of its issuer in the list.
    pub(crate) issuer: usize,
    pub(crate) expires_at: UnixTime,
    pub(crate) issued_at: Option<UnixTime>,
    pub(crate) id: Option<Box<str>>,
    /// The identity in the token, where the principal may name somebody else: revocation goes by the token.
    pub(crate) named: Option<Box<Named>>,
    /// The key whose possession must be proved with every use.
    pub(crate) bound_to: Option<Box<Confirmation>>,
    /// The generation of the issuer's keys, read before they were used.
    pub(crate) generation: u64,
}

/// The identity and session that a token names.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) issuer: Box<str>,
    pub(crate) subject: Box<str>,
    pub(crate) session: Option<Box<str>>,
}

/// The reason for which a token does not hold, and whether its issuer's keys could be looked at again.
pub(crate) struct Failure {
    pub(crate) refusal: Refusal,
    /// The issuer whose key was not found or may be another by now, and the key.
    #[cfg_attr(
        not(feature = "jwks"),
        expect(dead_code, reason = "only fetched keys can be looked at again")
    )]
    pub(crate) missing_key: Option<(usize, Option<Box<str>>)>,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            missing_key: None,
        }
    }
}

/// Verifies one token at one time.
pub(crate) fn verify(
    token: &[u8],
    issuers: &[TrustedIssuer],
    now: UnixTime,
) -> Result<Verified, Failure> {
    let compact = Compact::split(token)?;
    let header = decode(compact.header)?;
    let header = Header::parse(&header)?;
    if header.alg.is_none() {
        return Err(Refusal::AlgorithmNotAllowed.into());
    }
    let payload = decode(compact.payload)?;
    let claims = Registered::parse(&payload)?;
    let name = claims.iss.as_ref().ok_or(Refusal::UnknownIssuer)?;
    let mut known = issuers
        .iter()
        .enumerate()
        .filter_map(|(position, issuer)| Some((position, issuer.is_named(&name.0)?)));
    let (position, tenant) = known.next().ok_or(Refusal::UnknownIssuer)?;
    let issuer = &issuers[position];
    if !issuer.accepts_use(&header, &claims) {
        return Err(Refusal::WrongType.into());
    }
    if claims.cnf.is_none() && issuer.bound {
        return Err(Refusal::SenderConstrained.into());
    }

    let generation = issuer.keys.generation();
    let signature = decode(compact.signature)?;
    issuer
        .verify(&header, compact.signing_input, &signature)
        .map_err(|refusal| {
            let by_key = matches!(
                refusal,
                Refusal::UnknownKey | Refusal::BadSignature | Refusal::StoreUnavailable
            );
            let kid = || header.kid.as_ref().map(|kid| kid.0.as_ref().into());
            Failure {
                refusal,
                missing_key: (by_key && !issuer.is_settled()).then(|| (position, kid())),
            }
        })?;

    let (expires_at, subject) = issuer.rules.check(&claims, now)?;
    let principal = issuer.principal(&claims, &name.0, subject, expires_at);
    let principal = match tenant {
        Some(tenant) => principal.tenant(tenant),
        None => principal,
    };
    let issued_at = claims.iat.map(|iat| UnixTime::from_secs(iat.floor()));
    let id = claims.jti.as_ref().map(|jti| (*jti.0).into());
    let named = issuer.adapt.as_ref().map(|_| {
        Box::new(Named {
            issuer: (*name.0).into(),
            subject: subject.into(),
            session: claims.sid.as_ref().map(|sid| (*sid.0).into()),
        })
    });
    let bound_to = claims.cnf.clone().map(Box::new);
    let raw = TokenClaims::new(payload);
    let principal = match &issuer.adapt {
        Some(adapt) => ending_by(adapt(principal, &raw), expires_at),
        None => principal,
    };
    Ok(Verified {
        principal: Arc::new(principal.claims(raw)),
        issuer: position,
        expires_at,
        issued_at,
        id,
        named,
        bound_to,
        generation,
    })
}

/// The principal, which lasts no longer than its token.
fn ending_by(principal: Principal, expires_at: UnixTime) -> Principal {
    match principal.expiry() {
        Some(expiry) if expiry <= expires_at => principal,
        _ => principal.expires_at(expires_at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_ends_with_its_token_at_the_latest() {
        let token = UnixTime::from_secs(1_000);
        let ends = |own: Option<u64>| {
            let principal = Principal::user("iss", "a");
            let principal = match own {
                Some(own) => principal.expires_at(UnixTime::from_secs(own)),
                None => principal,
            };
            ending_by(principal, token).expiry().map(UnixTime::as_secs)
        };
        assert_eq!(ends(None), Some(1_000));
        assert_eq!(ends(Some(999)), Some(999));
        assert_eq!(ends(Some(1_000)), Some(1_000));
        assert_eq!(ends(Some(1_001)), Some(1_000));
    }
}
