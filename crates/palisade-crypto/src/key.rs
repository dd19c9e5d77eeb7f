use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use palisade_core::Problems;
use palisade_core::secret::{self, Weakness};
use zeroize::{Zeroize, Zeroizing};

use crate::Error;

/// The number of a key in a keyring, written into everything that the key seals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub u32);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A key of 256 bits, wiped when it is dropped and never shown.
///
/// # Example
///
/// ```
/// use palisade_crypto::Key;
///
/// let key = Key::generate()?;
/// let kept = key.to_text();
/// assert_eq!(kept.len(), 44);
/// assert!(Key::from_text("ENCRYPTION_KEY", &kept).is_ok());
/// assert_eq!(format!("{key:?}"), "Key([redacted])");
/// # Ok::<(), palisade_crypto::Error>(())
/// ```
#[derive(Clone)]
pub struct Key(Box<[u8; Self::LEN]>);

const READER: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_encode_padding(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);
pub(crate) const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, READER);
pub(crate) const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, READER);

impl Key {
    /// 32 bytes.
    pub const LEN: usize = 32;

    /// A fresh key from the operating system's generator.
    ///
    /// # Errors
    ///
    /// [`Error::Random`] when the operating system gives no random bytes.
    pub fn generate() -> Result<Self, Error> {
        let mut key = Self(Box::new([0; Self::LEN]));
        palisade_core::random::fill(&mut *key.0)?;
        Ok(key)
    }

    /// The key in an environment variable: 32 bytes in base64.
    ///
    /// # Errors
    ///
    /// [`Error::Configuration`] with everything that is wrong with it, under the name of the variable.
    pub fn from_env(variable: &str) -> Result<Self, Error> {
        let Some(text) = std::env::var_os(variable) else {
            return Err(Problems::one(variable, "is not set").into());
        };
        match text.into_string() {
            Ok(text) => Self::from_text(variable, &Zeroizing::new(text)),
            Err(_) => Err(Problems::one(variable, "is not UTF-8").into()),
        }
    }

    /// The key in a text: 32 bytes in base64, of the usual or the URL-safe alphabet, with or without padding.
    ///
    /// `name` is what the errors call it, such as the name of a variable.
    ///
    /// # Errors
    ///
    /// [`Error::Configuration`] with everything that is wrong with it: not base64, another length, a placeholder, or
    /// too regular to be random.
    pub fn from_text(name: &str, text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let mut problems = Problems::none();
        // Length and entropy are judged once the text is decoded.
        let placeholder = secret::check(text.as_bytes(), 0)
            .err()
            .filter(|weakness| !matches!(weakness, Weakness::LowEntropy));
        if let Some(weakness) = &placeholder {
            problems.push(name, weakness.to_string());
        }
        let mut key = Self(Box::new([0; Self::LEN]));
        let decoded = STANDARD
            .decode(text)
            .or_else(|_| URL_SAFE.decode(text))
            .map(Zeroizing::new);
        match decoded {
            Ok(bytes) if bytes.len() == Self::LEN => {
                // One that was found in the text already is found again in what it encodes.
                if placeholder.is_none() {
                    check_bytes(name, &bytes, &mut problems);
                }
                key.0.copy_from_slice(&bytes);
            }
            Ok(bytes) => problems.push(
                name,
                format!("decodes to {} bytes, must be {}", bytes.len(), Self::LEN),
            ),
            Err(_) => problems.push(name, "is not base64"),
        }
        Ok(problems.into_result(key)?)
    }

    /// The key in raw bytes, which are wiped.
    ///
    /// # Errors
    ///
    /// [`Error::Configuration`] when they are a placeholder or too regular to be random.
    pub fn from_bytes(mut bytes: [u8; Self::LEN]) -> Result<Self, Error> {
        let mut problems = Problems::none();
        check_bytes("key", &bytes, &mut problems);
        let key = Self(Box::new(bytes));
        bytes.zeroize();
        Ok(problems.into_result(key)?)
    }

    /// The key in base64, as [`from_text`](Self::from_text) reads it.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.bytes()))
    }

    /// The key itself, for a [`KeyManagement`](crate::KeyManagement) that wraps it.
    #[must_use]
    pub fn expose_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// The key in bytes that were opened.
    pub(crate) fn from_slice(bytes: &[u8]) -> Result<Self, Error> {
        let mut key = Self(Box::new([0; Self::LEN]));
        if bytes.len() != Self::LEN {
            return Err(Error::Malformed);
        }
        key.0.copy_from_slice(bytes);
        Ok(key)
    }

    pub(crate) fn bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

fn check_bytes(name: &str, bytes: &[u8], problems: &mut Problems) {
    if let Err(weakness) = secret::check(bytes, Key::LEN) {
        problems.push(name, weakness.to_string());
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key([redacted])")
    }
}

/// A key of known bytes, for vectors.
#[cfg(test)]
pub(crate) fn unchecked(bytes: [u8; Key::LEN]) -> Key {
    Key(Box::new(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made with `openssl rand -base64 32`.
    const GOOD: &str = "d7BEEY6EFdCRT4xWFjmvnqcTJiwbTRhBoWLxFL3xQIo=";

    fn reasons(text: &str) -> Vec<String> {
        match Key::from_text("ENCRYPTION_KEY", text) {
            Err(Error::Configuration(problems)) => problems
                .iter()
                .map(|problem| {
                    assert_eq!(problem.field, "ENCRYPTION_KEY");
                    problem.reason.clone()
                })
                .collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_key_is_read_in_both_alphabets_with_and_without_padding() {
        let key = Key::from_text("K", GOOD).unwrap();
        for text in [
            GOOD.trim_end_matches('='),
            &format!("{GOOD}\n"),
            &GOOD.replace('/', "_").replace('+', "-"),
        ] {
            assert_eq!(Key::from_text("K", text).unwrap().bytes(), key.bytes());
        }
        assert_eq!(*key.to_text(), GOOD);
    }

    #[test]
    fn a_placeholder_is_refused_with_every_problem() {
        let reasons = reasons("your-secret-key-change-in-production");
        assert_eq!(reasons.len(), 2, "{reasons:?}");
        assert!(reasons[0].contains("placeholder"), "{reasons:?}");
        assert!(reasons[1].contains("27 bytes"), "{reasons:?}");
    }

    #[test]
    fn weak_keys_of_the_right_length_are_refused() {
        // 32 zero bytes, 0 to 31, and `your-secret-key-change-in-produc`, each in base64.
        for weak in [
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            "eW91ci1zZWNyZXQta2V5LWNoYW5nZS1pbi1wcm9kdWM=",
        ] {
            assert_eq!(reasons(weak).len(), 1, "{weak}");
        }
        assert!(Key::from_bytes([7; 32]).is_err());
    }

    #[test]
    fn another_length_is_refused_by_its_number() {
        assert!(reasons("d7BEEY6EFdCRT4xWFjmvng==")[0].contains("16 bytes"));
        assert_eq!(reasons("!!"), ["is not base64"]);
        assert_eq!(reasons("")[0], "is empty");
    }

    #[test]
    fn no_error_repeats_the_text() {
        let text = "sQ8w7rK0y!not base64 at all";
        let shown = Key::from_text("K", text).unwrap_err();
        assert!(!format!("{shown} {shown:?}").contains("sQ8w7r"));
    }
}
