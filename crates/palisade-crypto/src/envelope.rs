use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use palisade_core::time::{self, Instant};

use crate::{FieldCipher, Key, KeyManagement, KeyManagementError, Keyring};

/// Envelope encryption: seals records under data keys, each of which a KMS wraps and which is stored, wrapped, beside the
/// records that it sealed.
///
/// - [`data_key`](Self::data_key) gives a key to seal with. The same one serves until it is older than
///   [`max_age`](Self::max_age) or was given out [`max_uses`](Self::max_uses) times, so that many records cost one call.
/// - [`open`](Self::open) gives the cipher of a wrapped key. It is kept, and callers at once share one call.
/// - While the KMS is away, keys that were opened before still open, up to [`max_stale`](Self::max_stale). Nothing new is
///   sealed under a key that is too old.
///
/// Clones share the keys. Where a few keys serve all records, a [`WrappedKeyset`](crate::WrappedKeyset) is simpler.
///
/// # Example
///
/// ```
/// use palisade_crypto::{Context, Envelope, Key, LocalMasterKey};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // In production the KMS is `AwsKms`, or an implementation of `KeyManagement` of your own.
/// let envelope = Envelope::new(LocalMasterKey::new(Key::generate()?)?).context("table", "users");
/// let place = Context::new("users").path("/email").record_id("7");
///
/// let key = envelope.data_key().await?;
/// let (email, wrapped) = (key.cipher().encrypt_str("ann@example.org", &place)?, key.wrapped());
/// // Both are stored with the record. To read it:
/// assert_eq!(envelope.open(wrapped).await?.decrypt_str(&email, &place)?, "ann@example.org");
/// # Ok(())
/// # }
/// ```
pub struct Envelope<K> {
    kms: Arc<K>,
    settings: Arc<Settings>,
    keys: Arc<Keys>,
}

/// The keys that are known.
#[derive(Default)]
struct Keys {
    /// Held while a key is made, so that callers at once wait for one call.
    current: tokio::sync::Mutex<Slot<Current>>,
    opened: Mutex<Opened>,
}

#[derive(Clone)]
struct Settings {
    context: Vec<(Box<str>, Box<str>)>,
    max_age: Duration,
    max_uses: u64,
    max_stale: Duration,
    most_kept: usize,
}

/// Something that the KMS gave, and its latest failure.
struct Slot<T> {
    known: Option<T>,
    failed: Option<(Instant, KeyManagementError)>,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self {
            known: None,
            failed: None,
        }
    }
}

struct Current {
    key: DataKey,
    made_at: Instant,
    uses: u64,
}

/// The ciphers of keys that were opened, by their wrapped text.
#[derive(Default)]
struct Opened {
    slots: HashMap<Arc<str>, Arc<OpenedSlot>>,
    /// In the order in which they came.
    order: VecDeque<Arc<str>>,
}

type OpenedSlot = tokio::sync::Mutex<Slot<(FieldCipher, Instant)>>;

/// For so long after a failure the KMS is not asked for the same again.
const PAUSE: Duration = Duration::from_secs(1);

/// A data key: its cipher, and its wrapped form, which is stored beside what the cipher sealed.
#[derive(Clone)]
pub struct DataKey {
    cipher: FieldCipher,
    wrapped: Arc<str>,
}

impl DataKey {
    /// Returns the cipher that seals under this key.
    #[must_use]
    pub const fn cipher(&self) -> &FieldCipher {
        &self.cipher
    }

    /// Returns the wrapped key in base64url, as [`Envelope::open`] takes it. It is no secret.
    #[must_use]
    pub fn wrapped(&self) -> &str {
        &self.wrapped
    }
}

impl<K: KeyManagement> Envelope<K> {
    /// Creates an envelope around the keys of this KMS.
    #[must_use]
    pub fn new(kms: K) -> Self {
        Self {
            kms: Arc::new(kms),
            settings: Arc::new(Settings {
                context: Vec::new(),
                max_age: Duration::from_secs(300),
                max_uses: 1 << 20,
                max_stale: Duration::from_secs(3600),
                most_kept: 1_000,
            }),
            keys: Arc::default(),
        }
    }

    /// Starts anew with another setting; clones that were made before stay as they are.
    fn set(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(Arc::make_mut(&mut self.settings));
        self.keys = Arc::default();
        self
    }

    /// Adds a name and a value to the context of every key, such as the encryption context of AWS KMS: authenticated and
    /// not hidden. A key that was wrapped for another context does not open.
    #[must_use]
    pub fn context(self, name: &str, value: &str) -> Self {
        self.set(|settings| settings.context.push((name.into(), value.into())))
    }

    /// Sets how long a data key seals, and for how long an opened one is kept without asking again; default 5 minutes,
    /// within which a key that the KMS has disabled stops working.
    #[must_use]
    pub fn max_age(self, age: Duration) -> Self {
        self.set(|settings| settings.max_age = age)
    }

    /// Sets how often a data key is given out; default 1,048,576 times, at least 1.
    #[must_use]
    pub fn max_uses(self, uses: u64) -> Self {
        self.set(|settings| settings.max_uses = uses.max(1))
    }

    /// Sets how old an opened key may be while the KMS does not answer; default 1 hour.
    #[must_use]
    pub fn max_stale(self, age: Duration) -> Self {
        self.set(|settings| settings.max_stale = age)
    }

    /// Sets the number of opened keys that are kept; default 1,000, at least 1. The oldest makes room.
    #[must_use]
    pub fn most_kept(self, keys: usize) -> Self {
        self.set(|settings| settings.most_kept = keys.max(1))
    }

    /// Returns a data key to seal with.
    ///
    /// # Errors
    ///
    /// Whatever the KMS answers when a new key is due. For a second after that the same error is answered at once.
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time; the next caller then asks the KMS.
    pub async fn data_key(&self) -> Result<DataKey, KeyManagementError> {
        let settings = &*self.settings;
        let mut slot = self.keys.current.lock().await;
        let now = time::now();
        if let Some(current) = &mut slot.known
            && now.saturating_duration_since(current.made_at) < settings.max_age
            && current.uses < settings.max_uses
        {
            current.uses += 1;
            return Ok(current.key.clone());
        }
        slot.recent_failure(now)?;
        let made = self.make().await;
        let key = slot.learn(made)?;
        let current = Current {
            key: key.clone(),
            made_at: now,
            uses: 1,
        };
        slot.known = Some(current);
        Ok(key)
    }

    async fn make(&self) -> Result<DataKey, KeyManagementError> {
        let failed = |error: crate::Error| KeyManagementError::new(error.to_string());
        let key = Key::generate().map_err(failed)?;
        let wrapped = self.kms.wrap(&key, &self.settings.context()).await?;
        let wrapped = Arc::from(URL_SAFE_NO_PAD.encode(wrapped));
        let cipher = FieldCipher::new(Keyring::single(key).map_err(failed)?);
        Ok(DataKey { cipher, wrapped })
    }

    /// Returns the cipher of a wrapped key that [`data_key`](Self::data_key) gave.
    ///
    /// # Errors
    ///
    /// Refuses what is no wrapped key, and passes on what the KMS answers. For a second after that the same error is
    /// answered at once.
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time; the next caller then asks the KMS.
    pub async fn open(&self, wrapped: &str) -> Result<FieldCipher, KeyManagementError> {
        let settings = &*self.settings;
        let bytes = URL_SAFE_NO_PAD
            .decode(wrapped)
            .map_err(|_| KeyManagementError::new("the wrapped key is not base64url"))?;
        let slot = self.slot(wrapped);
        let mut slot = slot.lock().await;
        let now = time::now();
        let age = |at: &Instant| now.saturating_duration_since(*at);
        if let Some((cipher, at)) = &slot.known
            && age(at) < settings.max_age
        {
            return Ok(cipher.clone());
        }
        let opened = match slot.recent_failure(now) {
            Ok(()) => {
                let key = self.kms.unwrap(&bytes, &settings.context()).await;
                slot.learn(key)
            }
            Err(failure) => Err(failure),
        };
        match (opened, &slot.known) {
            (Ok(key), _) => {
                let failed = |error: crate::Error| KeyManagementError::new(error.to_string());
                let cipher = FieldCipher::new(Keyring::single(key).map_err(failed)?);
                slot.known = Some((cipher.clone(), now));
                Ok(cipher)
            }
            // The last good one, for opening alone.
            (Err(_), Some((cipher, at))) if age(at) < settings.max_stale => Ok(cipher.clone()),
            (Err(error), _) => Err(error),
        }
    }

    /// The place of a wrapped key among those that were opened, with room made for it.
    fn slot(&self, wrapped: &str) -> Arc<OpenedSlot> {
        let mut opened = self
            .keys
            .opened
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = opened.slots.get(wrapped) {
            return Arc::clone(slot);
        }
        while opened.order.len() >= self.settings.most_kept {
            let Some(oldest) = opened.order.pop_front() else {
                break;
            };
            opened.slots.remove(&oldest);
        }
        let (name, slot) = (Arc::<str>::from(wrapped), Arc::<OpenedSlot>::default());
        opened.order.push_back(Arc::clone(&name));
        opened.slots.insert(name, Arc::clone(&slot));
        slot
    }
}

impl<T> Slot<T> {
    fn recent_failure(&self, now: Instant) -> Result<(), KeyManagementError> {
        match &self.failed {
            Some((at, error)) if now.saturating_duration_since(*at) < PAUSE => Err(error.clone()),
            _ => Ok(()),
        }
    }

    fn learn<V>(
        &mut self,
        outcome: Result<V, KeyManagementError>,
    ) -> Result<V, KeyManagementError> {
        self.failed = match &outcome {
            Ok(_) => None,
            Err(error) => Some((time::now(), error.clone())),
        };
        outcome
    }
}

impl Settings {
    fn context(&self) -> Vec<(&str, &str)> {
        self.context
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect()
    }
}

impl<K> Clone for Envelope<K> {
    fn clone(&self) -> Self {
        Self {
            kms: Arc::clone(&self.kms),
            settings: Arc::clone(&self.settings),
            keys: Arc::clone(&self.keys),
        }
    }
}

impl<K> fmt::Debug for Envelope<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("max_age", &self.settings.max_age)
            .field("max_uses", &self.settings.max_uses)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey([redacted])")
    }
}
