use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use http::Extensions;
use palisade_core::{Handle, Name, Problems, time};
use tracing::Instrument;

use crate::answer::{outcome, settled, shutting_down, stale};
use crate::cache::{Decision, Known, Snapshot, Times};
use crate::counters::Counters;
use crate::provider::{AnyProvider, fetch};
use crate::{Environment, Error, Pair, Secret, SecretsBuilder, Stage, Watch};

/// The secrets of a service, from a chain of providers, kept fresh.
///
/// Reading a secret that is known takes no lock and does not allocate. Clones share what is known.
///
/// # Example
///
/// ```
/// use palisade_secrets::{EnvVars, Environment, ExposeSecret, Secrets};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), palisade_secrets::Error> {
/// // In a service: `EnvVars::new().file_suffix("_FILE")`.
/// let variables = EnvVars::from_fn(|name| (name == "CRM_TOKEN").then(|| "kD2vGq0yX8mTn5cWbR7s".into()));
/// let secrets = Secrets::builder(Environment::Production)
///     .provider(variables)
///     .require(["CRM_TOKEN"])
///     .build()
///     .await?;
/// assert_eq!(secrets.secret("CRM_TOKEN").await?.expose_secret(), "kD2vGq0yX8mTn5cWbR7s");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Secrets(pub(crate) Handle<Shared>);

pub(crate) struct Shared {
    pub(crate) environment: Environment,
    pub(crate) providers: Vec<Box<dyn AnyProvider>>,
    pub(crate) times: Times,
    pub(crate) counters: Counters,
    pub(crate) warnings: OnceLock<Problems>,
    pub(crate) known: [ArcSwap<Snapshot>; 3],
    /// Taken to replace a snapshot, never to read one.
    pub(crate) writing: Mutex<()>,
    pub(crate) on_access: Option<Arc<OnAccess>>,
    pub(crate) on_change: Mutex<Vec<Callback>>,
}

pub(crate) type OnAccess = dyn Fn(&Access<'_>) + Send + Sync;
type Callback = (Box<str>, Arc<dyn Fn(&Secret) + Send + Sync>);

/// One read of a secret, for a trail.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Access<'a> {
    /// The name of the secret.
    pub name: &'a str,
    /// The provider that it came from.
    pub source: Name,
    /// Its version, if the provider knows one.
    pub version: Option<&'a str>,
}

impl Secrets {
    /// Starts the secrets of a service that runs in this environment.
    pub fn builder(environment: Environment) -> SecretsBuilder {
        SecretsBuilder::new(environment)
    }

    /// The secrets that a [`SecretsLayer`](crate::SecretsLayer) put into a request.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// Keeps them for the rest of the process; see [`Handle::leak`].
    #[must_use]
    pub fn leak(self) -> Self {
        Self(self.0.leak())
    }

    /// Returns the environment of the service.
    #[must_use]
    pub fn environment(&self) -> Environment {
        self.0.environment
    }

    /// Returns the problems that would have stopped the start in production.
    #[must_use]
    pub fn warnings(&self) -> &Problems {
        static NONE: Problems = Problems::none();
        self.0.warnings.get().unwrap_or(&NONE)
    }

    /// A secret.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] when no provider has it, [`Error::Provider`] when one could not say, [`Error::Stale`] when it
    /// is older than `max_stale` and could not be read anew.
    ///
    /// # Cancel safety
    ///
    /// May be dropped at any time. In a runtime of tokio a read of the providers that it began goes on, for the readers
    /// after it; elsewhere the next reader asks the providers again.
    pub async fn secret(&self, name: &str) -> Result<Secret, Error> {
        self.staged(name, Stage::Current).await
    }

    /// A version of a secret.
    ///
    /// # Errors
    ///
    /// As [`secret`](Self::secret).
    pub async fn staged(&self, name: &str, stage: Stage) -> Result<Secret, Error> {
        match self.cached_at(name, stage) {
            Some(read) => read,
            None => {
                let read = self.read_anew(name, stage).await;
                if let Ok(secret) = &read {
                    self.note(name, secret);
                }
                read
            }
        }
    }

    /// A secret that is known and good, without waiting. `None` says that [`secret`](Self::secret) would wait.
    pub fn cached(&self, name: &str) -> Option<Result<Secret, Error>> {
        self.cached_at(name, Stage::Current)
    }

    /// A secret and the one before it.
    ///
    /// # Errors
    ///
    /// As [`secret`](Self::secret), for either; that there is none before it is no error.
    pub async fn pair(&self, name: &str) -> Result<Pair, Error> {
        let current = self.secret(name).await?;
        let previous = match self.staged(name, Stage::Previous).await {
            // A source that keeps several secrets in one has versions in which this one did not change.
            Ok(previous) => (!previous.same_value(&current)).then_some(previous),
            Err(Error::Missing { .. }) => None,
            Err(error) => return Err(error),
        };
        Ok(Pair { current, previous })
    }

    /// Waits for the value of a secret to change.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # async fn example(secrets: palisade_secrets::Secrets) {
    /// let mut tokens = secrets.watch("CRM_BEARER_TOKEN");
    /// loop {
    ///     let token = tokens.changed().await;
    ///     println!("version {:?}", token.version_text());
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn watch(&self, name: &str) -> Watch {
        Watch::new(self.clone(), name)
    }

    /// Calls `then` with each new value of a secret, so that keyrings and verifiers can swap.
    ///
    /// It is called by whoever reads the new value first, so it must not wait.
    pub fn on_change(&self, name: &str, then: impl Fn(&Secret) + Send + Sync + 'static) {
        let mut callbacks = lock(&self.0.on_change);
        callbacks.push((name.into(), Arc::new(then)));
    }

    /// Reports a secret that is no longer accepted where it is checked, so that the next reader reads it anew.
    ///
    /// `version` is that of the secret that was refused, so that news of an old one does nothing; of those without a
    /// version the value decides. At most one read in 10 seconds comes of it, or a false alarm would load the source.
    pub fn report_rejected(&self, name: &str, rejected: &Secret) {
        let known = self.known(name, Stage::Current);
        let now = time::now();
        let is_current = known.secret.as_ref().is_some_and(|secret| {
            secret.version_text() == rejected.version_text() && secret.same_value(rejected)
        });
        if is_current && known.may_be_rejected(now) {
            self.learn(name, Stage::Current, |known| known.rejected(now));
        }
    }

    #[inline]
    fn cached_at(&self, name: &str, stage: Stage) -> Option<Result<Secret, Error>> {
        self.cached_as(name, stage, Secret::clone)
    }

    /// As [`cached`](Self::cached), but hands the secret to `read` where it lies: a clone costs two atomic operations.
    #[inline]
    pub(crate) fn cached_as<T>(
        &self,
        name: &str,
        stage: Stage,
        read: impl FnOnce(&Secret) -> T,
    ) -> Option<Result<T, Error>> {
        let snapshot = self.0.known[stage as usize].load();
        let known = snapshot.get(name)?;
        let decision = if known.is_fixed() {
            Decision::Use
        } else {
            known.decide(time::now())
        };
        if let (Decision::Use, Some(secret)) = (decision, &known.secret) {
            self.note(name, secret);
            return Some(Ok(read(secret)));
        }
        let answer = self.answer(decision, name, stage, known)?;
        if let Ok(secret) = &answer {
            self.note(name, secret);
        }
        Some(answer.map(|secret| read(&secret)))
    }

    /// Returns what is rarely answered: that there is no secret, or one that is to be read anew meanwhile.
    #[inline(never)]
    fn answer(
        &self,
        decision: Decision,
        name: &str,
        stage: Stage,
        known: &Known,
    ) -> Option<Result<Secret, Error>> {
        match decision {
            Decision::Refresh => None,
            Decision::Stale => Some(Err(stale(name, known))),
            Decision::Use => Some(outcome(name, known)),
            Decision::UseAndRefresh => {
                self.refresh_meanwhile(name, stage, known);
                Some(outcome(name, known))
            }
        }
    }

    #[inline]
    fn note(&self, name: &str, secret: &Secret) {
        if let Some(on_access) = &self.0.on_access {
            on_access(&Access {
                name,
                source: secret.source(),
                version: secret.version_text(),
            });
        }
    }

    /// Asks again without making anybody wait, if nobody does so yet.
    fn refresh_meanwhile(&self, name: &str, stage: Stage, known: &Known) {
        let Ok(flight) = Arc::clone(&known.flight).try_lock_owned() else {
            return;
        };
        // Without a runtime there is nobody to do it; the next reader after the time to live waits.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (secrets, name) = (self.clone(), Box::<str>::from(name));
            runtime.spawn(async move {
                let _ = secrets.ask(&name, stage).await;
                drop(flight);
            });
        }
    }

    async fn read_anew(&self, name: &str, stage: Stage) -> Result<Secret, Error> {
        let seen = self.known(name, stage);
        let flight = Arc::clone(&seen.flight).lock_owned().await;
        let now_known = self.known(name, stage);
        if now_known.attempt != seen.attempt {
            // Somebody asked while this reader waited; what they learned is as new as it gets.
            return settled(name, &now_known);
        }
        let (secrets, asked) = (self.clone(), Box::<str>::from(name));
        let read = async move {
            let learned = secrets.ask(&asked, stage).await;
            drop(flight);
            learned
        };
        let learned = match tokio::runtime::Handle::try_current() {
            Err(_) => read.await,
            // Of its own, so that readers that give up before the answer leave it to those after them.
            Ok(runtime) => match runtime.spawn(read.in_current_span()).await {
                Ok(learned) => learned,
                Err(_) => return Err(shutting_down(name)),
            },
        };
        settled(name, &learned)
    }

    /// Returns the state of a secret, with a place to keep it if there is none yet.
    pub(crate) fn known(&self, name: &str, stage: Stage) -> Arc<Known> {
        if let Some(known) = self.0.known[stage as usize].load().get(name) {
            return Arc::clone(known);
        }
        let _writing = lock(&self.0.writing);
        let snapshot = self.0.known[stage as usize].load_full();
        if let Some(known) = snapshot.get(name) {
            return Arc::clone(known);
        }
        let known = Arc::new(Known::unread(time::now()));
        let next = snapshot.with(name, Arc::clone(&known));
        self.0.known[stage as usize].store(Arc::new(next));
        known
    }

    /// Asks the providers in their order. The caller holds the flight.
    async fn ask(&self, name: &str, stage: Stage) -> Arc<Known> {
        let mut answer = Ok(None);
        for (position, provider) in self.0.providers.iter().enumerate() {
            match fetch(&**provider, name, stage, self.0.times.provider).await {
                Ok(None) => {}
                Ok(Some(fetched)) => {
                    let secret = fetched.secret.with_source(provider.name());
                    answer = Ok(Some((secret, fetched.fixed, fetched.good_for)));
                    break;
                }
                Err(error) => {
                    self.0.counters.failed(position, provider.name());
                    answer = Err((provider.name(), error));
                    break;
                }
            }
        }
        let (now, times) = (time::now(), self.0.times);
        self.learn(name, stage, |known| match answer {
            Ok(Some((secret, fixed, good_for))) => {
                // Without random bytes the jitter is none, which does no harm.
                let jitter = palisade_core::random::bytes::<1>().unwrap_or_default()[0];
                let times = times.within(good_for);
                known.found(secret, fixed, times, now, f64::from(jitter) / 255.0)
            }
            Ok(None) => known.absent(times, now),
            Err(failure) => {
                tracing::warn!(target: "palisade_secrets", secret = name, provider = %failure.0, error = %failure.1, "secret not read");
                known.failed(failure, times, now)
            }
        })
    }

    /// Puts what was learned in the place of what was known.
    pub(crate) fn learn(
        &self,
        name: &str,
        stage: Stage,
        next: impl FnOnce(&Known) -> Known,
    ) -> Arc<Known> {
        let before = self.known(name, stage);
        let learned = {
            let _writing = lock(&self.0.writing);
            let snapshot = self.0.known[stage as usize].load_full();
            let latest = snapshot.get(name).unwrap_or(&before);
            let learned = Arc::new(next(latest));
            let next = snapshot.with(name, Arc::clone(&learned));
            self.0.known[stage as usize].store(Arc::new(next));
            learned
        };
        if let (Stage::Current, Some(old), Some(new)) = (stage, &before.secret, &learned.secret)
            && !old.same_value(new)
        {
            let callbacks = lock(&self.0.on_change).clone();
            for (_, then) in callbacks.iter().filter(|(wanted, _)| **wanted == *name) {
                then(new);
            }
        }
        learned
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.0.known[Stage::Current as usize].load();
        let names: Vec<_> = known.names().collect();
        f.debug_struct("Secrets")
            .field("environment", &self.0.environment)
            .field("providers", &self.0.providers)
            .field("names", &names)
            .finish_non_exhaustive()
    }
}
