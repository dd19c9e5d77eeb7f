use std::fmt;
use std::future::Future;

use crate::{Context, FieldCipher, Key, Keyring};

/// A service that keeps a master key, and wraps other keys with it: a KMS such as that of AWS, an HSM, or the
/// [`LocalMasterKey`] of a developer.
///
/// The context goes with a wrapped key: names and values that the service authenticates and does not hide, such as the
/// encryption context of AWS KMS. A key that was wrapped for one context is not unwrapped for another.
///
/// # Example
///
/// ```
/// use palisade_crypto::{Key, KeyManagement, KeyManagementError};
///
/// # struct Client;
/// # impl Client {
/// #     async fn encrypt(&self, _: &[u8], _: &[(&str, &str)]) -> Result<Vec<u8>, std::io::Error> { Ok(Vec::new()) }
/// #     async fn decrypt(&self, _: &[u8], _: &[(&str, &str)]) -> Result<[u8; 32], std::io::Error> { Ok([0; 32]) }
/// # }
/// struct Kms(Client);
///
/// impl KeyManagement for Kms {
///     async fn wrap(&self, key: &Key, context: &[(&str, &str)]) -> Result<Vec<u8>, KeyManagementError> {
///         let wrapped = self.0.encrypt(key.expose_bytes(), context).await;
///         wrapped.map_err(|error| KeyManagementError::new(format!("could not be reached: {}", error.kind())))
///     }
///
///     async fn unwrap(&self, wrapped: &[u8], context: &[(&str, &str)]) -> Result<Key, KeyManagementError> {
///         let key = self.0.decrypt(wrapped, context).await;
///         let key = key.map_err(|error| KeyManagementError::new(format!("could not be reached: {}", error.kind())))?;
///         Key::from_bytes(key).map_err(|error| KeyManagementError::new(error.to_string()))
///     }
/// }
/// ```
pub trait KeyManagement: Send + Sync {
    /// Wraps a key for a context.
    ///
    /// It may be dropped at any time, and must bound its own time.
    ///
    /// # Errors
    ///
    /// Whatever goes wrong, in words that hold no key.
    fn wrap(
        &self,
        key: &Key,
        context: &[(&str, &str)],
    ) -> impl Future<Output = Result<Vec<u8>, KeyManagementError>> + Send;

    /// Unwraps a key that was wrapped for this context.
    ///
    /// It may be dropped at any time, and must bound its own time.
    ///
    /// # Errors
    ///
    /// Whatever goes wrong, in words that hold no key.
    fn unwrap(
        &self,
        wrapped: &[u8],
        context: &[(&str, &str)],
    ) -> impl Future<Output = Result<Key, KeyManagementError>> + Send;
}

/// The reason why a service did not wrap or unwrap a key.
#[derive(thiserror::Error, Clone, PartialEq, Eq)]
#[error("{0}")]
pub struct KeyManagementError(Box<str>);

impl KeyManagementError {
    /// An error with this message, which is shown to operators and must not hold a key.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into().into())
    }
}

palisade_core::debug_as_display!(KeyManagementError);

/// A master key in this process, for development and tests: keys are wrapped as in production, without a service.
///
/// # Security
///
/// Whatever reads the memory or the configuration of the process has the master key. In production use a service that does
/// not give it away.
#[derive(Clone)]
pub struct LocalMasterKey(FieldCipher);

impl LocalMasterKey {
    /// This master key.
    ///
    /// # Errors
    ///
    /// As [`Keyring::single`].
    pub fn new(key: Key) -> Result<Self, crate::Error> {
        Ok(Self(FieldCipher::new(Keyring::single(key)?)))
    }
}

/// The context of a wrapped key as one text, in which no part can run into the next.
fn bound(context: &[(&str, &str)]) -> String {
    serde_json::Value::from_iter(
        context
            .iter()
            .map(|(name, value)| serde_json::Value::from_iter([*name, *value])),
    )
    .to_string()
}

const PLACE: Context<'static> = Context::new("palisade-crypto wrapped key");

impl KeyManagement for LocalMasterKey {
    async fn wrap(
        &self,
        key: &Key,
        context: &[(&str, &str)],
    ) -> Result<Vec<u8>, KeyManagementError> {
        let place = bound(context);
        self.0
            .encrypt_bytes(key.expose_bytes(), &PLACE.record_id(&place))
            .map(String::into_bytes)
            .map_err(|error| KeyManagementError::new(error.to_string()))
    }

    async fn unwrap(
        &self,
        wrapped: &[u8],
        context: &[(&str, &str)],
    ) -> Result<Key, KeyManagementError> {
        let place = bound(context);
        let refused =
            || KeyManagementError::new("the wrapped key is not of this master key and context");
        let text = std::str::from_utf8(wrapped).map_err(|_| refused())?;
        self.0
            .decrypt_to_key(text, &PLACE.record_id(&place))
            .map_err(|_| refused())
    }
}

impl fmt::Debug for LocalMasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalMasterKey([redacted])")
    }
}
