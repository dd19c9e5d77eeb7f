//! The format of a sealed value, byte for byte, so that another program can read and write it.
//!
//! A sealed value is the text `pl1.` followed by base64url (RFC 4648, section 5) without padding of:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | suite: `01` XAES-256-GCM, `02` committing |
//! | 4 | key id, big endian |
//! | 24 | nonce, random; values that were sealed as parts of one document may share its first 12 bytes |
//! | 0 or 32 | commitment, with suite `02` alone |
//! | n | ciphertext |
//! | 16 | tag |
//!
//! The bits that base64 leaves over are zero: every sealed value has one text.
//!
//! The **plaintext** is one byte for the type, then the value: `01` a text in UTF-8, `02` bytes, `03` any other value as
//! JSON text (RFC 8259), in which numbers stand as they were written.
//!
//! The **additional data** is `pl1` (3 bytes), suite (1), key id (4, big endian), then, each text with its length before
//! it in 4 bytes, big endian: tenant (optional), record type, path, id of the record (optional). Before an optional part
//! stands one byte: `00` absent, `01` present.
//!
//! A **path** is a slash and a name for each step, as in a JSON Pointer (RFC 6901), with `[]` for any element of an
//! array. In a name `~0` stands for `~`, `~1` for `/`, `~2` for `[` and `~3` for `*`.
//!
//! **Keys.** From the 32 bytes `K` in the keyring come, by HKDF-SHA256 (RFC 5869) without salt:
//!
//! - suite `01`: `K1 = HKDF(K, "palisade-crypto v1 suite 01", 32)`, the key of XAES-256-GCM (<https://c2sp.org/XAES-256-GCM>);
//! - suite `02`: `M || C = HKDF(K, "palisade-crypto v1 suite 02" || nonce, 64)`, where `M` is the key of AES-256-GCM, its
//!   nonce is 12 zero bytes, and `C` is the commitment;
//! - blind index: `B = HKDF(K, "palisade-crypto v1 blind index" || tenant || name, 32)` with tenant (optional) and name of
//!   the index laid out as above; a token is the base64url of the first bytes of HMAC-SHA256(`B`, normalised value).
//!
//! # Security
//!
//! The length of a value is not hidden. A sealed value says which key and suite made it, and, by the start of its nonce,
//! which other values were sealed with it as parts of one document.

use base64_simd::{AppendBase64Encode, Out, URL_SAFE_NO_PAD};

use crate::suite::{NONCE_LEN, TAG_LEN, wipe};
use crate::{Error, KeyId, Suite};

/// The start of every sealed value.
pub const PREFIX: &str = "pl1.";

const HEAD_LEN: usize = 5;

/// The most bytes a value may have: 1 GiB, far below what the ciphers bear, so that no length overflows.
pub(crate) const MAX_LEN: usize = 1 << 30;

/// The type of a value, the first byte of its plaintext.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Bytes,
    Json,
}

impl Kind {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Text => 1,
            Self::Bytes => 2,
            Self::Json => 3,
        }
    }

    pub(crate) const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Text),
            2 => Some(Self::Bytes),
            3 => Some(Self::Json),
            _ => None,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Bytes => "bytes",
            Self::Json => "a JSON value that is not text",
        }
    }
}

/// Whether a text claims to be a sealed value.
#[must_use]
pub fn is_sealed(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// Suite and key of a sealed value, without opening it; anybody may have written them.
///
/// # Errors
///
/// [`Error::NotSealed`], [`Error::Malformed`] or [`Error::UnknownSuite`].
pub fn inspect(text: &str) -> Result<(Suite, KeyId), Error> {
    with_parts(text, |parts| Ok((parts.suite, parts.key)))
}

/// The parts of a sealed value.
pub(crate) struct Parts<'a> {
    pub(crate) suite: Suite,
    pub(crate) key: KeyId,
    pub(crate) nonce: &'a [u8; NONCE_LEN],
    pub(crate) commitment: &'a [u8],
    pub(crate) text_and_tag: &'a mut [u8],
}

/// The places to fill of a value about to be sealed.
pub(crate) struct Blank<'a> {
    pub(crate) nonce: &'a mut [u8; NONCE_LEN],
    pub(crate) commitment: &'a mut [u8],
    pub(crate) text: &'a mut [u8],
    pub(crate) tag: &'a mut [u8; TAG_LEN],
}

/// Takes a sealed value apart. The scratch in which it is opened is wiped afterwards.
pub(crate) fn with_parts<T>(
    text: &str,
    read: impl FnOnce(Parts<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    // No `ok_or`, here and below: it makes an error for every value that has none.
    let Some(encoded) = text.strip_prefix(PREFIX) else {
        return Err(Error::NotSealed);
    };
    let encoded = encoded.as_bytes();
    let Ok(len) = URL_SAFE_NO_PAD.decoded_length(encoded) else {
        return Err(Error::Malformed);
    };
    if len > MAX_LEN * 2 {
        return Err(Error::Malformed);
    }
    with_scratch(len, |raw| {
        if URL_SAFE_NO_PAD
            .decode(encoded, Out::from_slice(raw))
            .is_err()
        {
            return Err(Error::Malformed);
        }
        let outcome = match split(raw) {
            Ok(parts) => read(parts),
            Err(error) => Err(error),
        };
        if let Some(opened) = raw.get_mut(HEAD_LEN + NONCE_LEN..) {
            wipe(opened);
        }
        outcome
    })
}

fn split(raw: &mut [u8]) -> Result<Parts<'_>, Error> {
    let Some((head, rest)) = raw.split_first_chunk_mut::<HEAD_LEN>() else {
        return Err(Error::Malformed);
    };
    let [code, id @ ..] = *head;
    let Some(suite) = Suite::from_code(code) else {
        return Err(Error::UnknownSuite(code));
    };
    let Some((nonce, rest)) = rest.split_first_chunk_mut::<NONCE_LEN>() else {
        return Err(Error::Malformed);
    };
    let Some((commitment, text_and_tag)) = rest.split_at_mut_checked(suite.commitment_len()) else {
        return Err(Error::Malformed);
    };
    // At least the byte for the type.
    if text_and_tag.len() <= TAG_LEN {
        return Err(Error::Malformed);
    }
    Ok(Parts {
        suite,
        key: KeyId(u32::from_be_bytes(id)),
        nonce,
        commitment,
        text_and_tag,
    })
}

/// The destination of a sealed value: a text of its own, or the bytes of a document.
pub(crate) trait Output: AppendBase64Encode {
    /// Appends the prefix, with room for the rest.
    fn begin(&mut self, rest: usize);
}

impl Output for String {
    fn begin(&mut self, rest: usize) {
        self.reserve(PREFIX.len() + rest);
        self.push_str(PREFIX);
    }
}

impl Output for Vec<u8> {
    fn begin(&mut self, rest: usize) {
        self.reserve(PREFIX.len() + rest);
        self.extend_from_slice(PREFIX.as_bytes());
    }
}

/// Appends a sealed value to `out`, once `fill` has sealed it in place.
pub(crate) fn write(
    suite: Suite,
    key: KeyId,
    kind: Kind,
    content: &[u8],
    out: &mut impl Output,
    fill: impl FnOnce(Blank<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    if content.len() > MAX_LEN {
        return Err(Error::CannotSeal(suite));
    }
    let len = HEAD_LEN + NONCE_LEN + suite.commitment_len() + 1 + content.len() + TAG_LEN;
    with_scratch(len, |raw| {
        let Some((head, rest)) = raw.split_first_chunk_mut::<HEAD_LEN>() else {
            return Err(Error::Malformed);
        };
        head[0] = suite.code();
        head[1..].copy_from_slice(&key.0.to_be_bytes());
        let Some((nonce, rest)) = rest.split_first_chunk_mut::<NONCE_LEN>() else {
            return Err(Error::Malformed);
        };
        let (commitment, rest) = rest.split_at_mut(suite.commitment_len());
        let Some((text, tag)) = rest.split_last_chunk_mut::<TAG_LEN>() else {
            return Err(Error::Malformed);
        };
        text[0] = kind.code();
        text[1..].copy_from_slice(content);
        let filled = fill(Blank {
            nonce,
            commitment,
            text,
            tag,
        });
        if filled.is_err() {
            // Otherwise the ciphertext has taken the place of the plaintext.
            wipe(text);
            return filled;
        }
        out.begin(URL_SAFE_NO_PAD.encoded_length(len));
        URL_SAFE_NO_PAD.encode_append(&*raw, out);
        Ok(())
    })
}

/// A place to work in, on the stack when `len` bytes fit there. Whoever puts a plaintext into it wipes it.
fn with_scratch<T>(len: usize, work: impl FnOnce(&mut [u8]) -> T) -> T {
    const INLINE: usize = 256;
    if len <= INLINE {
        work(&mut [0; INLINE][..len])
    } else {
        work(&mut vec![0; len])
    }
}
