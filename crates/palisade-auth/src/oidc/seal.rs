//! Seals what a browser keeps for the time of a sign-in: AES-256-GCM under a key of its own purpose.

use palisade_core::random::{self, RandomError};
use palisade_core::secret::{self, Weakness};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use zeroize::Zeroizing;

use crate::jwt::parse::{decode, encode};

/// The longest sealed text that is opened, in bytes: browsers keep no cookie over 4 KiB.
const MAX_LEN: usize = 4 * 1024;

/// The current key, and the one before it while sign-ins begun with that are under way.
pub(super) struct SealKeys(Vec<LessSafeKey>);

impl SealKeys {
    /// A key that nobody else has, and that ends with the process.
    pub(super) fn random() -> Result<Self, RandomError> {
        let secret = Zeroizing::new(random::bytes::<32>()?);
        Ok(Self(key(&*secret).into_iter().collect()))
    }

    pub(super) fn of(secret: &[u8]) -> Result<Self, Weakness> {
        secret::check(secret, 32)?;
        Ok(Self(key(secret).into_iter().collect()))
    }

    pub(super) fn add_previous(&mut self, mut previous: Self) {
        self.0.append(&mut previous.0);
    }

    pub(super) fn seal(&self, label: &str, text: &str) -> Option<String> {
        let nonce = random::bytes::<NONCE_LEN>().ok()?;
        let mut sealed = text.as_bytes().to_vec();
        let tag = self.0.first()?.seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(label),
            &mut sealed,
        );
        let tag = tag.ok()?;
        Some(encode([&nonce[..], &sealed, tag.as_ref()].concat()))
    }

    pub(super) fn open(&self, label: &str, sealed: &[u8]) -> Option<Zeroizing<String>> {
        if sealed.len() > MAX_LEN {
            return None;
        }
        let sealed = decode(sealed).ok()?;
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        self.0.iter().find_map(|key| {
            let nonce = Nonce::assume_unique_for_key(*nonce);
            let mut text = sealed.to_vec();
            let text = key.open_in_place(nonce, Aad::from(label), &mut text).ok()?;
            let text = std::str::from_utf8(text).ok()?;
            Some(Zeroizing::new(text.to_owned()))
        })
    }
}

/// A key of 256 bits for this purpose (RFC 5869); never none.
fn key(secret: &[u8]) -> Option<LessSafeKey> {
    let salt = Salt::new(HKDF_SHA256, b"palisade-auth: OpenID Connect");
    let derived = salt.extract(secret);
    let derived = derived.expand(&[b"sealed cookie"], &AES_256_GCM).ok()?;
    Some(LessSafeKey::new(UnboundKey::from(derived)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sealed_under_this_label_with_one_of_our_keys_is_opened() {
        let old = || SealKeys::of(b"kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu").unwrap();
        let mut new = SealKeys::of(b"Zt9QwL3nVb6YxK1rMd8FpS5gHc2JeU7o").unwrap();
        let sealed = old().seal("a", "text").unwrap();
        assert!(!sealed.contains(&encode("text")));
        assert_ne!(old().seal("a", "text").unwrap(), sealed, "a fresh nonce");
        let open = |keys: &SealKeys, label: &str, sealed: &str| {
            keys.open(label, sealed.as_bytes())
                .map(|text| text.to_string())
        };
        assert_eq!(open(&old(), "a", &sealed).as_deref(), Some("text"));
        assert_eq!(open(&old(), "b", &sealed), None);
        assert_eq!(open(&new, "a", &sealed), None);
        for at in 0..sealed.len() {
            let mut forged = sealed.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            assert!(old().open("a", &forged).is_none(), "{at}");
        }
        for short in ["", "AAAA", &sealed[..16]] {
            assert_eq!(open(&old(), "a", short), None, "{short:?}");
        }
        new.add_previous(old());
        assert_eq!(open(&new, "a", &sealed).as_deref(), Some("text"));
        assert!(SealKeys::of(b"changeme").is_err());
    }
}
