//! Seals what a browser keeps for the time of a sign-in, and what Redis keeps of it: AES-256-GCM, under a key of its own for
//! each purpose.

use palisade_core::random::{self, RandomError};
use palisade_core::secret::{self, Weakness};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Prk, Salt};
use zeroize::Zeroizing;

use crate::jwt::parse::{decode, encode};

/// The purpose of a sealed text, which has a key of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A sign-in under way, in a cookie.
    Cookie,
    /// The tokens of a sign-in, in Redis.
    #[cfg(all(feature = "redis", feature = "axum"))]
    Tokens,
}

impl Purpose {
    /// The longest sealed text that is opened, in bytes. Browsers keep no cookie over 4 KiB; the answer of a token endpoint
    /// has 512 KiB at most.
    const fn max_len(self) -> usize {
        match self {
            Self::Cookie => 4 * 1024,
            #[cfg(all(feature = "redis", feature = "axum"))]
            Self::Tokens => 1024 * 1024,
        }
    }

    /// A key of 256 bits for this purpose (RFC 5869); never none. Where much is sealed each label has one of its own, because
    /// a key lasts for 2^32 random nonces (NIST SP 800-38D, section 8.3).
    fn key(self, secret: &Prk, label: &str) -> Option<LessSafeKey> {
        let cookie: [&[u8]; 1] = [b"sealed cookie"];
        #[cfg(all(feature = "redis", feature = "axum"))]
        let tokens: [&[u8]; 2] = [b"tokens of a sign-in: ", label.as_bytes()];
        #[cfg(not(all(feature = "redis", feature = "axum")))]
        let _ = label;
        let info: &[&[u8]] = match self {
            Self::Cookie => &cookie,
            #[cfg(all(feature = "redis", feature = "axum"))]
            Self::Tokens => &tokens,
        };
        let derived = secret.expand(info, &AES_256_GCM).ok()?;
        Some(LessSafeKey::new(UnboundKey::from(derived)))
    }
}

/// The current secret, and the one before it while what was sealed with that is still of use.
pub(super) struct SealKeys(Vec<Prk>);

impl SealKeys {
    /// A secret that nobody else has, and that ends with the process.
    pub(super) fn random() -> Result<Self, RandomError> {
        let secret = Zeroizing::new(random::bytes::<32>()?);
        Ok(Self(vec![extracted(&*secret)]))
    }

    pub(super) fn of(secret: &[u8]) -> Result<Self, Weakness> {
        secret::check(secret, 32)?;
        Ok(Self(vec![extracted(secret)]))
    }

    pub(super) fn add_previous(&mut self, mut previous: Self) {
        self.0.append(&mut previous.0);
    }

    pub(super) fn seal(&self, purpose: Purpose, label: &str, text: &str) -> Option<String> {
        let key = purpose.key(self.0.first()?, label)?;
        let nonce = random::bytes::<NONCE_LEN>().ok()?;
        let mut sealed = text.as_bytes().to_vec();
        let tag = key.seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(label),
            &mut sealed,
        );
        let tag = tag.ok()?;
        Some(encode([&nonce[..], &sealed, tag.as_ref()].concat()))
    }

    pub(super) fn open(
        &self,
        purpose: Purpose,
        label: &str,
        sealed: &[u8],
    ) -> Option<Zeroizing<String>> {
        if sealed.len() > purpose.max_len() {
            return None;
        }
        let sealed = decode(sealed).ok()?;
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        self.0.iter().find_map(|secret| {
            let key = purpose.key(secret, label)?;
            let nonce = Nonce::assume_unique_for_key(*nonce);
            let mut text = Zeroizing::new(sealed.to_vec());
            let text = key.open_in_place(nonce, Aad::from(label), &mut text).ok()?;
            let text = std::str::from_utf8(text).ok()?;
            Some(Zeroizing::new(text.to_owned()))
        })
    }
}

fn extracted(secret: &[u8]) -> Prk {
    Salt::new(HKDF_SHA256, b"palisade-auth: OpenID Connect").extract(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sealed_under_this_label_with_one_of_our_keys_is_opened() {
        let old = || SealKeys::of(b"kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu").unwrap();
        let mut new = SealKeys::of(b"Zt9QwL3nVb6YxK1rMd8FpS5gHc2JeU7o").unwrap();
        let sealed = old().seal(Purpose::Cookie, "a", "text").unwrap();
        assert!(!sealed.contains(&encode("text")));
        assert_ne!(
            old().seal(Purpose::Cookie, "a", "text").unwrap(),
            sealed,
            "a fresh nonce"
        );
        let open = |keys: &SealKeys, label: &str, sealed: &str| {
            keys.open(Purpose::Cookie, label, sealed.as_bytes())
                .map(|text| text.to_string())
        };
        assert_eq!(open(&old(), "a", &sealed).as_deref(), Some("text"));
        assert_eq!(open(&old(), "b", &sealed), None);
        assert_eq!(open(&new, "a", &sealed), None);
        for at in 0..sealed.len() {
            let mut forged = sealed.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            assert!(old().open(Purpose::Cookie, "a", &forged).is_none(), "{at}");
        }
        for short in ["", "AAAA", &sealed[..16]] {
            assert_eq!(open(&old(), "a", short), None, "{short:?}");
        }
        new.add_previous(old());
        assert_eq!(open(&new, "a", &sealed).as_deref(), Some("text"));
        assert!(SealKeys::of(b"changeme").is_err());
    }

    #[cfg(all(feature = "redis", feature = "axum"))]
    #[test]
    fn what_was_sealed_for_one_purpose_is_not_opened_for_another() {
        let keys = SealKeys::of(b"kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu").unwrap();
        let sealed = keys.seal(Purpose::Tokens, "a", "text").unwrap();
        let open = |purpose, label: &str| keys.open(purpose, label, sealed.as_bytes());
        assert_eq!(open(Purpose::Tokens, "a").unwrap().as_str(), "text");
        assert!(open(Purpose::Tokens, "b").is_none());
        assert!(open(Purpose::Cookie, "a").is_none());
        let long = keys.seal(Purpose::Tokens, "a", &"x".repeat(64 * 1024));
        let long = keys.open(Purpose::Tokens, "a", long.unwrap().as_bytes());
        assert_eq!(long.unwrap().len(), 64 * 1024);
    }
}
