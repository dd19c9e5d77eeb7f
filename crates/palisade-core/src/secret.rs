//! Tells secrets from placeholders.
//!
//! One check for every crate that takes a secret, so that what one refuses no other accepts.

mod encoded;
mod language;
mod patterns;
mod published;
mod template;
mod vocabulary;

/// The reason for which a secret is not accepted. It never holds the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Weakness {
    /// Nothing there, or only white space.
    #[error("is empty")]
    Empty,
    /// Made of the words that examples and templates use, or a sample from documentation itself.
    #[error("is a well-known placeholder; make one with `openssl rand -base64 32`")]
    Placeholder,
    /// Too few bytes.
    #[error("is {len} bytes long, must be at least {min}")]
    TooShort {
        /// The number of bytes that it has.
        len: usize,
        /// The least number that it needs.
        min: usize,
    },
    /// Too regular to have come from a random generator.
    #[error("is too regular to be random; make one with `openssl rand -base64 32`")]
    LowEntropy,
}

/// Looks for a weakness in a secret that should have at least `min_len` bytes.
///
/// Placeholders are found in any case and with any separators, and so are instructions of which a placeholder is made
/// (`INSERT_ETHERSCAN_API_KEY`, `<random 32 bytes>`) and the samples of widely read documentation. Text that somebody
/// wrote in words, walks over the keyboard and repeated patterns are too regular, also as hexadecimal digits or base64; a
/// passphrase of dictionary words is among them, however long. A secret from a random generator, in base64, hex or raw
/// bytes, passes.
///
/// # Errors
///
/// Returns the first weakness.
///
/// # Example
///
/// ```
/// use palisade_core::secret::{Weakness, check};
///
/// assert_eq!(check(b"Your_Secret-Key.Change-In-Production", 32), Err(Weakness::Placeholder));
/// assert_eq!(check(b"p3Zk9Q", 32), Err(Weakness::TooShort { len: 6, min: 32 }));
/// assert_eq!(check(b"kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu", 32), Ok(()));
/// ```
pub fn check(secret: &[u8], min_len: usize) -> Result<(), Weakness> {
    if secret.trim_ascii().is_empty() {
        return Err(Weakness::Empty);
    }
    let decoded = encoded::text_in(secret);
    let as_meant = decoded.as_deref().unwrap_or(secret);
    if [secret, as_meant].into_iter().any(|text| {
        vocabulary::is_placeholder(text)
            || template::is_template(text)
            || published::is_published(text)
    }) {
        return Err(Weakness::Placeholder);
    }
    if secret.len() < min_len {
        return Err(Weakness::TooShort {
            len: secret.len(),
            min: min_len,
        });
    }
    // Of 32 random decimal digits, the poorest alphabet in use, one secret in a million measures 2.3 bits a character.
    let wanted = (secret.len().min(32) as f64) * 2.0;
    if shannon_bits(secret) < wanted || is_sequence(secret) || is_repetition(secret) {
        return Err(Weakness::LowEntropy);
    }
    if patterns::is_pattern(as_meant) || language::is_written(as_meant) {
        return Err(Weakness::LowEntropy);
    }
    Ok(())
}

/// Shannon's entropy of the distribution of bytes, times the length.
fn shannon_bits(secret: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in secret {
        counts[usize::from(*byte)] += 1;
    }
    let len = secret.len() as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) * (len / f64::from(*count)).log2())
        .sum()
}

/// Mostly runs such as `abcdef`, `4321` or `aaaa`.
fn is_sequence(secret: &[u8]) -> bool {
    let steps = secret
        .windows(2)
        .filter(|pair| pair[0].abs_diff(pair[1]) <= 1)
        .count();
    // Of random decimal digits a good quarter of the pairs are neighbours; four fifths of them never are.
    secret.len() > 2 && steps * 5 > secret.len() * 4
}

/// A shorter text, repeated.
fn is_repetition(secret: &[u8]) -> bool {
    (1..=secret.len() / 2).any(|period| {
        secret
            .iter()
            .zip(&secret[period..])
            .all(|(byte, later)| byte == later)
    })
}
