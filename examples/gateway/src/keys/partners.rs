//! API keys of partners, as the secret `API_KEYS` lists them.

use std::collections::HashMap;
use std::fmt::Write;
use std::future::ready;
use std::sync::{Arc, PoisonError, RwLock};

use palisade::Principal;
use palisade::auth::{ApiKeyOwner, ApiKeyRecord, ApiKeys, AuthError, MemoryApiKeys};
use palisade_core::time::UnixTime;
use serde::{Deserialize, Serialize};

/// The prefix of all keys of the gateway.
pub(super) const PREFIX: &str = "gw";

/// The keys by their ids. Clones see the same, also after [`replace`](Self::replace).
#[derive(Clone)]
pub(super) struct Partners(Arc<RwLock<HashMap<Box<str>, ApiKeyRecord>>>);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listing {
    keys: Vec<Entry>,
}

/// One key: no secret, but for who could guess 190 random bits.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    /// In hex, of the current secret and of the one before, if that still works.
    sha256: Vec<String>,
    service: String,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    roles: Vec<String>,
    /// Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
}

impl Partners {
    /// Reads `{"keys": [...]}`.
    ///
    /// # Errors
    ///
    /// Says where it is not that, and repeats nothing of it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(Arc::new(RwLock::new(records(text)?))))
    }

    /// Takes over another listing. One that is not good leaves the keys as they are.
    pub(super) fn replace(&self, text: &str) -> Result<(), String> {
        let records = records(text)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = records;
        Ok(())
    }

    /// The source of the keys, with one more that no listing can take away.
    pub(super) fn source(&self, own: Option<ApiKeyRecord>) -> Result<ApiKeys, AuthError> {
        let partners = self.clone();
        ApiKeys::loader(PREFIX, move |id| {
            let own = own.clone().filter(|own| own.id() == id);
            ready(Ok(own.or_else(|| partners.get(id))))
        })
    }

    fn get(&self, id: &str) -> Option<ApiKeyRecord> {
        let records = self.0.read().unwrap_or_else(PoisonError::into_inner);
        records.get(id).cloned()
    }
}

fn records(text: &str) -> Result<HashMap<Box<str>, ApiKeyRecord>, String> {
    let listing: Listing = serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("is not a listing of API keys in JSON: line {line}, column {column}")
    })?;
    let mut records = HashMap::new();
    for entry in &listing.keys {
        let record = record(entry)?;
        if records.insert(record.id().into(), record).is_some() {
            return Err(format!("lists the API key {:?} twice", entry.id));
        }
    }
    Ok(records)
}

fn record(entry: &Entry) -> Result<ApiKeyRecord, String> {
    let digests: Option<Vec<[u8; 32]>> = entry.sha256.iter().map(|text| unhex(text)).collect();
    let digests = digests.filter(|digests| !digests.is_empty());
    let digests = digests.ok_or_else(|| {
        let id = &entry.id;
        format!("has an API key {id:?} whose `sha256` is not a list of 64 hexadecimal digits")
    })?;
    let owner = ApiKeyOwner::new(
        Principal::service("", &entry.service)
            .scopes(entry.scopes.iter().map(String::as_str))
            .roles(entry.roles.iter().map(String::as_str)),
    );
    let owner = match entry.expires_at {
        Some(time) => owner.expires_at(UnixTime::from_secs(time)),
        None => owner,
    };
    Ok(ApiKeyRecord::stored(&entry.id, digests, &owner))
}

/// Makes a key for a service: the key itself, which is kept nowhere, and its entry in `API_KEYS`.
///
/// # Errors
///
/// Fails when the operating system gives no random bytes.
pub(crate) fn new_key(
    service: &str,
    scopes: &[String],
) -> Result<(String, String), Box<dyn std::error::Error>> {
    let owner = ApiKeyOwner::new(Principal::service("", service));
    let key = MemoryApiKeys::new(PREFIX)?.create(owner)?;
    let entry = Entry {
        id: key.id().to_owned(),
        sha256: key
            .record()
            .digests()
            .iter()
            .map(|digest| hex(digest))
            .collect(),
        service: service.to_owned(),
        scopes: scopes.to_vec(),
        roles: vec!["partner".to_owned()],
        expires_at: None,
    };
    Ok((key.as_str().to_owned(), serde_json::to_string(&entry)?))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a `String` does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let is_hex = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let (pairs, _) = text.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|pair| {
        let pair = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(pair, 16).ok()
    });
    let bytes: Option<Vec<u8>> = bytes.collect();
    bytes.filter(|_| is_hex)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_found_by_its_entry() {
        let (_, entry) = new_key("partner-a", &["read".to_owned()]).unwrap();
        let partners = Partners::parse(&format!("{{\"keys\":[{entry}]}}")).unwrap();
        let id = serde_json::from_str::<Entry>(&entry).unwrap().id;
        let record = partners.get(&id).unwrap();
        assert_eq!(record.principal().subject(), "partner-a");
        assert_eq!(record.digests().len(), 1);
    }

    #[test]
    fn a_listing_that_is_not_good_changes_nothing_and_is_not_repeated() {
        let (_, entry) = new_key("partner-a", &[]).unwrap();
        let id = serde_json::from_str::<Entry>(&entry).unwrap().id;
        let partners = Partners::parse(&format!("{{\"keys\":[{entry}]}}")).unwrap();
        for bad in [
            "",
            "hunter2",
            "{\"keys\":\"hunter2\"}",
            "{\"keys\":[{\"id\":\"a\",\"sha256\":[],\"service\":\"hunter2\"}]}",
            "{\"keys\":[{\"id\":\"a\",\"sha256\":[\"hunter2\"],\"service\":\"b\"}]}",
            &format!("{{\"keys\":[{entry},{entry}]}}"),
        ] {
            let error = partners.replace(bad).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
            assert!(partners.get(&id).is_some(), "{bad}");
        }
        partners.replace("{\"keys\":[]}").unwrap();
        assert!(partners.get(&id).is_none());
    }
}
