use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Context, Error, FieldCipher, format};

/// A field of a struct that is stored sealed, and opened only where it is needed.
///
/// It holds the sealed text, which is what serde writes and reads; `T` says what opens.
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
    sealed: Box<str>,
    opens: PhantomData<fn() -> T>,
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
        let value = serde_json::to_value(value).map_err(|_| Error::WrongType {
            wanted: "a JSON value",
            found: "something else",
        })?;
        Ok(Self::of(cipher.encrypt_value(&value, place)?.into()))
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
        let value = cipher.decrypt_value(&self.sealed, place)?;
        // The message of serde_json may quote the value.
        serde_json::from_value(value).map_err(|_| Error::WrongType {
            wanted: std::any::type_name::<T>(),
            found: "another JSON value",
        })
    }

    /// The sealed text.
    #[must_use]
    pub const fn sealed(&self) -> &str {
        &self.sealed
    }

    const fn of(sealed: Box<str>) -> Self {
        Self {
            sealed,
            opens: PhantomData,
        }
    }
}

impl<T> Clone for Encrypted<T> {
    fn clone(&self) -> Self {
        Self::of(self.sealed.clone())
    }
}

impl<T> fmt::Debug for Encrypted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encrypted([redacted])")
    }
}

impl<T> Serialize for Encrypted<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.sealed)
    }
}

impl<'de, T> Deserialize<'de> for Encrypted<T> {
    /// Refuses a text that is not sealed, so that plaintext is never taken for a sealed value.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let sealed = Box::<str>::deserialize(deserializer)?;
        format::inspect(&sealed).map_err(D::Error::custom)?;
        Ok(Self::of(sealed))
    }
}
