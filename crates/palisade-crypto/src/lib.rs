#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "aws-kms")]
mod aws_kms;
mod blind_index;
mod cipher;
mod context;
mod dictionary;
mod encrypted;
mod envelope;
mod error;
mod fields;
pub mod format;
mod json;
mod key;
mod key_management;
mod keyring;
mod keyset;
mod layer;
mod lengths;
mod matcher;
mod reencrypt;
mod sealer;
mod session;
mod suite;
mod untyped;

#[cfg(feature = "aws-kms")]
pub use aws_kms::AwsKms;
pub use blind_index::{BlindIndex, IndexToken, Normaliser};
pub use cipher::FieldCipher;
pub use context::Context;
pub use encrypted::Encrypted;
pub use envelope::{DataKey, Envelope};
pub use error::Error;
pub use fields::Fields;
pub use key::{Key, KeyId};
pub use key_management::{KeyManagement, KeyManagementError, LocalMasterKey};
pub use keyring::{Keyring, KeyringBuilder};
pub use keyset::WrappedKeyset;
#[cfg(feature = "metrics")]
pub use layer::REFUSED_TOTAL;
pub use layer::{
    Binding, FieldCrypto, FieldCryptoLayer, Mapped, RequestFuture, RequestHead, RequestTask,
    ResponseFuture, Untouched,
};
pub use reencrypt::{Progress, Reencrypted, Reencryption};
pub use suite::{LegacyReader, Suite};
pub use untyped::Untyped;

/// The guides of this repository, so that their code is compiled and run.
#[cfg(doctest)]
mod guides {
    #[doc = include_str!("../../../docs/guides/rotating-keys.md")]
    struct RotatingKeys;
    #[doc = include_str!("../../../docs/guides/moving-from-fernet.md")]
    struct MovingFromFernet;
}
