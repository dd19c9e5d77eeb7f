//! HashiCorp Vault and OpenBao, over their HTTP interface.

mod dynamic;
mod environment;
mod keeper;
mod kv;
mod lease;
mod life;
mod login;
mod places;
mod session;
mod token;
mod wire;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::HeaderValue;
use palisade_client::{BreakerConfig, HttpClient, HttpClientBuilder, RetryConfig};
use palisade_core::Name;
use secrecy::SecretString;

use self::kv::Engine;
use self::login::Login;
use self::places::Layout;
use self::session::Session;
use self::wire::Server;
use super::{Fetched, Provider, Stage};
use crate::{Error, ProviderError};

/// Secrets of HashiCorp Vault or OpenBao: the KV engines 1 and 2, and leased credentials.
///
/// - **Login** by token, AppRole or Kubernetes. A token is renewed at about two thirds of its life. One that has reached
///   its longest life, or was revoked, is replaced by a new login, well before its end where that is known.
/// - **Names** are paths: `secret(name)` is the field `value` of the secret `name` under the mount, unless
///   [`path`](Self::path), [`field`](Self::field) or [`places`](Self::places) say otherwise.
/// - **Versions**: with KV 2 [`Stage::Previous`] is the newest version before the current one that was not deleted and has another value; with
///   KV 1 it is the secret `NAME_PREVIOUS`.
/// - **Absence** is what Vault answers with 404: no such path, or a version that was deleted. Everything else, such as a
///   server that is sealed or a policy that forbids, is an error, and no later provider is asked. Vault also says 404
///   where it would not give away that a path exists.
/// - **Clones** share the login and the leases. Setters start anew.
///
/// Renewal needs a Tokio runtime: a task of its own keeps the token and the leases alive until the last clone is dropped.
///
/// # Example
///
/// ```no_run
/// # async fn example(role: String, secret: String) -> Result<(), palisade_secrets::Error> {
/// use palisade_secrets::{EnvVars, Environment, Secrets, Vault};
///
/// // `secret(name)` is the field `name` of the one secret `secret/bookings`.
/// let vault = Vault::new("https://vault.example:8200")?.app_role(role, secret).kv2("secret").path("bookings");
/// let secrets = Secrets::builder(Environment::Production)
///     .provider(EnvVars::default())
///     .provider(vault)
///     .require(["DATABASE_URL", "JWT_SECRET_KEY"])
///     .build()
///     .await?;
/// # let _ = secrets;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Vault {
    server: Server,
    login: Login,
    engine: Engine,
    layout: Layout,
    /// Paths of leased credentials by name.
    dynamic: BTreeMap<Box<str>, Box<str>>,
    session: Arc<OnceLock<Arc<Session>>>,
}

impl Vault {
    /// Creates a provider for this server, such as `https://vault.example:8200`; plain `http` is for loopback alone. It
    /// reads KV 2 under the mount `secret` until told otherwise, and needs a login.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if the address is no URL, has a query or user information, or the client cannot be made.
    pub fn new(address: &str) -> Result<Self, Error> {
        let server = Server::new(address, default_client().build())?;
        Ok(Self::at(server))
    }

    /// The same through a client of yours, with its own root certificates and times.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] as for [`new`](Self::new).
    pub fn with_client(address: &str, client: HttpClient) -> Result<Self, Error> {
        Ok(Self::at(Server::new(address, Ok(client))?))
    }

    fn at(server: Server) -> Self {
        Self {
            server,
            login: Login::None,
            engine: Engine::Kv2("secret".into()),
            layout: Layout::default(),
            dynamic: BTreeMap::new(),
            session: Arc::default(),
        }
    }

    fn set(mut self, set: impl FnOnce(&mut Self)) -> Self {
        self.session = Arc::default();
        set(&mut self);
        self
    }

    /// Uses this token, and renews it. Once it has ended there is no other.
    #[must_use]
    pub fn token(self, token: impl Into<SecretString>) -> Self {
        self.set(|vault| vault.login = Login::Token(token.into()))
    }

    /// Logs in by AppRole, at `auth/approle` unless [`login_mount`](Self::login_mount) says otherwise.
    #[must_use]
    pub fn app_role(self, role_id: impl Into<String>, secret_id: impl Into<SecretString>) -> Self {
        self.set(|vault| {
            vault.login = Login::AppRole {
                mount: "approle".into(),
                role_id: role_id.into(),
                secret_id: secret_id.into(),
            };
        })
    }

    /// Logs in as a service account of Kubernetes, with the token that is mounted into the pod, at `auth/kubernetes`
    /// unless [`login_mount`](Self::login_mount) says otherwise. The file is read anew for each login, because
    /// Kubernetes replaces it.
    #[must_use]
    pub fn kubernetes(self, role: impl Into<String>) -> Self {
        self.kubernetes_with(role, "/var/run/secrets/kubernetes.io/serviceaccount/token")
    }

    /// The same with another file, such as that of a projected token with an audience of its own.
    #[must_use]
    pub fn kubernetes_with(self, role: impl Into<String>, token_file: impl Into<PathBuf>) -> Self {
        self.set(|vault| {
            vault.login = Login::Kubernetes {
                mount: "kubernetes".into(),
                role: role.into(),
                token_file: token_file.into(),
            };
        })
    }

    /// Sets where the method of the login is mounted under `auth/`. Call it after the method.
    #[must_use]
    pub fn login_mount(self, mount: &str) -> Self {
        self.set(|vault| vault.login.mount_at(mount))
    }

    /// Works in this namespace (Vault Enterprise, HCP Vault and OpenBao); default none. A value that cannot stand in a
    /// header field is an error of every read.
    #[must_use]
    pub fn namespace(self, namespace: &str) -> Self {
        self.set(|vault| vault.server.namespace = Some(HeaderValue::from_str(namespace).ok()))
    }

    /// Reads from a KV engine of version 1 that is mounted here.
    #[must_use]
    pub fn kv1(self, mount: &str) -> Self {
        self.set(|vault| vault.engine = Engine::Kv1(mount.into()))
    }

    /// Reads from a KV engine of version 2 that is mounted here; default `secret`.
    #[must_use]
    pub fn kv2(self, mount: &str) -> Self {
        self.set(|vault| vault.engine = Engine::Kv2(mount.into()))
    }

    /// Takes each name for a field of the one secret at this path. A field that is not there is absence.
    #[must_use]
    pub fn path(self, path: &str) -> Self {
        self.set(|vault| vault.layout = Layout::One(path.into()))
    }

    /// Sets the field that holds the value of a secret of its own; default `value`. A secret without it is an error.
    #[must_use]
    pub fn field(self, field: &str) -> Self {
        self.set(|vault| vault.layout = Layout::Each(field.into()))
    }

    /// Sets where each name is: `place` gets the name and gives `path#field`, or `path` for all fields as one JSON
    /// object, as [`Secrets::typed`](crate::Secrets::typed) reads it.
    #[must_use]
    pub fn places(self, place: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        self.set(|vault| vault.layout = Layout::Named(Arc::new(place)))
    }

    /// Takes `name` for leased credentials, such as those of a database at `database/creds/bookings`: its fields as one
    /// JSON object.
    ///
    /// They are made when they are first read. Their lease is renewed at about two thirds of its time; when it has
    /// reached its longest time, or the login that it belongs to ends, the next read makes new ones, ahead of the end of
    /// the old ones, which end by themselves. [`Secrets::watch`](crate::Secrets::watch) tells of them.
    #[must_use]
    pub fn leased(self, name: &str, path: &str) -> Self {
        self.set(|vault| {
            vault.dynamic.insert(name.into(), path.into());
        })
    }

    /// Gives back what was taken: revokes the leases, and the token if it came from a login. Reads fail from then on.
    ///
    /// Without it they end by themselves, as they do when the last clone is dropped.
    ///
    /// # Errors
    ///
    /// The first failure. Whatever could not be revoked ends by itself.
    pub async fn shutdown(&self) -> Result<(), ProviderError> {
        match self.session.get() {
            Some(session) => session.shutdown().await,
            None => Ok(()),
        }
    }

    /// The session of all clones. The first read makes it, and the task that keeps its token and leases alive.
    fn session(&self) -> &Arc<Session> {
        self.session.get_or_init(|| {
            let session = Arc::new(Session::new(self.server.clone(), self.login.clone()));
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                let changed = Arc::clone(&session.changed);
                runtime.spawn(keeper::keep(Arc::downgrade(&session), changed));
            }
            session
        })
    }
}

/// Bounds that fit into the time that a provider has for one read, 20 s unless it is set, with one login in it.
fn default_client() -> HttpClientBuilder {
    let mut retry = RetryConfig::default();
    retry.attempts = Some(2);
    retry.base = Some(Duration::from_millis(200));
    let mut breaker = BreakerConfig::default();
    // A server that was unsealed should not be left alone for a minute.
    breaker.open_for = Some(Duration::from_secs(5));
    HttpClient::builder()
        .name("vault")
        .attempt_timeout(Duration::from_secs(4))
        .total_timeout(Duration::from_secs(9))
        .retry(retry)
        .breaker(breaker)
}

impl Provider for Vault {
    fn name(&self) -> Name {
        Name::from_static("vault")
    }

    async fn fetch(&self, name: &str, stage: Stage) -> Result<Option<Fetched>, ProviderError> {
        let session = self.session();
        match (self.dynamic.get(name), stage) {
            (Some(path), Stage::Current) => session.leased(path).await,
            (Some(_), _) => Ok(None),
            (None, _) => kv::read(session, &self.engine, &self.layout, name, stage).await,
        }
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault")
            .field("address", &self.server.base)
            .field("login", &self.login.kind())
            .field("engine", &self.engine)
            .finish_non_exhaustive()
    }
}
