use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arc_swap::ArcSwap;
use palisade_core::time::{UnixTime, WallClock};
use serde_json::Value;

use crate::format::Kind;
use crate::keyring::Keys;
use crate::session::{Alias, Options, Session, text, value_of, wrong_type};
use crate::{Context, Error, Key, Keyring, LegacyReader, Suite, Untyped};

/// Seals values for their place, and opens them there.
///
/// Clones share the keyring, so that [`swap_keyring`](Self::swap_keyring) reaches all of them.
///
/// # Example
///
/// ```
/// use palisade_crypto::{Context, FieldCipher, Key, Keyring};
///
/// let cipher = FieldCipher::new(Keyring::single(Key::generate()?)?);
/// let place = Context::new("users").path("/email").tenant("t1");
/// let sealed = cipher.encrypt_str("a@b.c", &place)?;
/// assert!(sealed.starts_with("pl1."));
/// assert_eq!(cipher.decrypt_str(&sealed, &place)?, "a@b.c");
/// assert!(cipher.decrypt_str(&sealed, &place.tenant("t2")).is_err());
/// # Ok::<(), palisade_crypto::Error>(())
/// ```
///
/// # Security
///
/// Opened values are yours to wipe. Where this crate itself holds keys and plaintexts it wipes them; the key schedules
/// that live inside `ring` during one call are not wiped.
#[derive(Clone)]
pub struct FieldCipher {
    keys: Arc<ArcSwap<Keys>>,
    options: Arc<Options>,
}

impl FieldCipher {
    /// A cipher with these keys, suite `01`, that opens nothing but sealed values.
    #[must_use]
    pub fn new(keys: Keyring) -> Self {
        Self {
            keys: Arc::new(ArcSwap::new(keys.0)),
            options: Arc::default(),
        }
    }

    fn with(self, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = (*self.options).clone();
        change(&mut options);
        Self {
            options: Arc::new(options),
            ..self
        }
    }

    /// Sets the suite that seals; default [`Suite::Xaes`]. Every suite is opened.
    #[must_use]
    pub fn suite(self, suite: Suite) -> Self {
        self.with(|options| options.suite = suite)
    }

    /// Adds the earlier name of a path of this record type, so that what was sealed there opens here.
    #[must_use]
    pub fn add_alias(self, record_type: &str, path: &str, earlier_path: &str) -> Self {
        self.with(|options| {
            options.aliases.push(Alias {
                record_type: record_type.into(),
                path: path.into(),
                earlier: earlier_path.into(),
            });
        })
    }

    /// Opens, while data moves over, what another program sealed, whatever does not start with `pl1.`; default nothing.
    #[must_use]
    pub fn legacy(self, reader: LegacyReader) -> Self {
        self.with(|options| options.legacy = Some(reader))
    }

    /// Lets values pass that are not sealed, while data moves over, until a fixed time; default never.
    ///
    /// Whatever starts with `pl1.` must still open; anything else counts as plaintext, and is counted in
    /// [`plaintext_seen`](Self::plaintext_seen). Somebody who can write to the store can plant plaintext meanwhile.
    #[must_use]
    pub fn insecure_allow_plaintext_until(self, time: UnixTime) -> Self {
        self.with(|options| options.plaintext_until = Some(time))
    }

    /// Sets the type of values that do not carry one, which are legacy values and permitted plaintext; default
    /// [`Untyped::Text`].
    ///
    /// It decides for [`reencrypt`](Self::reencrypt), for [`decrypt_value`](Self::decrypt_value) and for legacy values in
    /// documents; [`decrypt_str`](Self::decrypt_str) and [`decrypt_bytes`](Self::decrypt_bytes) say the type themselves.
    /// Where some fields hold bytes, use a clone with another type for them: clones share the keyring.
    #[must_use]
    pub fn untyped(self, untyped: Untyped) -> Self {
        self.with(|options| options.untyped = untyped)
    }

    /// Sets the clock that ends the permission for plaintext; default the system's.
    #[must_use]
    pub fn clock(self, clock: WallClock) -> Self {
        self.with(|options| options.clock = clock)
    }

    /// Returns how many values passed that were not sealed, in all clones since the start.
    #[must_use]
    pub fn plaintext_seen(&self) -> u64 {
        self.options.plaintext_seen.load(Ordering::Relaxed)
    }

    /// Replaces the keyring, for all clones, without blocking any call.
    ///
    /// A call that is sealing at that moment may still use the old keys, so the new keyring should open what they seal.
    pub fn swap_keyring(&self, keys: Keyring) {
        self.keys.store(keys.0);
    }

    /// Returns the present keyring.
    #[must_use]
    pub fn keyring(&self) -> Keyring {
        Keyring(self.keys.load_full())
    }

    /// Seals a text.
    ///
    /// # Errors
    ///
    /// [`Error::Random`], or [`Error::CannotSeal`] above 1 GiB.
    pub fn encrypt_str(&self, text: &str, place: &Context<'_>) -> Result<String, Error> {
        self.encrypt(Kind::Text, text.as_bytes(), place)
    }

    /// Opens a text.
    ///
    /// # Errors
    ///
    /// [`Error::NotSealed`], [`Error::Malformed`], [`Error::UnknownKey`], [`Error::Refused`] when it does not belong
    /// here, [`Error::WrongType`] when something else than a text was sealed, or a legacy value is not UTF-8.
    pub fn decrypt_str(&self, sealed: &str, place: &Context<'_>) -> Result<String, Error> {
        let read = |kind, content: &[u8]| match kind {
            Kind::Text => Ok(text(content)?.to_owned()),
            other => Err(wrong_type(Kind::Text, other)),
        };
        let opened = self.session().open(sealed, place, Untyped::Text, read)?;
        Ok(opened.unwrap_or_else(|| sealed.to_owned()))
    }

    /// Seals bytes.
    ///
    /// # Errors
    ///
    /// As [`encrypt_str`](Self::encrypt_str).
    pub fn encrypt_bytes(&self, bytes: &[u8], place: &Context<'_>) -> Result<String, Error> {
        self.encrypt(Kind::Bytes, bytes, place)
    }

    /// Opens bytes. Of a legacy value they are whatever was sealed; permitted plaintext is its own bytes.
    ///
    /// # Errors
    ///
    /// As [`decrypt_str`](Self::decrypt_str).
    pub fn decrypt_bytes(&self, sealed: &str, place: &Context<'_>) -> Result<Vec<u8>, Error> {
        let read = |kind, content: &[u8]| match kind {
            Kind::Bytes => Ok(content.to_vec()),
            other => Err(wrong_type(Kind::Bytes, other)),
        };
        let opened = self.session().open(sealed, place, Untyped::Bytes, read)?;
        Ok(opened.unwrap_or_else(|| sealed.as_bytes().to_vec()))
    }

    /// Seals any JSON value with its type: `"123"` comes back as a text and `123` as a number.
    ///
    /// # Errors
    ///
    /// As [`encrypt_str`](Self::encrypt_str).
    pub fn encrypt_value(&self, value: &Value, place: &Context<'_>) -> Result<String, Error> {
        let mut out = String::new();
        self.session().seal_value(value, place, &mut out)?;
        Ok(out)
    }

    /// Opens a JSON value, which is a text if it was sealed as one.
    ///
    /// # Errors
    ///
    /// As [`decrypt_str`](Self::decrypt_str); bytes are of the wrong type.
    pub fn decrypt_value(&self, sealed: &str, place: &Context<'_>) -> Result<Value, Error> {
        let session = self.session();
        match session.open_value(sealed, place)? {
            Some(value) => Ok(value),
            None => session.untyped().read(sealed.as_bytes(), value_of),
        }
    }

    /// Opens bytes that are a key, without a copy that is not wiped.
    pub(crate) fn decrypt_to_key(&self, sealed: &str, place: &Context<'_>) -> Result<Key, Error> {
        let read = |kind, content: &[u8]| match kind {
            Kind::Bytes => Key::from_slice(content),
            other => Err(wrong_type(Kind::Bytes, other)),
        };
        let opened = self.session().open(sealed, place, Untyped::Bytes, read)?;
        opened.ok_or(Error::NotSealed)
    }

    fn encrypt(&self, kind: Kind, content: &[u8], place: &Context<'_>) -> Result<String, Error> {
        let mut out = String::new();
        self.session().seal(kind, content, place, &mut out)?;
        Ok(out)
    }

    /// The keys as they are now, for as long as one value or one document takes.
    pub(crate) fn session(&self) -> Session<'_> {
        Session::new(self.keys.load(), &self.options)
    }
}

impl fmt::Debug for FieldCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FieldCipher")
            .field("keys", &self.keyring())
            .field("suite", &self.options.suite)
            .finish_non_exhaustive()
    }
}
