//! Moving stored values to the primary key.

use serde_json::Value;

use crate::dictionary::replace_fields;
use crate::session::Session;
use crate::{Context, Error, FieldCipher, Fields, format};

/// The outcome of [`FieldCipher::reencrypt`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Reencrypted {
    /// It is under the primary key and the present suite already.
    Unchanged,
    /// The value to store in its stead.
    Rotated(String),
}

impl FieldCipher {
    /// Seals anew what an earlier key, another suite or a legacy format sealed, and plaintext while it is
    /// [permitted](Self::insecure_allow_plaintext_until); safe to repeat, and to run while others read.
    ///
    /// What was sealed keeps its type. Legacy values and plaintext carry none, and become what
    /// [`untyped`](Self::untyped) says.
    ///
    /// # Errors
    ///
    /// As [`decrypt_str`](Self::decrypt_str); [`Error::WrongType`] when a value without a type is not of the one that
    /// [`untyped`](Self::untyped) says. A value under the primary key is not opened, so it is not checked either.
    pub fn reencrypt(&self, sealed: &str, place: &Context<'_>) -> Result<Reencrypted, Error> {
        reencrypt(&self.session(), sealed, place)
    }

    /// Seals the fields of a document anew, in place, and says how many had to be.
    ///
    /// Plaintext, while it is permitted, keeps the type that it has in the document.
    ///
    /// # Errors
    ///
    /// [`Error::Field`] with the path of the first field that does not open; the document is then as it was.
    pub fn reencrypt_fields(
        &self,
        document: &mut Value,
        fields: &Fields,
        place: &Context<'_>,
    ) -> Result<usize, Error> {
        let session = self.session();
        replace_fields(document, fields, place, |value, place| {
            let mut out = String::new();
            match value.as_str() {
                Some(stored) => match move_over(&session, stored, place, &mut out)? {
                    Moved::Unchanged => return Ok(None),
                    Moved::Rotated => {}
                    Moved::Plaintext => session.seal_value(value, place, &mut out)?,
                },
                None if session.plaintext_allowed() => {
                    session.seal_value(value, place, &mut out)?;
                }
                None => return Err(Error::NotSealed),
            }
            Ok(Some(Value::String(out)))
        })
    }

    /// Starts a walk over stored values, which counts what it does.
    #[must_use]
    pub fn reencryption(&self) -> Reencryption {
        Reencryption {
            cipher: self.clone(),
            progress: Progress::default(),
        }
    }
}

fn reencrypt(
    session: &Session<'_>,
    sealed: &str,
    place: &Context<'_>,
) -> Result<Reencrypted, Error> {
    let mut out = String::new();
    match move_over(session, sealed, place, &mut out)? {
        Moved::Unchanged => return Ok(Reencrypted::Unchanged),
        Moved::Rotated => {}
        Moved::Plaintext => session.untyped().read(sealed.as_bytes(), |kind, content| {
            session.seal(kind, content, place, &mut out)
        })?,
    }
    Ok(Reencrypted::Rotated(out))
}

enum Moved {
    Unchanged,
    Rotated,
    /// It may pass, and was counted, but nothing was sealed yet.
    Plaintext,
}

/// Appends the value sealed anew to `out`, if it is to be moved.
fn move_over(
    session: &Session<'_>,
    stored: &str,
    place: &Context<'_>,
    out: &mut String,
) -> Result<Moved, Error> {
    match format::inspect(stored) {
        Ok((suite, key)) if key == session.keys().sealing().id && suite == session.suite() => {
            return Ok(Moved::Unchanged);
        }
        // A legacy format, if there is a reader for it, or plaintext, if it may pass.
        Ok(_) | Err(Error::NotSealed) => {}
        Err(error) => return Err(error),
    }
    let seal = |kind, content: &[u8]| session.seal(kind, content, place, out);
    Ok(
        match session.open(stored, place, session.untyped(), seal)? {
            Some(()) => Moved::Rotated,
            None => Moved::Plaintext,
        },
    )
}

/// A walk over stored values that seals anew what must be, and counts.
///
/// The records come from wherever they are stored, in your own loop, so that a walk can stop, go on another day, or run
/// beside others.
///
/// # Example
///
/// ```
/// use palisade_crypto::{Context, FieldCipher, Key, KeyId, Keyring, Reencrypted};
///
/// let old = Key::generate()?;
/// let place = Context::new("users").path("/email");
/// let before = FieldCipher::new(Keyring::builder().primary(KeyId(1), old.clone()).build()?);
/// let mut stored = vec![before.encrypt_str("a@b.c", &place)?, before.encrypt_str("d@e.f", &place)?];
///
/// let keys = Keyring::builder().primary(KeyId(2), Key::generate()?).decrypt_only(KeyId(1), old).build()?;
/// let mut walk = FieldCipher::new(keys).reencryption();
/// for value in &mut stored {
///     if let Ok(Reencrypted::Rotated(sealed)) = walk.step(value, &place) {
///         *value = sealed;
///     }
/// }
/// assert_eq!((walk.progress().rotated, walk.progress().failed), (2, 0));
/// # Ok::<(), palisade_crypto::Error>(())
/// ```
#[derive(Debug)]
pub struct Reencryption {
    cipher: FieldCipher,
    progress: Progress,
}

/// The progress of a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Progress {
    /// Values that were under the primary key already.
    pub unchanged: u64,
    /// Values that were sealed anew.
    pub rotated: u64,
    /// Values that did not open.
    pub failed: u64,
}

impl Progress {
    /// All values so far.
    #[must_use]
    pub const fn seen(&self) -> u64 {
        self.unchanged + self.rotated + self.failed
    }
}

impl Reencryption {
    /// The next value.
    ///
    /// # Errors
    ///
    /// As [`FieldCipher::reencrypt`]; it is counted, and the walk may go on.
    pub fn step(&mut self, sealed: &str, place: &Context<'_>) -> Result<Reencrypted, Error> {
        let done = self.cipher.reencrypt(sealed, place);
        let count = match &done {
            Ok(Reencrypted::Unchanged) => &mut self.progress.unchanged,
            Ok(Reencrypted::Rotated(_)) => &mut self.progress.rotated,
            Err(_) => &mut self.progress.failed,
        };
        *count += 1;
        done
    }

    /// Returns its progress.
    #[must_use]
    pub const fn progress(&self) -> Progress {
        self.progress
    }
}
