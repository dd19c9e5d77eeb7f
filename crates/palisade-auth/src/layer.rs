use std::fmt;
use std::sync::Arc;

use http::{HeaderName, header};
use palisade_core::{Handle, PathSet, Principal};

use crate::challenge::Challenges;
use crate::credential::{API_KEY, is_token_char};
use crate::decide::{Config, Presence};
use crate::service_token::{ServiceToken, ServiceTokens};
use crate::websocket::Tickets;
use crate::{ApiKeys, AuthError, JwtVerifier, SessionStore};

/// Whether an account may act at all, as the status hook of a layer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccountStatus {
    /// The account may act.
    Active,
    /// The account has been disabled, locked or deleted since its credential was made.
    Disabled,
    /// Nobody can say right now: the request is refused with 503.
    Unknown,
}

/// Proves who is calling, and puts the [`Principal`] into the request's scope.
///
/// The layer is its own builder. Clones, and repeated calls of `layer`, share their state. A setter makes another
/// layer, so settle it before cloning.
///
/// It reads the head of a request and never its body: a token in a form (RFC 6750, section 2.2) is no credential, neither
/// alone nor beside another.
///
/// # Example
///
/// ```
/// use palisade_auth::{AuthLayer, HmacKeys, Issuer, JwtVerifier};
/// # let (secret, token) = ("kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu", "Zt9QwL3nVb6YxK1rMd8FpS5gHc2JeU7o");
///
/// let jwt = JwtVerifier::builder()
///     .issuer(Issuer::hmac("bookings", HmacKeys::current(secret)?).audience("api://bookings"))
///     .build()?;
/// let layer = AuthLayer::new().bearer(jwt).service_token("crm", token)?;
/// # Ok::<(), palisade_auth::AuthError>(())
/// ```
#[derive(Clone)]
pub struct AuthLayer(pub(crate) Option<Handle<Config>>);

impl AuthLayer {
    /// The realm of the challenges unless told otherwise.
    pub const DEFAULT_REALM: &str = "api";

    /// A layer that knows no credential yet, and so refuses every request.
    #[must_use]
    pub fn new() -> Self {
        // The default realm has no character that could not be quoted.
        Self(Challenges::new(Self::DEFAULT_REALM).map(|challenges| {
            Handle::new(Config {
                bearer: None,
                #[cfg(feature = "introspection")]
                introspection: None,
                services: ServiceTokens::default(),
                api_keys: None,
                sessions: None,
                tickets: None,
                dpop: None,
                mutual_tls: false,
                token_header: None,
                token_cookie: None,
                stripped: false,
                origins: Vec::new(),
                presence: Presence::Required,
                skip: PathSet::none(),
                status: None,
                challenges,
                counters: Arc::default(),
            })
        }))
    }

    /// A layer of the same type that does nothing.
    ///
    /// # Security
    ///
    /// Guards and extractors inside find no principal and fail closed with 500.
    #[must_use]
    pub const fn off() -> Self {
        Self(None)
    }

    /// Whether the layer is switched off.
    #[must_use]
    pub const fn is_off(&self) -> bool {
        self.0.is_none()
    }

    /// Accepts JSON Web Tokens that `verifier` accepts, in `Authorization: Bearer`.
    #[must_use]
    pub fn bearer(self, verifier: JwtVerifier) -> Self {
        self.with(|config| config.bearer = Some(verifier))
    }

    /// Accepts opaque tokens that their issuer calls active, in `Authorization: Bearer`: every token, or with a
    /// [verifier](Self::bearer) those that are not of the form of a JSON Web Token. The verifier's store of revocations is
    /// asked about them as well.
    #[cfg(feature = "introspection")]
    #[cfg_attr(docsrs, doc(cfg(feature = "introspection")))]
    #[must_use]
    pub fn introspection(self, tokens: crate::Introspection) -> Self {
        self.with(|config| config.introspection = Some(tokens))
    }

    /// Accepts one static token of the service `name`, in `Authorization: Bearer`; see [`ServiceToken`].
    ///
    /// # Errors
    ///
    /// As for [`ServiceToken::new`] and [`service`](Self::service).
    pub fn service_token(self, name: &str, token: impl AsRef<[u8]>) -> Result<Self, AuthError> {
        self.service(ServiceToken::new(name, token)?)
    }

    /// Accepts the static tokens of one more service.
    ///
    /// # Errors
    ///
    /// Refuses a token that another service has too.
    pub fn service(self, service: ServiceToken) -> Result<Self, AuthError> {
        let mut result = Ok(());
        let layer = self.with(|config| result = config.services.add(service));
        result.map(|()| layer)
    }

    /// Accepts API keys, in `X-API-Key`.
    #[must_use]
    pub fn api_keys(self, keys: impl Into<ApiKeys>) -> Self {
        let keys = keys.into();
        self.with(|config| config.api_keys = Some(keys))
    }

    /// Accepts the cookies of these sessions, where no other credential is presented.
    ///
    /// A browser sends its cookie whether the user is signed in or not, so one whose session is over counts as nothing
    /// presented.
    #[must_use]
    pub fn sessions(self, sessions: impl Into<SessionStore>) -> Self {
        let sessions = sessions.into();
        self.with(|config| config.sessions = Some(sessions))
    }

    /// Accepts tokens that are bound to a key of their holder, in `Authorization: DPoP` with a proof in `DPoP` (RFC 9449).
    ///
    /// A token that is bound to a key is refused with the scheme `Bearer`, and one that is not with `DPoP`. A proof beside a
    /// bearer token is not looked at.
    #[must_use]
    pub fn dpop(self, dpop: crate::Dpop) -> Self {
        self.with(|config| {
            // Names of algorithms have no character that could not be quoted.
            if let Some(challenges) = config.challenges.offering_dpop(&dpop.algorithm_names()) {
                config.challenges = challenges;
            }
            config.dpop = Some(dpop);
        })
    }

    /// Accepts tokens that are bound to the certificate of their holder (RFC 8705, section 3), from connections with that
    /// [`ClientCertificate`](palisade_core::ClientCertificate). Default: they are refused.
    #[must_use]
    pub fn mutual_tls(self) -> Self {
        self.with(|config| config.mutual_tls = true)
    }

    /// Accepts JSON Web Tokens in this header too, without a scheme in front, as proxies that sign users in send them:
    /// `x-goog-iap-jwt-assertion`, `cf-access-jwt-assertion`, `x-amzn-oidc-data`.
    ///
    /// A request with a token there and another credential presents two, and is refused.
    ///
    /// # Errors
    ///
    /// Refuses `authorization`, `x-api-key` and `cookie`, which have forms of their own.
    pub fn bearer_header(self, name: HeaderName) -> Result<Self, AuthError> {
        if [header::AUTHORIZATION, header::COOKIE, API_KEY].contains(&name) {
            return Err(AuthError::one("bearer_header", "has a form of its own"));
        }
        Ok(self.with(|config| config.token_header = Some(name)))
    }

    /// Accepts a JSON Web Token in the cookie of this name, where no other credential is presented. One that has expired
    /// counts as nothing presented, because a browser sends its cookie all the same.
    ///
    /// # Security
    ///
    /// A cookie is sent whoever caused the request: put a cross-origin guard in front of what changes something. Name it
    /// `__Host-...` and set it with `Secure`, `HttpOnly` and `SameSite`. WebSockets need an `Origin` that is allowed, as
    /// with [`sessions`](Self::sessions).
    ///
    /// # Errors
    ///
    /// Refuses a name that no cookie can have (RFC 6265, section 4.1.1).
    pub fn bearer_cookie(self, name: &str) -> Result<Self, AuthError> {
        if name.is_empty() || !name.bytes().all(is_token_char) {
            return Err(AuthError::one("bearer_cookie", "is no name of a cookie"));
        }
        Ok(self.with(|config| config.token_cookie = Some(name.into())))
    }

    /// Takes the credential out of requests that pass with a principal: `Authorization`, `DPoP`, `X-API-Key`, the header and
    /// the cookies that the layer was told of. What stands inside knows the principal, and neither logs nor forwards what
    /// proved it. Default: the request stays as it is.
    ///
    /// A limiter inside that counts by `Authorization` finds none; let it count by principal.
    #[must_use]
    pub fn strip_credentials(self) -> Self {
        self.with(|config| config.stripped = true)
    }

    /// Lets pages of this origin, such as `https://app.example`, open WebSockets with a session's cookie, beside those
    /// of this host.
    #[must_use]
    pub fn websocket_origin(self, origin: &str) -> Self {
        self.with(|config| config.origins.push(origin.into()))
    }

    /// Accepts one-use tickets in the query of requests that open a WebSocket.
    #[must_use]
    pub fn tickets(self, tickets: Tickets) -> Self {
        self.with(|config| config.tickets = Some(tickets))
    }

    /// Lets requests pass that present nothing; what they present is still checked, and refused if it does not hold.
    #[must_use]
    pub fn optional(self) -> Self {
        self.with(|config| config.presence = Presence::Optional)
    }

    /// Does not look at requests for exactly these paths, as the client sent them; default none.
    ///
    /// # Security
    ///
    /// A router that nests this layer strips its prefix: with feature `axum` the `OriginalUri` that axum keeps decides,
    /// else a [`SentUri`](palisade_core::SentUri) in the extensions, and without both the stripped path.
    #[must_use]
    pub fn skip(self, paths: PathSet) -> Self {
        self.with(|config| config.skip = paths)
    }

    /// Asks, after every credential that holds, whether the account may still act.
    ///
    /// Runs on each request, so it must answer from memory.
    #[must_use]
    pub fn status(
        self,
        status: impl Fn(&Principal) -> AccountStatus + Send + Sync + 'static,
    ) -> Self {
        self.with(|config| config.status = Some(Arc::new(status)))
    }

    /// Sets the realm that challenges name; default `api`.
    ///
    /// # Errors
    ///
    /// Refuses a realm that is not printable ASCII, or has quotes or backslashes.
    pub fn realm(self, realm: &str) -> Result<Self, AuthError> {
        let fits = Challenges::new(realm).is_some();
        if !fits {
            return Err(AuthError::one(
                "realm",
                "has characters that cannot be quoted",
            ));
        }
        Ok(self.with(|config| {
            if let Some(challenges) = config.challenges.of_realm(realm) {
                config.challenges = challenges;
            }
        }))
    }

    /// Keeps the configuration for the rest of the process; see [`Handle::leak`].
    #[must_use]
    pub fn leak(self) -> Self {
        Self(self.0.map(Handle::leak))
    }

    fn with(self, change: impl FnOnce(&mut Config)) -> Self {
        Self(self.0.map(|config| {
            let mut config = (*config).clone();
            change(&mut config);
            Handle::new(config)
        }))
    }
}

impl Default for AuthLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for AuthLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(config) => f.debug_tuple("AuthLayer").field(config).finish(),
            None => f.write_str("AuthLayer(off)"),
        }
    }
}
