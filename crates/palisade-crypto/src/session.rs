//! Sealing and opening with the keys as they are at one moment.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::Guard;
use palisade_core::random;
use palisade_core::time::{UnixTime, WallClock};
use serde::Serialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::format::{self, Blank, Kind, Output};
use crate::keyring::Keys;
use crate::suite::{Failed, Xaes};
use crate::{Context, Error, LegacyReader, Suite, Untyped};

#[derive(Clone, Default)]
pub(crate) struct Options {
    pub(crate) suite: Suite,
    pub(crate) aliases: Vec<Alias>,
    pub(crate) legacy: Option<LegacyReader>,
    pub(crate) untyped: Untyped,
    pub(crate) plaintext_until: Option<UnixTime>,
    pub(crate) plaintext_seen: Arc<AtomicU64>,
    pub(crate) clock: WallClock,
}

#[derive(Clone)]
pub(crate) struct Alias {
    pub(crate) record_type: Box<str>,
    pub(crate) path: Box<str>,
    pub(crate) earlier: Box<str>,
}

/// One keyring for one value or document.
pub(crate) struct Session<'a> {
    keys: Guard<Arc<Keys>>,
    options: &'a Options,
}

impl<'a> Session<'a> {
    pub(crate) const fn new(keys: Guard<Arc<Keys>>, options: &'a Options) -> Self {
        Self { keys, options }
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    pub(crate) fn suite(&self) -> Suite {
        self.options.suite
    }

    /// Appends the sealed value to `out`.
    pub(crate) fn seal(
        &self,
        kind: Kind,
        content: &[u8],
        place: &Context<'_>,
        out: &mut impl Output,
    ) -> Result<(), Error> {
        self.write(kind, content, place, out, |cipher, blank, additional| {
            *blank.nonce = random::nonce()?;
            match cipher.seal(blank.nonce, additional, blank.text) {
                Ok(tag) => *blank.tag = tag,
                Err(Failed) => return Err(Error::CannotSeal(Suite::Xaes)),
            }
            Ok(())
        })
    }

    /// Seals with suite `01` by `seal`, and with suite `02` by a nonce that is drawn for the value.
    #[inline]
    pub(crate) fn write(
        &self,
        kind: Kind,
        content: &[u8],
        place: &Context<'_>,
        out: &mut impl Output,
        seal: impl FnOnce(&Xaes, Blank<'_>, &[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let suite = self.options.suite;
        let entry = self.keys.sealing();
        format::write(suite, entry.id, kind, content, out, |blank| {
            place.additional_data(suite, entry.id, |additional| match suite {
                Suite::Xaes => seal(&entry.xaes, blank, additional),
                Suite::Committing => {
                    *blank.nonce = random::nonce()?;
                    let sealed = entry.committing.seal(blank.nonce, additional, blank.text);
                    let (commitment, tag) = sealed.map_err(|Failed| Error::CannotSeal(suite))?;
                    blank.commitment.copy_from_slice(&commitment);
                    *blank.tag = tag;
                    Ok(())
                }
            })
        })
    }

    pub(crate) fn seal_value(
        &self,
        value: &Value,
        place: &Context<'_>,
        out: &mut impl Output,
    ) -> Result<(), Error> {
        with_content(value, |kind, content| self.seal(kind, content, place, out))
    }

    /// Seals any value that JSON can hold, with the type that it has there.
    pub(crate) fn seal_any<V: Serialize + ?Sized>(
        &self,
        value: &V,
        place: &Context<'_>,
        out: &mut impl Output,
    ) -> Result<(), Error> {
        let json = written(value)?;
        Untyped::Json.read(&json, |kind, content| self.seal(kind, content, place, out))
    }

    /// The type of values that do not carry one, where the call does not say it.
    pub(crate) fn untyped(&self) -> Untyped {
        self.options.untyped
    }

    /// Hands what was stored to `read`, opened where it belongs, under its present path or an earlier one.
    ///
    /// `None` is plaintext, which may pass now and was counted. A legacy value is of the type `untyped`.
    pub(crate) fn open<T>(
        &self,
        stored: &str,
        place: &Context<'_>,
        untyped: Untyped,
        read: impl FnOnce(Kind, &[u8]) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        if format::is_sealed(stored) {
            return self.open_sealed(stored, place, read).map(Some);
        }
        if let Some(reader) = &self.options.legacy {
            match reader.open(stored, self.options.clock.now()) {
                Ok(plain) => return untyped.read(&plain, read).map(Some),
                // It has not the form of a legacy value, so it may be plaintext.
                Err(Error::Malformed) if self.plaintext_allowed() => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        if self.plaintext_allowed() {
            Ok(None)
        } else {
            Err(Error::NotSealed)
        }
    }

    fn open_sealed<T>(
        &self,
        sealed: &str,
        place: &Context<'_>,
        read: impl FnOnce(Kind, &[u8]) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut read = Some(read);
        let mut attempt = |place: &Context<'_>| self.open_at(sealed, place, &mut read);
        let mut outcome = attempt(place);
        for alias in &self.options.aliases {
            if !matches!(outcome, Err(Error::Refused)) {
                break;
            }
            if *alias.record_type == *place.record_type_text() && *alias.path == *place.path_text()
            {
                outcome = attempt(&place.path(&alias.earlier));
            }
        }
        outcome
    }

    fn open_at<T>(
        &self,
        sealed: &str,
        place: &Context<'_>,
        read: &mut Option<impl FnOnce(Kind, &[u8]) -> Result<T, Error>>,
    ) -> Result<T, Error> {
        format::with_parts(sealed, |parts| {
            let entry = self.keys.entry(parts.key)?;
            let opened =
                place.additional_data(parts.suite, parts.key, |additional| match parts.suite {
                    Suite::Xaes => entry.xaes.open(parts.nonce, additional, parts.text_and_tag),
                    Suite::Committing => {
                        let commitment = parts.commitment.try_into();
                        entry.committing.open(
                            parts.nonce,
                            commitment.map_err(|_| Failed)?,
                            additional,
                            parts.text_and_tag,
                        )
                    }
                });
            // No `ok_or` for what opens: it would make an error each time.
            let Ok([code, content @ ..]) = opened.as_deref() else {
                return Err(Error::Refused);
            };
            let Some(kind) = Kind::from_code(*code) else {
                return Err(Error::Malformed);
            };
            // It is taken once, because nothing opens twice.
            match read.take() {
                Some(read) => read(kind, content),
                None => Err(Error::Refused),
            }
        })
    }

    /// As [`open`](Self::open), for a JSON value.
    pub(crate) fn open_value(
        &self,
        stored: &str,
        place: &Context<'_>,
    ) -> Result<Option<Value>, Error> {
        self.open(stored, place, self.untyped(), value_of)
    }

    /// Whether a value that is not sealed may pass now; if so, one is counted.
    pub(crate) fn plaintext_allowed(&self) -> bool {
        let allowed = self
            .options
            .plaintext_until
            .is_some_and(|until| self.options.clock.now() < until);
        if allowed {
            self.options.plaintext_seen.fetch_add(1, Ordering::Relaxed);
        }
        allowed
    }
}

/// Hands a value to `seal` with its type.
pub(crate) fn with_content<T>(
    value: &Value,
    seal: impl FnOnce(Kind, &[u8]) -> Result<T, Error>,
) -> Result<T, Error> {
    if let Value::String(text) = value {
        return seal(Kind::Text, text.as_bytes());
    }
    seal(Kind::Json, &written(value)?)
}

/// A value as JSON, in memory that is wiped. It is measured first, because a buffer that grows leaves copies behind.
fn written<V: Serialize + ?Sized>(value: &V) -> Result<Zeroizing<Vec<u8>>, Error> {
    struct Length(usize);
    impl io::Write for Length {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    // The message of serde_json may quote the value.
    let wrong = |_| Error::WrongType {
        wanted: "a JSON value",
        found: "something else",
    };
    let mut length = Length(0);
    serde_json::to_writer(&mut length, value).map_err(wrong)?;
    let mut json = Zeroizing::new(Vec::with_capacity(length.0));
    serde_json::to_writer(&mut *json, value).map_err(wrong)?;
    Ok(json)
}

pub(crate) fn value_of(kind: Kind, content: &[u8]) -> Result<Value, Error> {
    match kind {
        Kind::Text => Ok(Value::String(text(content)?.to_owned())),
        Kind::Json => serde_json::from_slice(content).map_err(|_| Error::Malformed),
        Kind::Bytes => Err(wrong_type(Kind::Json, kind)),
    }
}

pub(crate) fn text(content: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(content).map_err(|_| Error::Malformed)
}

pub(crate) fn wrong_type(wanted: Kind, found: Kind) -> Error {
    Error::WrongType {
        wanted: wanted.name(),
        found: found.name(),
    }
}
