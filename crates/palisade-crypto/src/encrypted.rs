use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::{Context, Error, FieldCipher, Reencrypted, format};

/// A field of a struct that is stored sealed, and opened only where it is needed.
///
/// It holds the sealed text, which is what serde writes and reads; `T` says what opens. A text that is not sealed is
/// refused when it is read, unless the field is read with [`deserialize_unsealed`](Self::deserialize_unsealed).
///
/// # Example
///
/// ```
/// use palisade_crypto::{Context, Encrypted, FieldCipher, Key, Keyring};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct User {
///     name: String,
///     email: Encrypted<String>,
/// }
///
/// let cipher = FieldCipher::new(Keyring::single(Key::generate()?)?);
/// let place = Context::new("users").path("/email");
/// let user = User { name: "Ann".into(), email: Encrypted::seal("a@b.c", &cipher, &place)? };
/// let stored = serde_json::to_string(&user).unwrap();
/// assert!(!stored.contains("a@b.c"));
///
/// let read: User = serde_json::from_str(&stored).unwrap();
/// assert_eq!(read.email.open(&cipher, &place)?, "a@b.c");
/// # Ok::<(), palisade_crypto::Error>(())
/// ```
pub struct Encrypted<T> {
    held: Held,
    opens: PhantomData<fn() -> T>,
}

/// The stored form. What is not sealed is wiped on drop.
#[derive(Clone)]
enum Held {
    /// The text of a sealed value; of a legacy one or plaintext, if the field was read that way.
    Text(Zeroizing<String>),
    /// Plaintext that is no string, as JSON text.
    Json(Zeroizing<String>),
}

impl<T> Encrypted<T> {
    /// Seals a value for its place.
    ///
    /// # Errors
    ///
    /// [`Error::Random`], [`Error::CannotSeal`], or [`Error::WrongType`] for a value that JSON cannot hold.
    pub fn seal<V>(value: &V, cipher: &FieldCipher, place: &Context<'_>) -> Result<Self, Error>
    where
        V: Serialize + ?Sized,
        T: std::borrow::Borrow<V>,
    {
        let mut sealed = String::new();
        cipher.session().seal_any(value, place, &mut sealed)?;
        Ok(Self::of(sealed))
    }

    /// Opens the value at its place.
    ///
    /// # Errors
    ///
    /// As [`FieldCipher::decrypt_value`]; [`Error::WrongType`] when it is not a `T`.
    pub fn open(&self, cipher: &FieldCipher, place: &Context<'_>) -> Result<T, Error>
    where
        T: DeserializeOwned,
    {
        let value = match &self.held {
            Held::Text(stored) => cipher.decrypt_value(stored, place)?,
            Held::Json(json) if cipher.session().plaintext_allowed() => parsed(json)?,
            Held::Json(_) => return Err(Error::NotSealed),
        };
        // The message of serde_json may quote the value.
        serde_json::from_value(value).map_err(|_| Error::WrongType {
            wanted: std::any::type_name::<T>(),
            found: "another JSON value",
        })
    }

    /// Seals the value anew if it must be, as [`FieldCipher::reencrypt`] does, and says whether it was.
    ///
    /// # Errors
    ///
    /// As [`FieldCipher::reencrypt`]; the field is then as it was.
    pub fn reencrypt(&mut self, cipher: &FieldCipher, place: &Context<'_>) -> Result<bool, Error> {
        let sealed = match &self.held {
            Held::Text(stored) => match cipher.reencrypt(stored, place)? {
                Reencrypted::Unchanged => return Ok(false),
                Reencrypted::Rotated(sealed) => sealed,
            },
            Held::Json(json) if cipher.session().plaintext_allowed() => {
                cipher.encrypt_value(&parsed(json)?, place)?
            }
            Held::Json(_) => return Err(Error::NotSealed),
        };
        *self = Self::of(sealed);
        Ok(true)
    }

    /// The text as it is stored, which is sealed unless [`deserialize_unsealed`](Self::deserialize_unsealed) read it.
    #[must_use]
    pub fn stored(&self) -> &str {
        let (Held::Text(text) | Held::Json(text)) = &self.held;
        text
    }

    /// Reads a field that may not be sealed yet, for `#[serde(deserialize_with)]` while data moves over.
    ///
    /// Nothing is judged until the value is opened: then the cipher must have a [legacy
    /// reader](FieldCipher::legacy), or [permit plaintext](FieldCipher::insecure_allow_plaintext_until). What was not
    /// sealed is written back as it was read, until it is [re-encrypted](Self::reencrypt).
    ///
    /// # Errors
    ///
    /// Fails when the deserializer does.
    ///
    /// # Security
    ///
    /// Use it for what comes from your own store, not for what a client sends: that would be stored in clear.
    ///
    /// # Example
    ///
    /// ```
    /// use palisade_core::time::UnixTime;
    /// use palisade_crypto::{Context, Encrypted, FieldCipher, Key, Keyring};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct User {
    ///     #[serde(deserialize_with = "Encrypted::deserialize_unsealed")]
    ///     email: Encrypted<String>,
    /// }
    ///
    /// let until = UnixTime::from_secs(4_102_444_800);
    /// let cipher = FieldCipher::new(Keyring::single(Key::generate()?)?).insecure_allow_plaintext_until(until);
    /// let place = Context::new("users").path("/email");
    /// let mut user: User = serde_json::from_str(r#"{"email": "a@b.c"}"#).unwrap();
    /// assert_eq!(user.email.open(&cipher, &place)?, "a@b.c");
    /// assert!(user.email.reencrypt(&cipher, &place)?);
    /// assert!(user.email.stored().starts_with("pl1."));
    /// # Ok::<(), palisade_crypto::Error>(())
    /// ```
    pub fn deserialize_unsealed<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Self, D::Error> {
        Ok(Self {
            held: match Value::deserialize(deserializer)? {
                Value::String(text) => Held::Text(Zeroizing::new(text)),
                other => Held::Json(Zeroizing::new(other.to_string())),
            },
            opens: PhantomData,
        })
    }

    fn of(sealed: String) -> Self {
        Self {
            held: Held::Text(Zeroizing::new(sealed)),
            opens: PhantomData,
        }
    }
}

/// JSON that was written here.
fn parsed(json: &str) -> Result<Value, Error> {
    serde_json::from_str(json).map_err(|_| Error::Malformed)
}

impl<T> Clone for Encrypted<T> {
    fn clone(&self) -> Self {
        Self {
            held: self.held.clone(),
            opens: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Encrypted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encrypted([redacted])")
    }
}

impl<T> Serialize for Encrypted<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.held {
            Held::Text(text) => serializer.serialize_str(text),
            Held::Json(json) => parsed(json)
                .map_err(serde::ser::Error::custom)?
                .serialize(serializer),
        }
    }
}

impl<'de, T> Deserialize<'de> for Encrypted<T> {
    /// Refuses a text that is not sealed, so that plaintext is never taken for a sealed value.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let sealed = String::deserialize(deserializer)?;
        format::inspect(&sealed).map_err(D::Error::custom)?;
        Ok(Self::of(sealed))
    }
}
