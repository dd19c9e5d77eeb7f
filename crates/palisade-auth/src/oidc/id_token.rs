//! The checks of an ID token that the verifier of tokens does not make (OpenID Connect Core 1.0, section 3.1.3.7). Pure.

use std::time::Duration;

use jsonwebtoken::Algorithm;
use palisade_core::time::UnixTime;
use ring::digest::{SHA256, SHA384, SHA512, digest};
use serde::Deserialize;
use serde_json::Value;

use super::OidcError;
use crate::Issuer;
use crate::digest::{same_digest, sha256};
use crate::jwt::parse::{Compact, Header, decode, encode};

/// The time before the beginning of the sign-in at which an ID token may be made, by clocks that differ: one of an earlier sign-in has
/// another nonce anyhow.
const EARLIER: Duration = Duration::from_secs(5 * 60);

/// The claims that decide; issuer, times and the audience's own name have been checked before.
#[derive(Deserialize)]
pub(super) struct IdClaims {
    pub(super) sub: String,
    aud: OneOrMany,
    azp: Option<String>,
    nonce: Option<String>,
    iat: f64,
    auth_time: Option<f64>,
    at_hash: Option<String>,
    pub(super) sid: Option<String>,
    pub(super) email: Option<String>,
    pub(super) email_verified: Option<Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn iter(&self) -> impl Iterator<Item = &str> {
        let all = match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        };
        all.iter().map(String::as_str)
    }
}

/// A claim, and the texts that it may be.
pub(super) type RequiredClaim = (Box<str>, Vec<Box<str>>);

/// Whether claims have all that are required.
pub(super) fn are_admitted(claims: &Value, required: &[RequiredClaim]) -> bool {
    required.iter().all(|(name, values)| {
        let given = claims.get(&**name).and_then(Value::as_str);
        given.is_some_and(|given| values.iter().any(|value| **value == *given))
    })
}

/// The demands on an ID token.
pub(super) struct Expected<'a> {
    pub(super) client: &'a str,
    pub(super) trusted: &'a [Box<str>],
    /// Nothing for one that comes with a refresh, which has none (section 12.2).
    pub(super) nonce: Option<&'a str>,
    pub(super) access_token: &'a str,
    pub(super) max_age: Option<Duration>,
    pub(super) asked_at: Option<UnixTime>,
}

pub(super) fn check(
    claims: &IdClaims,
    token: &str,
    expected: &Expected<'_>,
    now: UnixTime,
) -> Result<(), OidcError> {
    let is_trusted = |name: &str| {
        name == expected.client || expected.trusted.iter().any(|known| **known == *name)
    };
    let several = claims.aud.iter().count() > 1;
    let party_fits = match &claims.azp {
        Some(party) => party == expected.client,
        None => !several,
    };
    if !party_fits || !claims.aud.iter().all(is_trusted) {
        return Err(OidcError::WrongParty);
    }
    if let Some(nonce) = expected.nonce {
        let digest = |text: &str| sha256(text.as_bytes());
        let given = claims.nonce.as_deref().ok_or(OidcError::WrongNonce)?;
        if !same_digest(&digest(given), &digest(nonce)) {
            return Err(OidcError::WrongNonce);
        }
    }
    if let Some(hash) = &claims.at_hash
        && half_hash(token, expected.access_token).as_deref() != Some(hash)
    {
        return Err(OidcError::WrongAccessToken);
    }
    let made_at = UnixTime::from_secs(claims.iat as u64);
    if expected
        .asked_at
        .is_some_and(|asked_at| made_at.saturating_add(EARLIER) < asked_at)
    {
        return Err(OidcError::TooOld);
    }
    if let Some(max_age) = expected.max_age {
        let signed_in_at = claims.auth_time.ok_or(OidcError::TooOld)?;
        let latest = UnixTime::from_secs(signed_in_at as u64).saturating_add(max_age);
        if latest.saturating_add(Issuer::MAX_LEEWAY) < now {
            return Err(OidcError::TooOld);
        }
    }
    Ok(())
}

/// The left half of a token's hash, by the algorithm of the ID token (section 3.1.3.6).
fn half_hash(id_token: &str, access_token: &str) -> Option<String> {
    let compact = Compact::split(id_token.as_bytes()).ok()?;
    let header = decode(compact.header).ok()?;
    let hash = match Header::parse(&header).ok()?.alg? {
        Algorithm::RS256 | Algorithm::PS256 | Algorithm::ES256 | Algorithm::HS256 => &SHA256,
        Algorithm::RS384 | Algorithm::PS384 | Algorithm::ES384 | Algorithm::HS384 => &SHA384,
        Algorithm::RS512 | Algorithm::PS512 | Algorithm::HS512 | Algorithm::EdDSA => &SHA512,
        _ => return None,
    };
    let digest = digest(hash, access_token.as_bytes());
    let bytes = digest.as_ref();
    bytes.get(..bytes.len() / 2).map(encode)
}
