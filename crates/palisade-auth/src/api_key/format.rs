//! The text of an API key: `pfx_<id>_<secret>_<crc>`. Pure.

use palisade_core::random::{self, RandomError};

use crate::AuthError;
use crate::digest::{Digest, sha256};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ID: usize = 12;
const SECRET: usize = 32;
const CRC: usize = 6;

/// The parts of a key whose check sum holds.
#[derive(Clone, Copy)]
pub(super) struct KeyText<'a> {
    pub(super) id: &'a str,
    secret: &'a str,
}

impl<'a> KeyText<'a> {
    /// Reads a key with this prefix. The check sum tells a typing mistake, and scanners of source code a real key; it
    /// protects nothing.
    pub(super) fn parse(prefix: &str, text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix(prefix)?.strip_prefix('_')?;
        let mut parts = rest.split('_');
        let (id, secret, crc) = (parts.next()?, parts.next()?, parts.next()?);
        let form = parts.next().is_none()
            && id.len() == ID
            && secret.len() == SECRET
            && crc.len() == CRC
            && rest
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let body = &text[..text.len().checked_sub(CRC + 1)?];
        (form && checksum(body) == crc.as_bytes()).then_some(Self { id, secret })
    }

    /// The digest of the secret, which is what is kept. 190 random bits need no slow hash: nobody guesses them.
    pub(super) fn digest(&self) -> Digest {
        sha256(self.secret.as_bytes())
    }
}

/// A prefix that keys may start with.
pub(super) fn valid_prefix(prefix: &str) -> Result<Box<str>, AuthError> {
    let fits = prefix
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if fits && (2..=12).contains(&prefix.len()) {
        Ok(prefix.into())
    } else {
        Err(AuthError::one("prefix", "is not 2 to 12 of a-z and 0-9"))
    }
}

/// A new id, which is no secret.
pub(super) fn new_id() -> Result<String, RandomError> {
    random_text(ID)
}

/// A new key with this prefix and id.
pub(super) fn new_key(prefix: &str, id: &str) -> Result<String, RandomError> {
    let mut text = format!("{prefix}_{id}_{}", random_text(SECRET)?);
    let crc = checksum(&text);
    text.push('_');
    text.extend(crc.map(char::from));
    Ok(text)
}

/// Characters drawn evenly.
fn random_text(length: usize) -> Result<String, RandomError> {
    let mut text = String::with_capacity(length);
    while text.len() < length {
        for drawn in random::bytes::<32>()?.into_iter().filter_map(letter) {
            if text.len() < length {
                text.push(drawn);
            }
        }
    }
    Ok(text)
}

/// The character that a random byte stands for. One past the last full 62 stands for none, so that all are as likely.
fn letter(byte: u8) -> Option<char> {
    const FULL: u8 = 62 * 4;
    (byte < FULL).then(|| char::from(ALPHABET[usize::from(byte % 62)]))
}

fn checksum(text: &str) -> [u8; CRC] {
    let mut rest = crc32(text.as_bytes());
    let mut out = [0; CRC];
    for place in out.iter_mut().rev() {
        *place = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    out
}

/// CRC-32 as in ISO/IEC 8802-3 and zlib.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_sum_is_crc_32() {
        // The check value of CRC-32/ISO-HDLC in the catalogue of parametrised CRC algorithms.
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn a_new_key_is_read_back() {
        let id = new_id().unwrap();
        let text = new_key("pal", &id).unwrap();
        assert_eq!(text.len(), 3 + 1 + 12 + 1 + 32 + 1 + 6);
        let key = KeyText::parse("pal", &text).unwrap();
        assert_eq!(key.id, id);
        assert!(KeyText::parse("pa", &text).is_none() && KeyText::parse("pall", &text).is_none());
    }

    #[test]
    fn any_changed_character_breaks_the_check_sum() {
        let text = new_key("pal", &new_id().unwrap()).unwrap();
        for position in 4..text.len() {
            for other in ["0", "z", "_", "-", "é"] {
                let mut changed = text.clone();
                changed.replace_range(position..=position, other);
                assert!(
                    changed == text || KeyText::parse("pal", &changed).is_none(),
                    "{changed}"
                );
            }
        }
        for bad in [
            "",
            "pal",
            "pal_",
            "pal____",
            &text[..20],
            &format!("{text}_"),
            &format!("{text}0"),
        ] {
            assert!(KeyText::parse("pal", bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn each_character_stands_for_four_bytes_and_eight_are_drawn_again() {
        let drawn: Vec<Option<char>> = (0..=u8::MAX).map(letter).collect();
        let of = |wanted: Option<char>| drawn.iter().filter(|drawn| **drawn == wanted).count();
        for character in ALPHABET {
            assert_eq!(of(Some(char::from(*character))), 4, "{character}");
        }
        assert_eq!(of(None), 8);
    }

    #[test]
    fn characters_are_drawn_evenly() {
        let mut counts = [0_u32; 128];
        for byte in random_text(62_000).unwrap().bytes() {
            counts[usize::from(byte)] += 1;
        }
        // 1,000 of each on average; ten standard deviations are some 314.
        for letter in ALPHABET {
            let count = counts[usize::from(*letter)];
            assert!((686..=1314).contains(&count), "{letter}: {count}");
        }
    }

    #[test]
    fn a_right_check_sum_does_not_make_a_wrong_form_right() {
        let sealed = |body: String| {
            let sum = checksum(&body);
            format!("{body}_{}", std::str::from_utf8(&sum).unwrap())
        };
        let text = |id: usize, secret: usize| {
            sealed(format!("pal_{}_{}", "a".repeat(id), "b".repeat(secret)))
        };
        assert!(KeyText::parse("pal", &text(12, 32)).is_some());
        for (id, secret) in [(11, 32), (13, 32), (12, 31), (12, 33), (0, 32), (12, 0)] {
            assert!(
                KeyText::parse("pal", &text(id, secret)).is_none(),
                "{id} and {secret}"
            );
        }
        let foreign = sealed(format!("pal_{}_{}", "a".repeat(12), "-".repeat(32)));
        assert!(KeyText::parse("pal", &foreign).is_none());
        let more = sealed(format!("pal_{}_{}_", "a".repeat(12), "b".repeat(32)));
        assert!(KeyText::parse("pal", &more).is_none());
    }
}
