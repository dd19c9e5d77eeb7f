//! Field encryption as a service writes it for itself: AES-256-GCM of ring, a nonce of the system for each value,
//! base64, and `serde_json`.

use std::error::Error;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};

#[derive(Debug)]
pub(crate) struct ByHand {
    key: LessSafeKey,
    random: SystemRandom,
}

impl ByHand {
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        let random = SystemRandom::new();
        let mut key = [0; 32];
        random.fill(&mut key).map_err(|_| "no random bytes")?;
        let key = UnboundKey::new(&AES_256_GCM, &key).map_err(|_| "no key")?;
        Ok(Self {
            key: LessSafeKey::new(key),
            random,
        })
    }

    /// The cipher alone, with a nonce that is always the same: the floor under everything here.
    pub(crate) fn seal_bytes(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(plain.len() + AES_256_GCM.tag_len());
        out.extend_from_slice(plain);
        let nonce = Nonce::assume_unique_for_key([7; NONCE_LEN]);
        self.key
            .seal_in_place_append_tag(nonce, Aad::from(b"users/email"), &mut out)
            .ok()?;
        Some(out)
    }

    pub(crate) fn open_bytes(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let mut out = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key([7; NONCE_LEN]);
        let length = self
            .key
            .open_in_place(nonce, Aad::from(b"users/email"), &mut out)
            .ok()?
            .len();
        out.truncate(length);
        Some(out)
    }

    fn seal_text(&self, plain: &str) -> Option<String> {
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).ok()?;
        let mut sealed = plain.as_bytes().to_vec();
        let used = Nonce::assume_unique_for_key(nonce);
        self.key
            .seal_in_place_append_tag(used, Aad::empty(), &mut sealed)
            .ok()?;
        let mut out = nonce.to_vec();
        out.extend_from_slice(&sealed);
        Some(URL_SAFE_NO_PAD.encode(out))
    }

    /// A JSON object with these members sealed.
    pub(crate) fn seal_fields(&self, body: &[u8], fields: &[&str]) -> Option<Vec<u8>> {
        let mut parsed: serde_json::Value = serde_json::from_slice(body).ok()?;
        for field in fields {
            let value = parsed.get_mut(*field)?;
            *value = self.seal_text(value.as_str()?)?.into();
        }
        serde_json::to_vec(&parsed).ok()
    }
}
