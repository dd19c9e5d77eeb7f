//! Keys that change while the gateway runs.

use palisade::auth::{Algorithm, AuthError, HmacKeys, SigningKey, SigningKeys};
use palisade::crypto::{FieldCipher, Keyring};
use palisade::secrets::{ExposeSecret, Secret, Secrets};

use super::partners::Partners;

/// The secret with all keys of fields, as a keyset in JSON.
pub(super) const KEYSET: &str = "ENCRYPTION_KEYS";

/// Signs with the next private key once its source has it. It is published at once, and signs when others have had the
/// time to fetch it.
pub(super) fn follow_signing_key(secrets: &Secrets, name: &'static str, keys: SigningKeys) {
    follow(secrets, name, move |pem| {
        let next = private_key(pem.expose_secret()).map_err(|error| error.to_string())?;
        keys.rotate(next).map_err(|error| error.to_string())?;
        Ok(())
    });
}

/// Accepts the next shared secret once its source has it, and signs with it when the other gateways have it as well.
pub(super) fn follow_shared_secret(secrets: &Secrets, name: &'static str, keys: HmacKeys) {
    follow(secrets, name, move |secret| {
        let rotated = keys.rotate(secret.expose_secret());
        rotated.map(drop).map_err(|error| error.to_string())
    });
}

/// Seals with the primary key of the next keyset once its source has it. One that is not good leaves the keys as they are.
pub(super) fn follow_keyset(secrets: &Secrets, cipher: FieldCipher) {
    follow(secrets, KEYSET, move |keyset| {
        let keys = Keyring::from_json(keyset.expose_secret()).map_err(|error| error.to_string())?;
        cipher.swap_keyring(keys);
        Ok(())
    });
}

/// Takes over the next listing of API keys once its source has it. One that is not good leaves the keys as they are.
pub(super) fn follow_partners(secrets: &Secrets, name: &'static str, partners: Partners) {
    follow(secrets, name, move |listing| {
        partners.replace(listing.expose_secret())
    });
}

fn follow(
    secrets: &Secrets,
    name: &'static str,
    apply: impl Fn(&Secret) -> Result<(), String> + Send + 'static,
) {
    let mut watch = secrets.watch(name);
    tokio::spawn(async move {
        loop {
            let secret = watch.changed().await;
            match apply(&secret) {
                Ok(()) => tracing::warn!(name, version = secret.version_text(), "key rotated"),
                Err(error) => tracing::error!(name, error, "key not rotated"),
            }
        }
    });
}

/// A private key is for the algorithm that is usual for its type.
pub(super) fn private_key(pem: &str) -> Result<SigningKey, AuthError> {
    let read = |algorithm| SigningKey::from_pem(algorithm, pem);
    read(Algorithm::EdDSA)
        .or_else(|_| read(Algorithm::ES256))
        .or_else(|_| read(Algorithm::RS256))
}
