#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod blind_index;
mod cipher;
mod context;
mod dictionary;
mod error;
mod fields;
pub mod format;
mod json;
mod key;
mod keyring;
mod layer;
mod suite;

pub use blind_index::{BlindIndex, IndexToken, Normaliser};
pub use cipher::{FieldCipher, Reencrypted};
pub use context::Context;
pub use error::Error;
pub use fields::Fields;
pub use key::{Key, KeyId};
pub use keyring::{Keyring, KeyringBuilder};
pub use layer::{Binding, FieldCrypto, FieldCryptoLayer, RequestHead, ResponseFuture};
pub use suite::Suite;
