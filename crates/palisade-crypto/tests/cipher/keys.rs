//! A keyring, and the place and the key of what is sealed.

use palisade_crypto::{Context, Key, KeyId, Keyring};

pub(crate) fn ring(primary: (u32, &Key), others: &[(u32, &Key)]) -> Keyring {
    let mut builder = Keyring::builder().primary(KeyId(primary.0), primary.1.clone());
    for (id, key) in others {
        builder = builder.decrypt_only(KeyId(*id), (*key).clone());
    }
    builder.build().unwrap()
}

pub(crate) const PLACE: Context<'static> = Context::new("users").path("/email");

// Sealed with Python's `cryptography` package: AESGCM(bytes of KEY).encrypt(nonce, b"a@b.c", b"users") after the nonce.
pub(crate) const LEGACY_KEY: &str = "ax8Mo9lOgnW4DGH9OpfiRRCL1vksf0OuXQaykY41x/Q=";

pub(crate) const LEGACY: &str = "AAAAAAAAAAAAAAAAIn8pMIL95u8LsbhzOlf+y4VGI28L";
