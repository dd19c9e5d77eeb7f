//! A key per message, and a commitment to the key: HKDF-SHA256 (RFC 5869) over the nonce, then AES-256-GCM.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::Prk;

use super::derive::{Failed, NONCE_LEN, TAG_LEN, expand, extract};
use crate::Key;

pub(crate) const COMMITMENT_LEN: usize = 32;

const INFO: &[u8] = b"palisade-crypto v1 suite 02";

pub(crate) struct Committing(Prk);

impl Committing {
    pub(crate) fn new(key: &Key) -> Self {
        Self(extract(key))
    }

    /// The cipher of one message, and what commits to it.
    ///
    /// The 64 bytes are one output of HKDF, so two keys with the same commitment are a collision of SHA-256. The key is
    /// used once, so the nonce of GCM is zero.
    fn message_cipher(
        &self,
        nonce: &[u8; NONCE_LEN],
    ) -> Result<(LessSafeKey, [u8; COMMITMENT_LEN]), Failed> {
        let derived = expand::<64>(&self.0, &[INFO, nonce])?;
        let (key, commitment) = derived.split_at(32);
        let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| Failed)?;
        Ok((
            LessSafeKey::new(key),
            commitment.try_into().map_err(|_| Failed)?,
        ))
    }

    /// Encrypts in place and gives the commitment and the tag.
    pub(crate) fn seal(
        &self,
        nonce: &[u8; NONCE_LEN],
        additional: &[u8],
        text: &mut [u8],
    ) -> Result<([u8; COMMITMENT_LEN], [u8; TAG_LEN]), Failed> {
        let (cipher, commitment) = self.message_cipher(nonce)?;
        let tag = cipher
            .seal_in_place_separate_tag(zero_nonce(), Aad::from(additional), text)
            .map_err(|_| Failed)?;
        Ok((commitment, tag.as_ref().try_into().map_err(|_| Failed)?))
    }

    /// Decrypts ciphertext and tag in place, if the commitment is to this key.
    pub(crate) fn open<'a>(
        &self,
        nonce: &[u8; NONCE_LEN],
        commitment: &[u8; COMMITMENT_LEN],
        additional: &[u8],
        text_and_tag: &'a mut [u8],
    ) -> Result<&'a mut [u8], Failed> {
        let (cipher, own) = self.message_cipher(nonce)?;
        let differences = own
            .iter()
            .zip(commitment)
            .fold(0, |differences, (a, b)| differences | (a ^ b));
        if std::hint::black_box(differences) != 0 {
            return Err(Failed);
        }
        cipher
            .open_in_place(zero_nonce(), Aad::from(additional), text_and_tag)
            .map_err(|_| Failed)
    }
}

fn zero_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}
