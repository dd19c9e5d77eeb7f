//! The cookie of a session in Redis, and the name of the session, which nobody can make the cookie of. Pure.

use palisade_core::random::{self, RandomError};
use ring::hmac;

use crate::HmacKeys;
use crate::digest::{same_digest, sha256};
use crate::jwt::parse::{decode, encode};

/// Half of the SHA-256 of issuer and subject, under which all sessions of a user lie together.
pub(super) type Owner = [u8; 16];

pub(super) fn owner(issuer: &str, subject: &str) -> Owner {
    half(format!("{}:{issuer}{subject}", issuer.len()).as_bytes())
}

/// Owner and secret. The MAC in the cookie keeps what was made up from the store.
pub(super) struct Id([u8; 32]);

const LABEL: &[u8] = b"palisade-auth: session cookie\0";

impl Id {
    pub(super) fn new(owner: &Owner) -> Result<Self, RandomError> {
        let mut id = [0; 32];
        id[..16].copy_from_slice(owner);
        id[16..].copy_from_slice(&random::bytes::<16>()?);
        Ok(Self(id))
    }

    pub(super) fn to_cookie(&self, keys: &HmacKeys) -> String {
        encode([self.0, self.mac(keys.secrets().signing())].concat())
    }

    /// `None` for whatever was not made with our key.
    pub(super) fn from_cookie(cookie: &[u8], keys: &HmacKeys) -> Option<Self> {
        // Longer than any; do not decode what cannot be one.
        if cookie.len() > 100 {
            return None;
        }
        let bytes: [u8; 64] = decode(cookie).ok()?.try_into().ok()?;
        let (id, mac) = bytes.split_first_chunk()?;
        let (id, mac) = (Self(*id), mac.try_into().ok()?);
        let secrets = keys.secrets();
        secrets
            .all()
            .any(|key| same_digest(&id.mac(key), &mac))
            .then_some(id)
    }

    pub(super) fn name(&self) -> Name {
        let (owner, secret) = self.0.split_at(16);
        Name([owner, &half(&sha256(secret))].concat())
    }

    /// Of one length, whichever hash the key is for.
    fn mac(&self, key: &hmac::Key) -> [u8; 32] {
        sha256(hmac::sign(key, &[LABEL, &self.0].concat()).as_ref())
    }
}

/// Owner, and half of the SHA-256 of the SHA-256 of the secret.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Name(Vec<u8>);

impl Name {
    pub(super) fn from_text(session: &str) -> Option<Self> {
        let name = decode(session.as_bytes()).ok()?;
        (name.len() == 32).then_some(Self(name))
    }

    /// The name in the record of an owner.
    pub(super) fn of(owner: &Owner, place: &str) -> Option<Self> {
        let place = decode(place.as_bytes()).ok()?;
        (place.len() == 16).then(|| Self([owner, &place[..]].concat()))
    }

    pub(super) fn to_text(&self) -> String {
        encode(&self.0)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn owner(&self) -> Owner {
        self.0.first_chunk().copied().unwrap_or_default()
    }

    /// Its place in the record of its owner.
    pub(super) fn place(&self) -> String {
        encode(self.0.get(16..).unwrap_or_default())
    }
}

fn half(bytes: &[u8]) -> [u8; 16] {
    sha256(bytes).first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> HmacKeys {
        HmacKeys::current("kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu").unwrap()
    }

    #[test]
    fn only_cookies_of_our_own_are_read() {
        let id = Id::new(&owner("bookings", "alice")).unwrap();
        let cookie = id.to_cookie(&keys());
        let read = Id::from_cookie(cookie.as_bytes(), &keys()).unwrap();
        assert_eq!(read.0, id.0);
        let other = HmacKeys::current("Zt9QwL3nVb6YxK1rMd8FpS5gHc2JeU7o").unwrap();
        assert!(Id::from_cookie(cookie.as_bytes(), &other).is_none());
        let rotated = other.previous("kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu").unwrap();
        assert!(Id::from_cookie(cookie.as_bytes(), &rotated).is_some());
        for position in 0..cookie.len() {
            let mut changed = cookie.clone();
            let other = if &cookie[position..=position] == "A" {
                "B"
            } else {
                "A"
            };
            changed.replace_range(position..=position, other);
            let read = Id::from_cookie(changed.as_bytes(), &keys());
            assert!(read.is_none(), "at {position}");
        }
        for bad in [
            "",
            "AAAA",
            &cookie[1..],
            &"A".repeat(86),
            &"A".repeat(9_000),
        ] {
            assert!(Id::from_cookie(bad.as_bytes(), &keys()).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_name_is_read_back_and_says_nothing_of_the_secret() {
        let owner = owner("bookings", "alice");
        let id = Id::new(&owner).unwrap();
        let name = id.name();
        assert!(name.bytes()[16..] != id.0[16..]);
        assert!(Name::from_text(&name.to_text()).is_some_and(|read| read == name));
        assert!(Name::of(&owner, &name.place()).is_some_and(|read| read == name));
        assert!(Name::from_text("AAAA").is_none() && Name::of(&owner, "AAAA").is_none());
    }

    #[test]
    fn one_owner_is_one_issuer_and_one_subject() {
        assert_ne!(owner("a", "bc"), owner("ab", "c"));
    }
}
