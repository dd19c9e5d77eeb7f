//! XAES-256-GCM as specified by C2SP, <https://c2sp.org/XAES-256-GCM>: AES-256-GCM under a key derived from the first
//! half of a nonce of 192 bits.

use aes::Aes256Enc;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroize;

use super::derive::{Failed, NONCE_LEN, TAG_LEN, wipe};

/// The key schedule and the subkey `K1` of CMAC, both of which depend on the key alone. Wiped on drop.
pub(crate) struct Xaes {
    block: Aes256Enc,
    k1: [u8; 16],
}

impl Xaes {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let block = Aes256Enc::new(&Array::from(*key));
        // NIST SP 800-38B, section 6.1: L = E(0), doubled in GF(2^128).
        let mut l = Array::from([0; 16]);
        block.encrypt_block(&mut l);
        let doubled = u128::from_be_bytes(l.0);
        let carry = if doubled >> 127 == 1 { 0b1000_0111 } else { 0 };
        l.0.zeroize();
        Self {
            block,
            k1: ((doubled << 1) ^ carry).to_be_bytes(),
        }
    }

    /// The key of all messages whose nonces begin like this one, derived from the first half of it.
    ///
    /// It is handed to `then` where it lies: a key of ring is half a KiB, and copying that is a good part of the time that
    /// a short value takes.
    #[inline]
    fn with_message_key<T>(
        &self,
        nonce: &[u8; NONCE_LEN],
        then: impl FnOnce(LessSafeKey) -> Result<T, Failed>,
    ) -> Result<T, Failed> {
        let mut blocks = [1, 2].map(|counter| {
            let mut block = [0, counter, b'X', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            block[4..].copy_from_slice(&nonce[..12]);
            let masked = u128::from_ne_bytes(block) ^ u128::from_ne_bytes(self.k1);
            Array::from(masked.to_ne_bytes())
        });
        self.block.encrypt_blocks(&mut blocks);
        let mut key = [0; 32];
        for (half, block) in key.chunks_exact_mut(16).zip(&mut blocks) {
            half.copy_from_slice(block);
            wipe(&mut block.0);
        }
        let made = UnboundKey::new(&AES_256_GCM, &key);
        wipe(&mut key);
        match made {
            Ok(key) => then(LessSafeKey::new(key)),
            Err(_) => Err(Failed),
        }
    }

    /// Encrypts in place and gives the tag.
    pub(crate) fn seal(
        &self,
        nonce: &[u8; NONCE_LEN],
        additional: &[u8],
        text: &mut [u8],
    ) -> Result<[u8; TAG_LEN], Failed> {
        self.with_message_key(nonce, |key| seal_with(&key, nonce, additional, text))
    }

    /// Decrypts ciphertext and tag in place.
    pub(crate) fn open<'a>(
        &self,
        nonce: &[u8; NONCE_LEN],
        additional: &[u8],
        text_and_tag: &'a mut [u8],
    ) -> Result<&'a mut [u8], Failed> {
        self.with_message_key(nonce, |key| {
            key.open_in_place(rest(nonce), Aad::from(additional), text_and_tag)
                .map_err(|_| Failed)
        })
    }
}

#[inline]
fn seal_with(
    key: &LessSafeKey,
    nonce: &[u8; NONCE_LEN],
    additional: &[u8],
    text: &mut [u8],
) -> Result<[u8; TAG_LEN], Failed> {
    let tag = key
        .seal_in_place_separate_tag(rest(nonce), Aad::from(additional), text)
        .map_err(|_| Failed)?;
    tag.as_ref().try_into().map_err(|_| Failed)
}

/// Nonces that begin alike, and whose second half counts from a random start, with the key that belongs to all of them.
///
/// To derive that key costs as much as to seal a short value with it. Two nonces of a series never meet. Those of two
/// series meet only when both halves do, which is no more likely than that as many nonces meet of which each is drawn
/// anew: 2^-192 for each pair of them.
pub(crate) struct Series {
    key: LessSafeKey,
    nonce: [u8; NONCE_LEN],
}

impl Series {
    /// A series that begins with this nonce, which must be random.
    pub(crate) fn new(cipher: &Xaes, nonce: [u8; NONCE_LEN]) -> Result<Self, Failed> {
        cipher.with_message_key(&nonce, |key| Ok(Self { key, nonce }))
    }

    /// Encrypts in place, writes the nonce and gives the tag.
    pub(crate) fn seal(
        &mut self,
        nonce: &mut [u8; NONCE_LEN],
        additional: &[u8],
        text: &mut [u8],
    ) -> Result<[u8; TAG_LEN], Failed> {
        *nonce = self.nonce;
        self.step();
        seal_with(&self.key, nonce, additional, text)
    }

    /// Counts on in the second half alone, so that the key stays the one that belongs to the nonce.
    fn step(&mut self) {
        for byte in self.nonce[12..].iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                break;
            }
        }
    }
}

/// The second half of a nonce, which is that of AES-256-GCM.
fn rest(nonce: &[u8; NONCE_LEN]) -> Nonce {
    let [_, _, _, _, _, _, _, _, _, _, _, _, rest @ ..] = *nonce;
    Nonce::assume_unique_for_key(rest)
}

impl Drop for Xaes {
    fn drop(&mut self) {
        self.k1.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use shake::Shake128;
    use shake::{ExtendableOutput, Update, XofReader};

    use super::*;

    const NONCE: &[u8; 24] = b"ABCDEFGHIJKLMNOPQRSTUVWX";

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn sealed(key: [u8; 32], nonce: &[u8; 24], additional: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut text = plain.to_vec();
        let tag = Xaes::new(&key).seal(nonce, additional, &mut text).unwrap();
        text.extend(tag);
        text
    }

    // The two vectors of the specification: the most significant bit of L is clear in the first and set in the second.
    #[test]
    fn the_vectors_of_the_specification_hold() {
        assert_eq!(
            hex(&Xaes::new(&[1; 32]).k1),
            "e531954aca063d5b8d9c47a47d4cc6f0"
        );
        assert_eq!(
            hex(&Xaes::new(&[3; 32]).k1),
            "23810ec50edb99f374409466ed1f4b7b"
        );
        assert_eq!(
            hex(&sealed([1; 32], NONCE, b"", b"XAES-256-GCM")),
            "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"
        );
        let additional = b"c2sp.org/XAES-256-GCM";
        assert_eq!(
            hex(&sealed([3; 32], NONCE, additional, b"XAES-256-GCM")),
            "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"
        );
    }

    #[test]
    fn the_nonces_of_a_series_differ_in_their_second_half_and_open_one_by_one() {
        let cipher = Xaes::new(&[1; 32]);
        // The count runs over from one byte to the next, and from the last to the first.
        for end in [[0, 0, 0xff], [0xff; 3]] {
            let mut start = [0xff; NONCE_LEN];
            start[..12].copy_from_slice(&NONCE[..12]);
            start[21..].copy_from_slice(&end);
            let mut series = Series::new(&cipher, start).unwrap();
            let mut seen = Vec::new();
            for text in [b"one", b"two", b"six"] {
                let (mut nonce, mut sealed) = ([0; NONCE_LEN], text.to_vec());
                let tag = series.seal(&mut nonce, b"a", &mut sealed).unwrap();
                sealed.extend(tag);
                assert_eq!(&*cipher.open(&nonce, b"a", &mut sealed).unwrap(), text);
                assert_eq!(nonce[..12], NONCE[..12]);
                assert!(!seen.contains(&nonce), "{nonce:?} came twice");
                seen.push(nonce);
            }
            assert_eq!(seen[0], start);
        }
    }

    // "Accumulated randomized tests" of the specification, 10 000 iterations.
    #[test]
    fn the_accumulated_hash_of_ten_thousand_messages_holds() {
        let mut random = Shake128::default().finalize_xof();
        let mut draw = |len: usize| {
            let mut bytes = vec![0; len];
            random.read(&mut bytes);
            bytes
        };
        let mut hash = Shake128::default();
        for _ in 0..10_000 {
            let key: [u8; 32] = draw(32).try_into().unwrap();
            let nonce: [u8; 24] = draw(24).try_into().unwrap();
            let len = draw(1)[0];
            let plain = draw(len.into());
            let len = draw(1)[0];
            let additional = draw(len.into());
            let mut text = sealed(key, &nonce, &additional, &plain);
            hash.update(&text);
            let opened = Xaes::new(&key).open(&nonce, &additional, &mut text);
            assert_eq!(*opened.unwrap(), *plain);
        }
        let mut digest = [0; 32];
        hash.finalize_xof().read(&mut digest);
        assert_eq!(
            hex(&digest),
            "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939"
        );
    }

    #[test]
    fn a_series_counts_on_in_the_last_twelve_bytes_and_carries() {
        let mut series = Series::new(&Xaes::new(&[7; 32]), [0; NONCE_LEN]).unwrap();
        series.nonce = [0xff; NONCE_LEN];
        series.nonce[12..].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xfe]);
        series.step();
        assert_eq!(series.nonce[20..], [0, 1, 0xff, 0xff]);
        series.step();
        assert_eq!(series.nonce[20..], [0, 2, 0, 0]);
        assert_eq!(series.nonce[..12], [0xff; 12]);
        series.nonce = [0xff; NONCE_LEN];
        series.step();
        assert_eq!(series.nonce[12..], [0; 12], "and never into the key's half");
        assert_eq!(series.nonce[..12], [0xff; 12]);
    }
}
