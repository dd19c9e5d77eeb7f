//! Keys that an issuer publishes: fetched in the background, never on the way of a token whose key is known.

#[cfg(feature = "client")]
mod download;
mod fetch;

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jsonwebtoken::Algorithm;
use palisade_core::Problems;
use palisade_core::time::{self, Instant};
use tokio::sync::watch;

pub(crate) use self::fetch::is_trusted;
use self::fetch::max_age;
pub use self::fetch::{FetchError, JwksResponse};
use super::jwk::Unnamed;
use super::jwks::Document;
use super::key_set::KeySet;
use crate::digest::{Digest, sha256};
use crate::{AuthError, Refusal};

type Fetching = Pin<Box<dyn Future<Output = Result<JwksResponse, FetchError>> + Send>>;

/// The JWK set of an issuer, by its URL. Clones share what was fetched.
///
/// - Keys are fetched when the first token comes, or by [`refresh`](Self::refresh), and again in the background at
///   80 % of their `max-age` (1 minute to 24 hours, 15 minutes unless told).
/// - A token with an unknown `kid` causes one fetch for all who wait for it; then none for 30 seconds.
/// - While the source is down the keys stay for 24 hours. Without any keys tokens are refused with 503, not 401.
/// - One bad key leaves out only itself.
///
/// With feature `client`, `Jwks::download` and `Jwks::discover` fetch by themselves.
///
/// # Example
///
/// ```
/// use palisade_auth::{Issuer, Jwks, JwksResponse};
///
/// let keys = Jwks::new("https://idp.example/jwks.json", |url| async move {
///     // Ask any HTTP client for `url`, without following redirects to elsewhere.
/// #   let _ = url;
///     Ok(JwksResponse { body: br#"{"keys":[]}"#.to_vec(), cache_control: None })
/// })?;
/// let issuer = Issuer::jwks("https://idp.example/", keys).audience("api://bookings");
/// # Ok::<(), palisade_auth::AuthError>(())
/// ```
#[derive(Clone)]
pub struct Jwks(Arc<Inner>);

struct Inner {
    url: Box<str>,
    fetch: Box<dyn Fn(String) -> Fetching + Send + Sync>,
    /// The algorithms of keys that name none, once an issuer lists them.
    allowed: Mutex<Option<Vec<Algorithm>>>,
    loaded: ArcSwapOption<Loaded>,
    generation: AtomicU64,
    state: Mutex<State>,
    /// Counts finished fetches.
    finished: watch::Sender<u64>,
}

struct Loaded {
    keys: KeySet,
    digest: Digest,
    fetched_at: Instant,
    refresh_at: Instant,
}

#[derive(Default)]
struct State {
    running: bool,
    /// The end of the last fetch, and its outcome.
    last: Option<(Instant, Result<(), ()>)>,
    /// Key ids that the issuer did not know a while ago.
    unknown: HashMap<u64, Instant>,
}

const TIMEOUT: Duration = Duration::from_secs(5);
const MAX_BODY: usize = 512 * 1024;
const COOL_DOWN: Duration = Duration::from_secs(30);
/// After a failure without any keys, sooner: every token is refused until then.
const RETRY: Duration = Duration::from_secs(2);
const MAX_STALE: Duration = Duration::from_secs(24 * 60 * 60);
const MAX_UNKNOWN: usize = 1_000;
/// Not longer: an issuer may sign with a new key a moment before it publishes it.
const UNKNOWN_FOR: Duration = Duration::from_secs(60);

impl Jwks {
    /// Keys from `url`, which `fetch` gets.
    ///
    /// Runs on Tokio. The URL is always the one given here: nothing of a token goes into it.
    ///
    /// # Errors
    ///
    /// Refuses a URL that is not `https`, unless its host is this machine.
    pub fn new<F>(
        url: &str,
        fetch: impl Fn(String) -> F + Send + Sync + 'static,
    ) -> Result<Self, AuthError>
    where
        F: Future<Output = Result<JwksResponse, FetchError>> + Send + 'static,
    {
        let mut problems = Problems::none();
        if !is_trusted(url) {
            problems.push("jwks", "is not an https URL");
        }
        problems.into_result(())?;
        Ok(Self(Arc::new(Inner {
            url: url.into(),
            fetch: Box::new(move |url| Box::pin(fetch(url))),
            allowed: Mutex::default(),
            loaded: ArcSwapOption::empty(),
            generation: AtomicU64::new(0),
            state: Mutex::default(),
            finished: watch::Sender::new(0),
        })))
    }

    /// Fetches the keys now, such as before a server starts to listen.
    ///
    /// # Errors
    ///
    /// [`Refusal::StoreUnavailable`] when they could not be fetched and none are there from before.
    pub async fn refresh(&self) -> Result<(), Refusal> {
        self.fetched(self.start()).await;
        self.with(|_| ())
    }

    /// Uses keys that name no algorithm of their own with these too, as an issuer's list says.
    pub(super) fn allow(&self, algorithms: &[Algorithm]) {
        let mut allowed = self
            .0
            .allowed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        allowed
            .get_or_insert_default()
            .extend_from_slice(algorithms);
    }

    pub(super) fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    /// Reads the keys; never waits.
    pub(super) fn with<T>(&self, read: impl FnOnce(&KeySet) -> T) -> Result<T, Refusal> {
        let loaded = self.0.loaded.load();
        let Some(loaded) = &*loaded else {
            return Err(Refusal::StoreUnavailable);
        };
        let now = time::now();
        if now >= loaded.refresh_at {
            self.refresh_in_background(now);
            if now.saturating_duration_since(loaded.fetched_at) >= MAX_STALE {
                return Err(Refusal::StoreUnavailable);
            }
        }
        Ok(read(&loaded.keys))
    }

    /// Whether a fetch may help a token that was refused for its key, and if so waits for it.
    pub(super) fn look_again(
        &self,
        kid: Option<&str>,
    ) -> Option<impl Future<Output = ()> + Send + use<>> {
        let now = time::now();
        let name = kid.map(short);
        let state = self.state();
        if let (false, Some((at, how))) = (state.running, state.last) {
            let pause = match (how, self.0.loaded.load().is_some()) {
                (Err(()), false) => RETRY,
                _ => COOL_DOWN,
            };
            let known_unknown = name
                .and_then(|name| state.unknown.get(&name))
                .is_some_and(|until| now < *until);
            if now < at + pause || known_unknown {
                return None;
            }
        }
        let waiting = self.begin(state);
        let this = self.clone();
        Some(async move { this.fetched(waiting).await })
    }

    /// Notes that a fetch did not bring this key, so that it is not looked for again right away.
    pub(super) fn note_unknown(&self, kid: Option<&str>) {
        if let Some(kid) = kid {
            self.state().note_unknown(short(kid), time::now());
        }
    }

    /// The outcome of the last fetch: a key that could not be looked for is not an unknown one.
    pub(super) fn is_failing(&self) -> bool {
        matches!(self.state().last, Some((_, Err(()))))
    }

    fn refresh_in_background(&self, now: Instant) {
        let state = self.state();
        let resting = state.last.is_some_and(|(at, _)| now < at + COOL_DOWN);
        if !state.running && !resting {
            drop(self.begin(state));
        }
    }

    fn start(&self) -> watch::Receiver<u64> {
        self.begin(self.state())
    }

    /// Starts the only fetch there is, unless it runs. It belongs to nobody's request, so nobody can cancel it.
    fn begin(&self, mut state: MutexGuard<'_, State>) -> watch::Receiver<u64> {
        let waiting = self.0.finished.subscribe();
        if state.running {
            return waiting;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            tracing::error!(target: "palisade_auth", "keys can only be fetched on Tokio");
            state.last = Some((time::now(), Err(())));
            return waiting;
        };
        state.running = true;
        // A runtime that is shutting down drops the task before `spawn` returns, and settling takes the lock.
        drop(state);
        // Settles also when the fetch panics, or is dropped before it began.
        let settle = Settle {
            jwks: self.clone(),
            result: Err(()),
        };
        runtime.spawn(async move {
            let result = settle.jwks.fetch().await;
            settle.with(result);
        });
        waiting
    }

    async fn fetched(&self, mut waiting: watch::Receiver<u64>) {
        if self.state().running {
            let _ = waiting.changed().await;
        }
    }

    async fn fetch(&self) -> Result<(), ()> {
        let fetching = (self.0.fetch)(self.0.url.to_string());
        let failed = |reason: &dyn fmt::Display| {
            tracing::warn!(target: "palisade_auth", url = &*self.0.url, %reason, "keys could not be fetched");
            Err(())
        };
        let response = match tokio::time::timeout(TIMEOUT, fetching).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return failed(&error),
            Err(_) => return failed(&"no answer within 5 seconds"),
        };
        if response.body.len() > MAX_BODY {
            return failed(&"the document is over 512 KiB");
        }
        let allowed = self
            .0
            .allowed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let unnamed = Unnamed(allowed.as_deref());
        let document = match Document::parse(&response.body, unnamed) {
            Ok(document) => document,
            Err(error) => return failed(&error),
        };
        for skipped in document.skipped.iter() {
            tracing::warn!(target: "palisade_auth", url = &*self.0.url, %skipped, "a key is left out");
        }
        let mut keys = document.keys;
        // A secret that is published is none.
        keys.settle(|algorithm| algorithm.family() != jsonwebtoken::AlgorithmFamily::Hmac);
        if keys.is_empty() {
            return failed(&"it publishes a secret");
        }
        self.keep(
            keys,
            sha256(&response.body),
            max_age(response.cache_control.as_deref()),
        );
        Ok(())
    }

    fn keep(&self, keys: KeySet, digest: Digest, age: Duration) {
        let now = time::now();
        let changed = self
            .0
            .loaded
            .load()
            .as_ref()
            .is_none_or(|known| known.digest != digest);
        self.0.loaded.store(Some(Arc::new(Loaded {
            keys,
            digest,
            fetched_at: now,
            refresh_at: now + age.mul_f64(0.8),
        })));
        if changed {
            self.0.generation.fetch_add(1, Ordering::Release);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note_unknown(&mut self, name: u64, now: Instant) {
        if self.unknown.len() >= MAX_UNKNOWN {
            self.unknown.clear();
        }
        self.unknown.insert(name, now + UNKNOWN_FOR);
    }
}

struct Settle {
    jwks: Jwks,
    result: Result<(), ()>,
}

impl Settle {
    fn with(mut self, result: Result<(), ()>) {
        self.result = result;
    }
}

impl Drop for Settle {
    fn drop(&mut self) {
        let mut state = self.jwks.state();
        state.running = false;
        state.last = Some((time::now(), self.result));
        drop(state);
        self.jwks.0.finished.send_modify(|count| *count += 1);
    }
}

/// A number for a key id: whoever finds two of one number gains that one of his own unknown keys is not looked for.
fn short(kid: &str) -> u64 {
    let digest = sha256(kid.as_bytes());
    digest
        .first_chunk()
        .map_or(0, |first| u64::from_le_bytes(*first))
}

impl fmt::Debug for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwks")
            .field("url", &self.0.url)
            .finish_non_exhaustive()
    }
}
