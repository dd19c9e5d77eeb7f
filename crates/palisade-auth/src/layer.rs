use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, Request};
use palisade_core::{Handle, PathSet, Principal};
use tower_layer::Layer;

use crate::challenge::Challenges;
use crate::counters::Counters;
use crate::credential::{self, Credential, Places};
use crate::jwt::keys::sha256;
use crate::outcome::{Later, Outcome};
use crate::service::AuthService;
use crate::service_token::{ServiceToken, ServiceTokens};
use crate::websocket::{self, Tickets};
use crate::{ApiKeys, AuthError, JwtVerifier, Refusal, Sessions};

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

type Status = Arc<dyn Fn(&Principal) -> AccountStatus + Send + Sync>;

/// Proves who is calling, and puts the [`Principal`] into the request's scope.
///
/// The layer is its own builder. Clones, and repeated calls of `layer`, share their state. A setter makes another
/// layer, so settle it before cloning.
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
pub struct AuthLayer(Option<Handle<Config>>);

#[derive(Clone)]
pub(crate) struct Config {
    bearer: Option<JwtVerifier>,
    services: ServiceTokens,
    api_keys: Option<ApiKeys>,
    sessions: Option<Sessions>,
    tickets: Option<Tickets>,
    origins: Vec<Box<str>>,
    presence: Presence,
    skip: PathSet,
    status: Option<Status>,
    pub(crate) challenges: Challenges,
    pub(crate) counters: Arc<Counters>,
}

/// Whether a request must present a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Required,
    Optional,
}

/// What becomes of a request.
pub(crate) enum Decision {
    /// It passes without a principal.
    Anonymous,
    Now(Result<Arc<Principal>, Refusal>),
    Later(Later),
}

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
                services: ServiceTokens::default(),
                api_keys: None,
                sessions: None,
                tickets: None,
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

    /// Accepts JSON Web Tokens that `verifier` accepts, in `Authorization: Bearer`.
    #[must_use]
    pub fn bearer(self, verifier: JwtVerifier) -> Self {
        self.with(|config| config.bearer = Some(verifier))
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
    pub fn sessions(self, sessions: Sessions) -> Self {
        self.with(|config| config.sessions = Some(sessions))
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

    /// Does not look at requests for exactly these paths, as this layer sees them; default none.
    ///
    /// # Security
    ///
    /// A router that nests this layer strips its prefix first: `/admin/metrics` is seen as `/metrics` inside `/admin`.
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
        let Some(challenges) = Challenges::new(realm) else {
            return Err(AuthError::one(
                "realm",
                "has characters that cannot be quoted",
            ));
        };
        Ok(self.with(|config| config.challenges = challenges))
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

impl Config {
    #[inline]
    pub(crate) fn decide<Rq>(&self, request: &mut Request<Rq>) -> Decision {
        if self.skip.contains(request.uri().path()) {
            return Decision::Anonymous;
        }
        if websocket::is_opening(request.headers()) {
            return self.decide_opening(request);
        }
        let places = Places {
            api_key: self.api_keys.is_some(),
        };
        match credential::find(request.headers(), request.uri(), places) {
            Err(refusal) => Decision::Now(Err(refusal)),
            Ok(Credential::Bearer(token)) => self.decided(self.check_bearer(token)),
            Ok(Credential::ApiKey(key)) => match &self.api_keys {
                Some(keys) => self.decided(keys.check(key)),
                None => Decision::Now(Err(Refusal::KeyUnknown)),
            },
            Ok(Credential::None) => self.decide_ambient(request.headers(), Ok(())),
        }
    }

    /// Nothing was presented on purpose; the browser may have sent a cookie.
    fn decide_ambient(&self, headers: &HeaderMap, origin: Result<(), Refusal>) -> Decision {
        let session = self
            .sessions
            .as_ref()
            .and_then(|sessions| sessions.check(headers));
        let refusal = match session {
            Some(Ok(principal)) => {
                return Decision::Now(self.admit(origin.map(|()| principal)));
            }
            Some(Err(Refusal::SessionUnknown)) => Refusal::SessionUnknown,
            Some(Err(refusal)) => return Decision::Now(Err(refusal)),
            None => Refusal::NoCredential,
        };
        match self.presence {
            Presence::Optional => Decision::Anonymous,
            Presence::Required => Decision::Now(Err(refusal)),
        }
    }

    /// A WebSocket has more places for a credential, none of which the inner service may see.
    #[cold]
    fn decide_opening<Rq>(&self, request: &mut Request<Rq>) -> Decision {
        let offered = match websocket::take_token(request.headers_mut()) {
            Ok(offered) => offered,
            Err(refusal) => return Decision::Now(Err(refusal)),
        };
        let places = Places {
            api_key: self.api_keys.is_some(),
        };
        let presented = match credential::find(request.headers(), request.uri(), places) {
            Ok(presented) => presented,
            Err(refusal) => return Decision::Now(Err(refusal)),
        };
        let tickets = self.tickets.as_ref();
        let ticket = tickets.and_then(|tickets| Some((tickets, websocket::ticket(request.uri())?)));
        match (presented, offered, ticket) {
            (Credential::Bearer(token), None, None) => self.decided(self.check_bearer(token)),
            (Credential::ApiKey(key), None, None) => match &self.api_keys {
                Some(keys) => self.decided(keys.check(key)),
                None => Decision::Now(Err(Refusal::KeyUnknown)),
            },
            (Credential::None, Some(token), None) => self.decided(self.check_bearer(&token)),
            (Credential::None, None, Some((tickets, ticket))) => {
                Decision::Now(self.admit(tickets.redeem(ticket)))
            }
            (Credential::None, None, None) => {
                let origin = match websocket::origin_allowed(request.headers(), &self.origins) {
                    true => Ok(()),
                    false => Err(Refusal::OriginNotAllowed),
                };
                self.decide_ambient(request.headers(), origin)
            }
            _ => Decision::Now(Err(Refusal::SeveralCredentials)),
        }
    }

    fn check_bearer(&self, token: &[u8]) -> Outcome {
        if token.len() > crate::jwt::parse::MAX_TOKEN_LEN {
            return Outcome::Now(Err(Refusal::TokenTooLong));
        }
        // One digest finds a service's token as well as a verified one.
        let digest = sha256(token);
        if !self.services.is_empty()
            && let Some(service) = self.services.find(&digest)
        {
            return Outcome::Now(Ok(Arc::clone(service)));
        }
        match &self.bearer {
            Some(verifier) => verifier.check(token, &digest, verifier.now()),
            None => Outcome::Now(Err(Refusal::UnknownToken)),
        }
    }

    fn decided(&self, outcome: Outcome) -> Decision {
        match outcome {
            Outcome::Now(result) => Decision::Now(self.admit(result)),
            Outcome::Later(later) => Decision::Later(later),
        }
    }

    /// The last word, after the credential has been proved.
    #[inline]
    pub(crate) fn admit(
        &self,
        result: Result<Arc<Principal>, Refusal>,
    ) -> Result<Arc<Principal>, Refusal> {
        let principal = result?;
        match self.status.as_ref().map(|status| status(&principal)) {
            None | Some(AccountStatus::Active) => Ok(principal),
            Some(AccountStatus::Disabled) => Err(Refusal::AccountDisabled),
            Some(AccountStatus::Unknown) => Err(Refusal::StoreUnavailable),
        }
    }
}

impl Default for AuthLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("bearer", &self.bearer)
            .field("presence", &self.presence)
            .field("skip", &self.skip)
            .finish_non_exhaustive()
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

impl<S> Layer<S> for AuthLayer {
    type Service = AuthService<S>;

    fn layer(&self, inner: S) -> AuthService<S> {
        AuthService::new(inner, self.0.clone())
    }
}
