//! Documents as bytes: fields are found and replaced where they stand, and every other byte stays as it was.

mod rewrite;
mod scan;

use std::borrow::Cow;
use std::ops::Deref;

use zeroize::Zeroizing;

pub(crate) use self::rewrite::rewrite;
use crate::format::Kind;
use crate::sealer::Sealer;
use crate::session::Session;
use crate::{Context, Error, FieldCipher, Fields, session};

/// The deepest nesting that is read: what serde_json reads, so that a document that is sealed here is read elsewhere.
pub(crate) const MAX_DEPTH: usize = 127;

impl FieldCipher {
    /// Seals the fields of a JSON text, and leaves every other byte as it is.
    ///
    /// Names are found however they are escaped, and as often as they stand there. The text is validated as a whole.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidJson`], [`Error::TooDeep`] below 127 levels, or [`Error::Field`].
    ///
    /// # Example
    ///
    /// ```
    /// use palisade_crypto::{Context, FieldCipher, Fields, Key, Keyring};
    ///
    /// let cipher = FieldCipher::new(Keyring::single(Key::generate()?)?);
    /// let (fields, place) = (Fields::paths(["/total"]), Context::new("orders"));
    /// let body = br#"{ "id": 7,  "total": 12.50 }"#;
    /// let sealed = cipher.encrypt_json(body, &fields, &place)?;
    /// assert!(sealed.starts_with(br#"{ "id": 7,  "total": "pl1."#));
    /// assert_eq!(*cipher.decrypt_json(&sealed, &fields, &place)?, *body);
    /// # Ok::<(), palisade_crypto::Error>(())
    /// ```
    pub fn encrypt_json<'a>(
        &self,
        text: &'a [u8],
        fields: &Fields,
        place: &Context<'_>,
    ) -> Result<Cow<'a, [u8]>, Error> {
        Ok(cow(self.seal_document(text, fields, place)?, text))
    }

    /// Opens the fields of a JSON text, and leaves every other byte as it is.
    ///
    /// # Errors
    ///
    /// As [`encrypt_json`](Self::encrypt_json); a field that is not sealed is one.
    pub fn decrypt_json<'a>(
        &self,
        text: &'a [u8],
        fields: &Fields,
        place: &Context<'_>,
    ) -> Result<Cow<'a, [u8]>, Error> {
        Ok(cow(self.open_document(text, fields, place)?, text))
    }

    /// `None` when there was nothing to seal.
    pub(crate) fn seal_document(
        &self,
        text: &[u8],
        fields: &Fields,
        place: &Context<'_>,
    ) -> Result<Option<Vec<u8>>, Error> {
        let session = self.session();
        let mut sealer = Sealer::new(&session);
        rewrite(text, fields, place.path_text(), |path, raw, out| {
            out.push(b'"');
            seal_raw(&mut sealer, raw, &place.path(path), out)?;
            out.push(b'"');
            Ok(())
        })
    }

    /// `None` when there was nothing to open.
    pub(crate) fn open_document(
        &self,
        text: &[u8],
        fields: &Fields,
        place: &Context<'_>,
    ) -> Result<Option<Vec<u8>>, Error> {
        let session = self.session();
        rewrite(text, fields, place.path_text(), |path, raw, out| {
            open_raw(&session, raw, &place.path(path), out)
        })
    }
}

fn cow(changed: Option<Vec<u8>>, text: &[u8]) -> Cow<'_, [u8]> {
    changed.map_or(Cow::Borrowed(text), Cow::Owned)
}

/// Seals a value as it stands in a document.
fn seal_raw(
    sealer: &mut Sealer<'_, '_>,
    raw: &str,
    place: &Context<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    match unquoted(raw) {
        // A text that no Rust string can hold, with half of a surrogate pair, is kept as it was written.
        None => sealer.seal(Kind::Json, raw.as_bytes(), place, out),
        Some(text) => sealer.seal(Kind::Text, text.as_bytes(), place, out),
    }
}

/// Opens a value as it stands in a document.
fn open_raw(
    session: &Session<'_>,
    raw: &str,
    place: &Context<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let Some(sealed) = unquoted(raw) else {
        if session.plaintext_allowed() {
            out.extend_from_slice(raw.as_bytes());
            return Ok(());
        }
        return Err(Error::NotSealed);
    };
    let write = |kind, content: &[u8]| match kind {
        Kind::Text => {
            serde_json::to_writer(&mut *out, session::text(content)?).map_err(|_| Error::Malformed)
        }
        Kind::Json => {
            out.extend_from_slice(content);
            Ok(())
        }
        Kind::Bytes => Err(session::wrong_type(Kind::Json, kind)),
    };
    if session
        .open(&sealed, place, session.untyped(), write)?
        .is_none()
    {
        // Plaintext that may pass stays as it was written.
        out.extend_from_slice(raw.as_bytes());
    }
    Ok(())
}

/// Decodes a JSON string, if `raw` is one that a Rust string can hold.
fn unquoted(raw: &str) -> Option<Unquoted<'_>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if !inner.as_bytes().contains(&b'\\') {
        return Some(Unquoted::AsWritten(inner));
    }
    let text: String = serde_json::from_str(raw).ok()?;
    Some(Unquoted::Unescaped(Zeroizing::new(text)))
}

enum Unquoted<'a> {
    AsWritten(&'a str),
    Unescaped(Zeroizing<String>),
}

impl Deref for Unquoted<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::AsWritten(text) => text,
            Self::Unescaped(text) => text,
        }
    }
}
