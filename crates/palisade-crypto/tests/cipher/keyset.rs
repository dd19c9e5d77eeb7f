//! Keys that a service wraps.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use palisade_crypto::{
    Context, Error, FieldCipher, Key, KeyId, KeyManagement, KeyManagementError, LocalMasterKey,
    WrappedKeyset,
};

/// A local master key that counts, and that can be down.
struct Service {
    master: LocalMasterKey,
    calls: AtomicUsize,
    down: AtomicBool,
}

impl Service {
    fn new() -> Self {
        Self {
            master: LocalMasterKey::new(Key::generate().unwrap()).unwrap(),
            calls: AtomicUsize::new(0),
            down: AtomicBool::new(false),
        }
    }

    fn called(&self) -> Result<(), KeyManagementError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if self.down.load(Ordering::Relaxed) {
            return Err(KeyManagementError::new("could not be reached"));
        }
        Ok(())
    }
}

impl KeyManagement for Service {
    async fn wrap(
        &self,
        key: &Key,
        context: &[(&str, &str)],
    ) -> Result<Vec<u8>, KeyManagementError> {
        self.called()?;
        self.master.wrap(key, context).await
    }

    async fn unwrap(
        &self,
        wrapped: &[u8],
        context: &[(&str, &str)],
    ) -> Result<Key, KeyManagementError> {
        self.called()?;
        self.master.unwrap(wrapped, context).await
    }
}

const PLACE: Context<'static> = Context::new("users").path("/email");

#[tokio::test]
async fn a_hundred_thousand_values_cost_one_call_and_an_outage_stops_none() {
    let service = Service::new();
    let keyset = WrappedKeyset::generate("bookings", KeyId(1), &service)
        .await
        .unwrap();
    service.calls.store(0, Ordering::Relaxed);
    let cipher = FieldCipher::new(keyset.unwrap(&service).await.unwrap());
    service.down.store(true, Ordering::Relaxed);
    for _ in 0..100_000 {
        cipher.encrypt_str("a", &PLACE).unwrap();
    }
    let sealed = cipher.encrypt_str("a@b.c", &PLACE).unwrap();
    assert_eq!(cipher.decrypt_str(&sealed, &PLACE).unwrap(), "a@b.c");
    assert_eq!(service.calls.load(Ordering::Relaxed), 1);
    // Who starts during the outage is told which key is wanting.
    let error = keyset.unwrap(&service).await.unwrap_err();
    assert_eq!(error.to_string(), "key 1: could not be reached");
    assert_eq!(error.code(), "key_management");
}

#[tokio::test]
async fn a_wrapped_keyset_rotates_and_what_was_sealed_before_opens() {
    let service = Service::new();
    let mut keyset = WrappedKeyset::generate("bookings", KeyId(1), &service)
        .await
        .unwrap();
    let cipher = FieldCipher::new(keyset.unwrap(&service).await.unwrap());
    let before = cipher.encrypt_str("a@b.c", &PLACE).unwrap();

    keyset.add(KeyId(2), &service).await.unwrap();
    assert!(keyset.add(KeyId(2), &service).await.is_err());
    assert!(matches!(
        keyset.set_primary(KeyId(3)),
        Err(Error::UnknownKey(KeyId(3)))
    ));
    keyset.set_primary(KeyId(2)).unwrap();
    // As it is stored and read again.
    let mut keyset = WrappedKeyset::from_json(&keyset.to_json()).unwrap();
    cipher.swap_keyring(keyset.unwrap(&service).await.unwrap());
    assert_eq!(cipher.keyring().primary(), KeyId(2));
    assert_eq!(cipher.decrypt_str(&before, &PLACE).unwrap(), "a@b.c");

    assert!(keyset.remove(KeyId(2)).is_err(), "the primary stays");
    keyset.remove(KeyId(1)).unwrap();
    assert!(keyset.remove(KeyId(1)).is_err());
    cipher.swap_keyring(keyset.unwrap(&service).await.unwrap());
    assert!(matches!(
        cipher.decrypt_str(&before, &PLACE),
        Err(Error::UnknownKey(KeyId(1)))
    ));
}

#[tokio::test]
async fn no_wrapped_key_takes_the_place_of_another() {
    let service = Service::new();
    let mut keyset = WrappedKeyset::generate("bookings", KeyId(1), &service)
        .await
        .unwrap();
    keyset.add(KeyId(2), &service).await.unwrap();
    let json: serde_json::Value = serde_json::from_str(&keyset.to_json()).unwrap();
    let mut swapped = json.clone();
    swapped["keys"][0]["wrapped"] = json["keys"][1]["wrapped"].clone();
    let mut renamed = json.clone();
    renamed["name"] = "invoices".into();
    for altered in [swapped, renamed] {
        let altered = WrappedKeyset::from_json(&altered.to_string()).unwrap();
        let refused = altered.unwrap(&service).await;
        assert!(
            matches!(refused, Err(Error::KeyManagement { id: KeyId(1), .. })),
            "{refused:?}"
        );
    }
    let other = Service::new();
    assert!(keyset.unwrap(&other).await.is_err(), "another master key");
    assert!(keyset.unwrap(&service).await.is_ok());
}

#[test]
fn every_problem_of_a_stored_keyset_is_told_and_no_text_repeated() {
    for (text, said) in [
        (
            r#"{"name":"n","primary":1,"keys":[]}"#,
            "configuration refused: primary: must name one of the keys, which then seals",
        ),
        (
            r#"{"name":"n","primary":1,"keys":[{"id":1,"wrapped":"AA=="},{"id":1,"wrapped":"AA=="},{"id":2,"wrapped":"canary!"}]}"#,
            "configuration refused: key 1: is given twice; key 2: is not base64",
        ),
        (
            r#"{"canary":1}"#,
            "configuration refused: keyset: is not a wrapped keyset, at line 1 column 9",
        ),
    ] {
        let error = WrappedKeyset::from_json(text).unwrap_err().to_string();
        assert_eq!(error, said);
        assert!(!error.contains("canary"));
    }
}
