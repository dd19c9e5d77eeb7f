//! An API key as Redis keeps it: what is settled for its whole life, and the digests of its live secrets, each under a MAC.

use palisade_core::time::UnixTime;
use serde::{Deserialize, Serialize};

use crate::api_key::record::{ApiKeyOwner, ApiKeyRecord};
use crate::digest::{Digest, sha256};
use crate::jwt::parse::{decode, encode};
use crate::kept::Kept;
use crate::seal::{open, seal};
use crate::{ApiKeyInfo, AuthError, HmacKeys};

const OWNER: &str = "api key";
const SECRET: &str = "api key secret";

#[derive(Serialize, Deserialize)]
struct KeptOwner {
    /// With the issuer of the owner, and not that of API keys.
    principal: Kept,
    expires_at: Option<u64>,
    requests_per_minute: Option<u32>,
}

/// Seals the owner of a key.
pub(super) fn sealed_owner(keys: &HmacKeys, record: &ApiKeyRecord) -> Result<String, AuthError> {
    let info = record.principal.claims_as::<ApiKeyInfo>();
    let kept = KeptOwner {
        principal: Kept::without_claims(&record.principal, &record.owner_issuer),
        expires_at: record.expires_at.map(UnixTime::as_secs),
        requests_per_minute: info.and_then(|info| info.requests_per_minute),
    };
    let json = serde_json::to_string(&kept)
        .map_err(|_| AuthError::Issue("the principal cannot be written"))?;
    Ok(seal(keys, OWNER, &sha256(record.id.as_bytes()), &json))
}

/// Seals the digest of a secret.
pub(super) fn sealed_digest(keys: &HmacKeys, id: &str, digest: &Digest) -> String {
    seal(keys, SECRET, &sha256(id.as_bytes()), &encode(digest))
}

/// The record, of what was kept for this key and no other by somebody with ours. A secret that was tampered with is none.
pub(super) fn opened(
    keys: &HmacKeys,
    id: &str,
    owner: &str,
    secrets: impl Iterator<Item = impl AsRef<str>>,
) -> Option<ApiKeyRecord> {
    let name = sha256(id.as_bytes());
    let kept: KeptOwner = serde_json::from_str(open(keys, OWNER, &name, owner)?).ok()?;
    let digests = secrets.filter_map(|secret| {
        let digest = open(keys, SECRET, &name, secret.as_ref())?;
        decode(digest.as_bytes()).ok()?.try_into().ok()
    });
    let mut owner = ApiKeyOwner::new(kept.principal.principal());
    if let Some(seconds) = kept.expires_at {
        owner = owner.expires_at(UnixTime::from_secs(seconds));
    }
    if let Some(requests) = kept.requests_per_minute {
        owner = owner.requests_per_minute(requests);
    }
    Some(ApiKeyRecord::stored(id, digests, &owner))
}
