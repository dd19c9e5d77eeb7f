use std::fmt;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_kms::Client;
use aws_sdk_kms::config::timeout::TimeoutConfig;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::primitives::Blob;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use palisade_core::Problems;
use zeroize::Zeroizing;

use crate::{Error, Key, KeyManagement, KeyManagementError};

/// AWS KMS, through the official SDK.
///
/// Keys are wrapped by `Encrypt` and unwrapped by `Decrypt`, with the context as the encryption context, so that it is
/// authenticated and shows in CloudTrail, and policies can ask for it (`kms:EncryptionContext:keyset`). Rotation of the
/// master key by AWS needs nothing here. An attempt may take 5 seconds; the SDK makes up to three.
///
/// # Example
///
/// ```no_run
/// # async fn example() -> Result<(), palisade_crypto::Error> {
/// use palisade_crypto::{AwsKms, FieldCipher, WrappedKeyset};
///
/// let kms = AwsKms::from_env("alias/bookings").await?;
/// let stored = std::fs::read_to_string("keyset.json").unwrap_or_default();
/// let cipher = FieldCipher::new(WrappedKeyset::from_json(&stored)?.unwrap(&kms).await?);
/// # let _ = cipher;
/// # Ok(())
/// # }
/// ```
///
/// # Security
///
/// The SDK holds an unwrapped key in memory for the time of a call, and does not wipe it there.
#[derive(Clone)]
pub struct AwsKms {
    client: Client,
    key_id: Box<str>,
}

impl AwsKms {
    /// The key with this id, ARN or alias, as the environment says: `AWS_REGION` (default `us-east-1`),
    /// `AWS_ENDPOINT_URL`, and credentials wherever the SDK finds them. Nothing is asked for yet.
    ///
    /// # Errors
    ///
    /// [`Error::Configuration`] when `key_id` is empty, or `AWS_REGION` is empty or not UTF-8.
    pub async fn from_env(key_id: &str) -> Result<Self, Error> {
        let mut problems = Problems::none();
        if key_id.is_empty() {
            problems.push("key_id", "is empty");
        }
        let region = match std::env::var_os("AWS_REGION").map(std::ffi::OsString::into_string) {
            None => "us-east-1".to_owned(),
            Some(Ok(region)) if !region.is_empty() => region,
            Some(_) => {
                problems.push("AWS_REGION", "is empty or not UTF-8");
                String::new()
            }
        };
        problems.into_result(())?;
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let times = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(2))
            .operation_attempt_timeout(Duration::from_secs(5));
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(region))
            .http_client(http)
            .timeout_config(times.build())
            .load()
            .await;
        Ok(Self::from_client(Client::new(&config), key_id))
    }

    /// Through a client of yours, with its own region, credentials and times.
    #[must_use]
    pub fn from_client(client: Client, key_id: &str) -> Self {
        Self {
            client,
            key_id: key_id.into(),
        }
    }
}

impl KeyManagement for AwsKms {
    async fn wrap(
        &self,
        key: &Key,
        context: &[(&str, &str)],
    ) -> Result<Vec<u8>, KeyManagementError> {
        let mut call = self
            .client
            .encrypt()
            .key_id(&*self.key_id)
            .plaintext(Blob::new(key.expose_bytes().to_vec()));
        for (name, value) in context {
            call = call.encryption_context(*name, *value);
        }
        let answer = call.send().await.map_err(|error| failure(&error))?;
        match answer.ciphertext_blob {
            Some(wrapped) => Ok(wrapped.into_inner()),
            None => Err(KeyManagementError::new("answered without a ciphertext")),
        }
    }

    async fn unwrap(
        &self,
        wrapped: &[u8],
        context: &[(&str, &str)],
    ) -> Result<Key, KeyManagementError> {
        // The key is named, so that a ciphertext of another key that the service may use is refused.
        let mut call = self
            .client
            .decrypt()
            .key_id(&*self.key_id)
            .ciphertext_blob(Blob::new(wrapped));
        for (name, value) in context {
            call = call.encryption_context(*name, *value);
        }
        let answer = call.send().await.map_err(|error| failure(&error))?;
        let plain = answer.plaintext.map(Blob::into_inner).map(Zeroizing::new);
        plain
            .and_then(|plain| Key::from_slice(&plain).ok())
            .ok_or_else(|| KeyManagementError::new("answered without a key of 32 bytes"))
    }
}

/// The code of an error, or its kind; the messages of the SDK quote what was sent and received.
fn failure<E: ProvideErrorMetadata>(error: &SdkError<E>) -> KeyManagementError {
    KeyManagementError::new(match error {
        SdkError::ConstructionFailure(_) => {
            "the request could not be made, often for want of credentials".to_owned()
        }
        SdkError::TimeoutError(_) => "timed out".to_owned(),
        SdkError::DispatchFailure(_) => "could not be reached".to_owned(),
        SdkError::ServiceError(error) => match error.err().code() {
            Some(code) => format!("refused: {code}"),
            None => format!("refused: status {}", error.raw().status()),
        },
        _ => "answered what cannot be read".to_owned(),
    })
}

impl fmt::Debug for AwsKms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsKms")
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}
