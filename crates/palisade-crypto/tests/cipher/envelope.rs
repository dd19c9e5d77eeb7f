//! Data keys that a KMS wraps, stored beside what they sealed. Time is paused.

#![allow(missing_docs, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use palisade_crypto::{Context, Envelope, Key, KeyManagement, KeyManagementError, LocalMasterKey};
use tokio::time::advance;

const PLACE: Context<'static> = Context::new("users").path("/email");

/// A KMS that counts its calls, takes a while, and may be away.
#[derive(Clone)]
struct Kms {
    master: LocalMasterKey,
    wraps: Arc<AtomicUsize>,
    unwraps: Arc<AtomicUsize>,
    away: Arc<AtomicBool>,
}

impl Kms {
    fn new() -> Self {
        Self {
            master: LocalMasterKey::new(Key::generate().unwrap()).unwrap(),
            wraps: Arc::default(),
            unwraps: Arc::default(),
            away: Arc::default(),
        }
    }

    fn calls(&self) -> (usize, usize) {
        (
            self.wraps.load(Ordering::SeqCst),
            self.unwraps.load(Ordering::SeqCst),
        )
    }

    fn away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    async fn answer(&self, counter: &AtomicUsize) -> Result<(), KeyManagementError> {
        counter.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(20)).await;
        match self.away.load(Ordering::SeqCst) {
            true => Err(KeyManagementError::new("could not be reached")),
            false => Ok(()),
        }
    }
}

impl KeyManagement for Kms {
    async fn wrap(
        &self,
        key: &Key,
        context: &[(&str, &str)],
    ) -> Result<Vec<u8>, KeyManagementError> {
        self.answer(&self.wraps).await?;
        self.master.wrap(key, context).await
    }

    async fn unwrap(
        &self,
        wrapped: &[u8],
        context: &[(&str, &str)],
    ) -> Result<Key, KeyManagementError> {
        self.answer(&self.unwraps).await?;
        self.master.unwrap(wrapped, context).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_records_cost_one_call() {
    let kms = Kms::new();
    let envelope = Envelope::new(kms.clone());
    let first = envelope.data_key().await.unwrap();
    for _ in 1..100_000 {
        assert_eq!(
            envelope.data_key().await.unwrap().wrapped(),
            first.wrapped()
        );
    }
    assert_eq!(kms.calls(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn callers_at_once_share_a_call_and_a_failure() {
    let kms = Kms::new();
    let envelope = Envelope::new(kms.clone());
    for (away, calls) in [(true, 1), (false, 2)] {
        kms.away(away);
        let callers: Vec<_> = (0..100)
            .map(|_| {
                let envelope = envelope.clone();
                tokio::spawn(async move { envelope.data_key().await.is_ok() })
            })
            .collect();
        for caller in callers {
            assert_eq!(caller.await.unwrap(), !away);
        }
        assert_eq!(kms.calls(), (calls, 0));
        advance(Duration::from_secs(2)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_data_key_ends_by_its_uses_and_by_its_age() {
    let kms = Kms::new();
    let envelope = Envelope::new(kms.clone())
        .max_uses(10)
        .max_age(Duration::from_secs(60));
    for _ in 0..25 {
        envelope.data_key().await.unwrap();
    }
    assert_eq!(kms.calls().0, 3);
    advance(Duration::from_secs(59)).await;
    envelope.data_key().await.unwrap();
    assert_eq!(kms.calls().0, 3);
    advance(Duration::from_secs(1)).await;
    envelope.data_key().await.unwrap();
    assert_eq!(kms.calls().0, 4);
}

#[tokio::test(start_paused = true)]
async fn another_instance_opens_with_one_call_for_all_readers() {
    let kms = Kms::new();
    let key = Envelope::new(kms.clone()).data_key().await.unwrap();
    let sealed = key.cipher().encrypt_str("ann@example.org", &PLACE).unwrap();
    let elsewhere = Envelope::new(kms.clone());
    let readers: Vec<_> = (0..1_000)
        .map(|_| {
            let (envelope, wrapped) = (elsewhere.clone(), key.wrapped().to_owned());
            let sealed = sealed.clone();
            tokio::spawn(async move {
                envelope
                    .open(&wrapped)
                    .await
                    .unwrap()
                    .decrypt_str(&sealed, &PLACE)
                    .unwrap()
            })
        })
        .collect();
    for reader in readers {
        assert_eq!(reader.await.unwrap(), "ann@example.org");
    }
    assert_eq!(kms.calls(), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_outage_leaves_opening_alone_for_a_while_and_seals_nothing_under_an_old_key() {
    let kms = Kms::new();
    let envelope = Envelope::new(kms.clone())
        .max_age(Duration::from_secs(60))
        .max_stale(Duration::from_secs(600));
    let key = envelope.data_key().await.unwrap();
    envelope.open(key.wrapped()).await.unwrap();
    kms.away(true);
    envelope.data_key().await.expect("it is not too old yet");
    advance(Duration::from_secs(61)).await;
    let refused = envelope.data_key().await.unwrap_err();
    assert_eq!(refused.to_string(), "could not be reached");
    envelope
        .open(key.wrapped())
        .await
        .expect("the last good one");
    // Within a second the KMS is not asked again.
    let calls = kms.calls();
    envelope.open(key.wrapped()).await.unwrap();
    assert!(envelope.data_key().await.is_err());
    assert_eq!(kms.calls(), calls);
    advance(Duration::from_secs(540)).await;
    assert!(
        envelope.open(key.wrapped()).await.is_err(),
        "ten minutes are over"
    );
    kms.away(false);
    advance(Duration::from_secs(1)).await;
    envelope.open(key.wrapped()).await.unwrap();
    envelope.data_key().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_key_of_another_context_or_master_and_a_text_that_is_none_are_refused() {
    let kms = Kms::new();
    let users = Envelope::new(kms.clone()).context("table", "users");
    let key = users.data_key().await.unwrap();
    assert!(users.open(key.wrapped()).await.is_ok());
    let rooms = Envelope::new(kms).context("table", "rooms");
    assert!(rooms.open(key.wrapped()).await.is_err());
    assert!(
        Envelope::new(Kms::new())
            .context("table", "users")
            .open(key.wrapped())
            .await
            .is_err()
    );
    for none in ["", "AAAA", "not base64url!"] {
        assert!(users.open(none).await.is_err(), "{none:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_opened_keys_are_kept_than_there_is_room_for() {
    let kms = Kms::new();
    let writer = Envelope::new(kms.clone()).max_uses(1);
    let mut keys = Vec::new();
    for _ in 0..3 {
        keys.push(writer.data_key().await.unwrap());
    }
    let reader = Envelope::new(kms.clone()).most_kept(2);
    for (key, calls) in [(0, 1), (1, 2), (1, 2), (0, 2), (2, 3), (1, 3), (0, 4)] {
        reader.open(keys[key].wrapped()).await.unwrap();
        assert_eq!(kms.calls().1, calls, "key {key}");
    }
}
