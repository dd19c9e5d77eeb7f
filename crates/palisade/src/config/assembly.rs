#[cfg(feature = "ratelimit")]
use std::collections::BTreeMap;
use std::fmt;
#[cfg(feature = "ratelimit")]
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[cfg(feature = "audit")]
use palisade_audit::{Audit, AuditLayer};
#[cfg(feature = "auth")]
use palisade_auth::AuthLayer;
#[cfg(any(feature = "audit", feature = "auth", feature = "ratelimit"))]
use palisade_core::Problems;
#[cfg(feature = "crypto")]
use palisade_crypto::FieldCipher;
#[cfg(feature = "headers")]
use palisade_headers::HeadersError;
#[cfg(feature = "ratelimit")]
use palisade_ratelimit::{
    Error as RateLimitError, Memory, RateLimitBuilder, RateLimitConfig, RateLimitLayer, Store,
};

use super::error::{ConfigError, Mistake};
use super::file::Path;
use super::model::Config;
#[cfg(any(feature = "audit", feature = "auth"))]
use super::sections::Mode;
use crate::Stack;

/// Makes stacks of configurations, with what no file can hold, and keeps what outlives each: the counts of rate limits, the
/// trail, the keys.
///
/// Kept beside a [`Reload`](crate::Reload), it makes the next stack when the file has changed.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "ratelimit")] {
/// use palisade::config::{Assembly, Config};
/// use palisade::ratelimit::Selection;
///
/// let file = |mode: &str| format!(r#"
///     [limits.principals]
///     mode = "{mode}"
///     key = ["principal"]
///     policies = [{{ preset = "authenticated" }}]
/// "#);
/// let assembly = Assembly::new().limit("principals", |builder| {
///     builder.select(|request| match request.principal() {
///         Some(_) => Selection::policy("authenticated"),
///         None => Selection::exempt(),
///     })
/// });
/// let config = Config::loader().text("palisade.toml", file("on")).load()?;
/// let (stack, reload) = assembly.stack(&config)?.reloadable();
///
/// // Later: the counts go on, and nobody is refused.
/// let newer = Config::loader().text("palisade.toml", file("shadow")).load()?;
/// reload.replace(assembly.stack(&newer)?);
/// assert_eq!(config.changes_to(&newer)[0].to_string(), "limits.principals.mode: on -> shadow");
/// # let _ = stack;
/// # }
/// # Ok::<(), palisade::config::ConfigError>(())
/// ```
#[derive(Default)]
pub struct Assembly {
    #[cfg(feature = "audit")]
    audit: Option<Audit>,
    #[cfg(feature = "auth")]
    auth: Option<AuthLayer>,
    #[cfg(feature = "crypto")]
    cipher: Option<FieldCipher>,
    #[cfg(feature = "ratelimit")]
    store: Option<Store>,
    #[cfg(feature = "ratelimit")]
    customize: BTreeMap<String, Box<Customize>>,
    #[cfg(feature = "ratelimit")]
    running: Mutex<Running>,
}

#[cfg(feature = "ratelimit")]
type Customize = dyn Fn(RateLimitBuilder) -> RateLimitBuilder + Send + Sync;

/// The limits of the latest stack, and where each counts.
#[cfg(feature = "ratelimit")]
#[derive(Default)]
struct Running {
    memories: BTreeMap<String, Memory>,
    layers: Arc<BTreeMap<String, RateLimitLayer>>,
}

impl Stack {
    /// The stack that a configuration describes, which code may go on with.
    ///
    /// For one that is read again while the service runs, and for layers with parts that no file holds, use an
    /// [`Assembly`].
    ///
    /// # Errors
    ///
    /// As [`Assembly::stack`].
    pub fn from_config(config: &Config) -> Result<Self, ConfigError> {
        Assembly::new().stack(config)
    }
}

impl Assembly {
    /// An assembly to which code adds nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Records into this trail; see [`Config::open_trail`].
    #[cfg(feature = "audit")]
    #[must_use]
    pub fn audit(mut self, audit: Audit) -> Self {
        self.audit = Some(audit);
        self
    }

    /// Takes the credentials of this layer, to which the configuration adds its own: verifiers with keys that are fetched, API
    /// keys, sessions. What the configuration says of issuers takes the place of this layer's verifier.
    #[cfg(feature = "auth")]
    #[must_use]
    pub fn auth(mut self, layer: AuthLayer) -> Self {
        self.auth = Some(layer);
        self
    }

    /// Seals fields with this cipher where the configuration names no key.
    #[cfg(feature = "crypto")]
    #[must_use]
    pub fn cipher(mut self, cipher: FieldCipher) -> Self {
        self.cipher = Some(cipher);
        self
    }

    /// Counts every limit in this store, as in Redis, instead of a memory for each; `capacity` of the configuration then
    /// means nothing.
    #[cfg(feature = "ratelimit")]
    #[must_use]
    pub fn store(mut self, store: impl Into<Store>) -> Self {
        self.store = Some(store.into());
        self
    }

    /// Completes the limits of this name, in each stack, with what a file cannot say: a selection, costs, exemptions.
    #[cfg(feature = "ratelimit")]
    #[must_use]
    pub fn limit(
        mut self,
        name: &str,
        customize: impl Fn(RateLimitBuilder) -> RateLimitBuilder + Send + Sync + 'static,
    ) -> Self {
        self.customize.insert(name.to_owned(), Box::new(customize));
        self
    }

    /// The stack that a configuration describes. Counts of limits go on where those of the stack before can be read, as
    /// [`RateLimitBuilder::replacing`] says.
    ///
    /// # Errors
    ///
    /// Every setting that a layer refuses; the stack before then stays what it is.
    pub fn stack(&self, config: &Config) -> Result<Stack, ConfigError> {
        let mut mistakes = Vec::new();
        let stack = self.build(config, &mut mistakes);
        #[cfg(feature = "ratelimit")]
        let stack = self.with_limits(stack, config, &mut mistakes);
        ConfigError::result(mistakes, stack)
    }

    /// The limits of this name in the latest stack, such as those of one route, which has a layer of its own; off where the
    /// configuration has none.
    #[cfg(feature = "ratelimit")]
    #[must_use]
    pub fn rate_limit(&self, name: &str) -> RateLimitLayer {
        let layers = Arc::clone(&self.running().layers);
        layers
            .get(name)
            .cloned()
            .unwrap_or_else(RateLimitLayer::off)
    }

    /// The limits of the latest stack, by name.
    #[cfg(feature = "ratelimit")]
    #[must_use]
    pub fn rate_limits(&self) -> Vec<(String, RateLimitLayer)> {
        let layers = Arc::clone(&self.running().layers);
        let layers = layers.iter();
        layers
            .map(|(name, layer)| (name.clone(), layer.clone()))
            .collect()
    }

    /// Everything but the limits, which are built last: what is built counts.
    pub(super) fn build(&self, config: &Config, mistakes: &mut Vec<Mistake>) -> Stack {
        let mut stack = Stack::new();
        macro_rules! section {
            ($section:ident, $build:expr, $add:expr) => {
                let path = Path::of(stringify!($section));
                if let Some(part) = &config.$section {
                    match $build(part) {
                        Ok(layer) => stack = $add(stack, layer),
                        Err(problems) => mistakes.extend(config.origin.explain(&path, &problems)),
                    }
                }
            };
        }
        section!(
            scope,
            |part: &super::ScopeConfig| part.client_ip(),
            Stack::client_ip
        );
        #[cfg(feature = "headers")]
        {
            use palisade_headers::{
                cookies::CookieConfig, cors::CorsConfig, cross_origin::CrossOriginGuardConfig,
                https_redirect::HttpsRedirectConfig, request_id::RequestIdConfig,
                security::SecurityHeadersConfig,
            };
            let told = |error: HeadersError| error.problems().clone();
            section!(
                request_id,
                |part: &RequestIdConfig| part.try_build().map_err(told),
                Stack::request_id
            );
            section!(
                security_headers,
                |part: &SecurityHeadersConfig| part.try_build().map_err(told),
                Stack::security_headers
            );
            section!(
                cookies,
                |part: &CookieConfig| part.try_build().map_err(told),
                Stack::cookies
            );
            section!(
                https_redirect,
                |part: &HttpsRedirectConfig| part.try_build().map_err(told),
                Stack::https_redirect
            );
            section!(
                cors,
                |part: &CorsConfig| part.clone().try_build().map_err(told),
                Stack::cors
            );
            section!(
                cross_origin_guard,
                |part: &CrossOriginGuardConfig| part.try_build().map_err(told),
                Stack::cross_origin_guard
            );
        }
        #[cfg(feature = "audit")]
        section!(
            audit,
            |part: &super::AuditConfig| self.audit_layer(part.mode),
            Stack::audit
        );
        #[cfg(feature = "auth")]
        section!(
            auth,
            |part: &super::AuthConfig| self.auth_layer(part, config),
            Stack::auth
        );
        #[cfg(feature = "crypto")]
        section!(
            field_encryption,
            |part: &super::FieldEncryptionConfig| part
                .layer(self.cipher.as_ref(), &config.origin.variables),
            Stack::field_crypto
        );
        stack
    }

    #[cfg(feature = "audit")]
    fn audit_layer(&self, mode: Mode) -> Result<AuditLayer, Problems> {
        match (mode, &self.audit) {
            (Mode::Off, _) => Ok(AuditLayer::off()),
            (Mode::On, Some(audit)) => Ok(AuditLayer::new(audit.clone())),
            (Mode::On, None) => Err(Problems::one(
                "mode",
                "is on, but no trail was opened: see Config::open_trail and Assembly::audit",
            )),
        }
    }

    #[cfg(feature = "auth")]
    fn auth_layer(&self, part: &super::AuthConfig, config: &Config) -> Result<AuthLayer, Problems> {
        let knows_nobody =
            self.auth.is_none() && part.issuers.is_empty() && part.services.is_empty();
        if knows_nobody && part.mode == Mode::On {
            let reason = "is on, but knows no credential: name issuers or services, or add them by Assembly::auth";
            return Err(Problems::one("mode", reason));
        }
        let base = self.auth.clone().unwrap_or_default();
        part.layer(base, &config.origin.variables)
    }

    #[cfg(feature = "ratelimit")]
    fn with_limits(&self, mut stack: Stack, config: &Config, mistakes: &mut Vec<Mistake>) -> Stack {
        let before = Arc::clone(&self.running().layers);
        let mut layers = BTreeMap::new();
        for (name, limits) in &config.limits {
            match self.limit_layer(name, limits, before.get(name)) {
                Ok(layer) => {
                    layers.insert(name.clone(), layer);
                }
                Err(part) => {
                    let path = Path::of("limits").key(name);
                    mistakes.extend(config.origin.explain(&path, &part));
                }
            }
        }
        if let Some(clients) = layers.get("clients") {
            stack = stack.limit_clients(clients.clone());
        }
        if let Some(principals) = layers.get("principals") {
            stack = stack.limit_principals(principals.clone());
        }
        if mistakes.is_empty() {
            self.running().layers = Arc::new(layers);
        }
        stack
    }

    #[cfg(feature = "ratelimit")]
    pub(super) fn limit_layer(
        &self,
        name: &str,
        limits: &RateLimitConfig,
        before: Option<&RateLimitLayer>,
    ) -> Result<RateLimitLayer, Problems> {
        let problems_of = |error| match error {
            RateLimitError::Config(problems) => problems,
            other => Problems::one("", other.to_string()),
        };
        let mut builder = limits.builder().map_err(problems_of)?;
        builder = match &self.store {
            Some(store) => builder.store(store.clone()),
            None => builder.store(self.memory(name, limits)),
        };
        if let Some(before) = before {
            builder = builder.replacing(before);
        }
        if let Some(customize) = self.customize.get(name) {
            builder = customize(builder);
        }
        builder.build().map_err(problems_of)
    }

    /// The memory of limits, made when they are first built.
    #[cfg(feature = "ratelimit")]
    fn memory(&self, name: &str, limits: &RateLimitConfig) -> Memory {
        let mut running = self.running();
        let made = || {
            limits
                .capacity
                .map_or_else(Memory::default, Memory::with_capacity)
        };
        let memory = running.memories.entry(name.to_owned());
        memory.or_insert_with(made).clone()
    }

    /// Held for a moment, and never across an await.
    #[cfg(feature = "ratelimit")]
    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Assembly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assembly").finish_non_exhaustive()
    }
}
