use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use jsonwebtoken::Algorithm;
use palisade_client::HttpClient;
use palisade_core::Problems;
use palisade_core::secret::Weakness;
use palisade_core::time::WallClock;
use zeroize::Zeroizing;

use super::flow::Flows;
use super::once::Once;
use super::provider::{Client, Provider, Registered};
use super::seal::SealKeys;
use super::{Inner, Oidc, Userinfo};
use crate::jwt::issuer::Issuer;
use crate::jwt::purpose::Purpose;
use crate::{AuthError, Jwks, JwtVerifier};

/// The number of used logout tokens that are remembered.
const REMEMBERED: usize = 100_000;

/// The parameters that make the flow what it is, and are nobody's to change.
const RESERVED: [&str; 12] = [
    "client_id",
    "client_secret",
    "code_challenge",
    "code_challenge_method",
    "max_age",
    "nonce",
    "redirect_uri",
    "request",
    "response_mode",
    "response_type",
    "scope",
    "state",
];

/// Collects the settings of an [`Oidc`].
pub struct OidcBuilder {
    issuer: Box<str>,
    client: Client,
    redirect_uri: Box<str>,
    scopes: Vec<Box<str>>,
    algorithms: Vec<Algorithm>,
    parameters: Vec<(Box<str>, Box<str>)>,
    max_age: Option<Duration>,
    trusted_audiences: Vec<Box<str>>,
    userinfo: Userinfo,
    cookie_secret: Option<Zeroizing<Vec<u8>>>,
    previous_cookie_secret: Option<Zeroizing<Vec<u8>>>,
    http_client: Option<HttpClient>,
    clock: WallClock,
}

impl Oidc {
    /// Starts with the issuer as its tokens name it, to the last slash: `https://accounts.google.com`.
    #[must_use]
    pub fn builder(issuer: &str) -> OidcBuilder {
        OidcBuilder {
            issuer: issuer.into(),
            client: Client::public(""),
            redirect_uri: "".into(),
            scopes: ["openid", "email", "profile"].map(Into::into).to_vec(),
            algorithms: vec![Algorithm::RS256],
            parameters: Vec::new(),
            max_age: None,
            trusted_audiences: Vec::new(),
            userinfo: Userinfo::default(),
            cookie_secret: None,
            previous_cookie_secret: None,
            http_client: None,
            clock: WallClock::system(),
        }
    }
}

impl OidcBuilder {
    /// Sets the id and the secret that the provider gave to this service. The secret is sent as `Basic` (RFC 6749, section
    /// 2.3.1), or in the body where the provider wants that alone.
    #[must_use]
    pub fn client(mut self, id: &str, secret: &str) -> Self {
        self.client = Client::confidential(id, secret);
        self
    }

    /// Sets the id of a client that has no secret (RFC 6749, section 2.1), which PKCE alone protects.
    #[must_use]
    pub fn public_client(mut self, id: &str) -> Self {
        self.client = Client::public(id);
        self
    }

    /// Sets where the provider sends browsers back to: the address of the callback, registered there to the letter. Of plain
    /// http on this machine alone, where the cookie of a sign-in then has neither `Secure` nor `__Host-`.
    #[must_use]
    pub fn redirect_uri(mut self, url: &str) -> Self {
        self.redirect_uri = url.into();
        self
    }

    /// Sets the scopes beside `openid`; default `email profile`. Add `offline_access` for refresh tokens, where the provider
    /// wants it.
    #[must_use]
    pub fn scopes<'a>(mut self, scopes: impl IntoIterator<Item = &'a str>) -> Self {
        self.scopes = vec!["openid".into()];
        for scope in scopes {
            if self.scopes.iter().all(|known| **known != *scope) {
                self.scopes.push(scope.into());
            }
        }
        self
    }

    /// Sets the algorithms of ID and logout tokens; default `RS256`, as registered unless told otherwise (OpenID Connect Core
    /// 1.0, section 3.1.3.7, point 7). None with a shared secret.
    #[must_use]
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Adds a parameter to the address at the provider, such as `prompt`, `hd` or `access_type`.
    #[must_use]
    pub fn add_parameter(mut self, name: &str, value: &str) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    /// Sets how long ago a user may have proved who he is, in whole seconds; the provider asks again otherwise. Default any
    /// time.
    #[must_use]
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Adds an audience that may stand in ID tokens beside this client (OpenID Connect Core 1.0, section 3.1.3.7, point 3).
    /// Default none.
    #[must_use]
    pub fn add_trusted_audience(mut self, audience: &str) -> Self {
        self.trusted_audiences.push(audience.into());
        self
    }

    /// Sets when the userinfo endpoint is asked; default [`Userinfo::WhenEmailIsMissing`].
    #[must_use]
    pub const fn userinfo(mut self, userinfo: Userinfo) -> Self {
        self.userinfo = userinfo;
        self
    }

    /// Sets the secret that seals what browsers keep of a sign-in, at least 32 random bytes. All instances of a service
    /// need the same; default a random one of this process, with which a restart ends the sign-ins under way.
    #[must_use]
    pub fn cookie_secret(mut self, secret: impl AsRef<[u8]>) -> Self {
        self.cookie_secret = Some(secret.as_ref().to_vec().into());
        self
    }

    /// Sets the secret before, for the 10 minutes after it was changed.
    #[must_use]
    pub fn previous_cookie_secret(mut self, secret: impl AsRef<[u8]>) -> Self {
        self.previous_cookie_secret = Some(secret.as_ref().to_vec().into());
        self
    }

    /// Sets the HTTP client; default one of its own, which gives up after 10 seconds.
    #[must_use]
    pub fn http_client(mut self, client: HttpClient) -> Self {
        self.http_client = Some(client);
        self
    }

    /// Sets the clock; default the system's.
    #[must_use]
    pub fn clock(mut self, clock: WallClock) -> Self {
        self.clock = clock;
        self
    }

    /// The provider. Nothing is fetched before the first sign-in.
    ///
    /// # Errors
    ///
    /// Returns every setting that cannot be used: an issuer or a redirect URI that is not `https` nor on this machine, no
    /// client, a weak secret, an algorithm with a shared secret, a reserved parameter. Fails when the root certificates of
    /// the system cannot be read.
    pub fn build(self) -> Result<Oidc, AuthError> {
        let mut problems = self.problems();
        let keys = self.keys(&mut problems)?;
        let http_client = match &self.http_client {
            Some(client) => Ok(client.clone()),
            None => default_client(),
        };
        let http_client =
            http_client.map_err(|error| problems.push("http_client", error.to_string()));
        let Ok(http_client) = http_client else {
            return Err(problems.into());
        };
        let jwks = Jwks::discover(&self.issuer, Some(http_client.clone()));
        let verifiers = jwks.and_then(|jwks| {
            let id_tokens = self.verifier(&jwks, Purpose::SignIn)?;
            Ok((id_tokens, self.verifier(&jwks, Purpose::Logout)?))
        });
        let verifiers = match verifiers {
            Ok(verifiers) if problems.is_empty() => verifiers,
            Ok(_) => return Err(problems.into()),
            Err(AuthError::Config(part)) => {
                problems.append("", part);
                return Err(problems.into());
            }
            Err(error) => return Err(error),
        };
        let (id_tokens, logout_tokens) = verifiers;
        let registered = Registered {
            client: self.client.clone(),
            redirect_uri: self.redirect_uri.clone(),
            clock: self.clock.clone(),
        };
        Ok(Oidc(Arc::new(Inner {
            flows: Flows::new(keys, &self.issuer, &self.client.id, &self.redirect_uri),
            provider: Provider::new(&self.issuer, http_client, registered),
            scopes: self.scopes.join(" ").into(),
            parameters: self.parameters,
            max_age: self.max_age,
            trusted_audiences: self.trusted_audiences,
            userinfo: self.userinfo,
            id_tokens,
            logout_tokens,
            used_logouts: Once::new(REMEMBERED),
            clock: self.clock,
        })))
    }

    fn problems(&self) -> Problems {
        let mut problems = Problems::none();
        if self.client.id.is_empty() {
            problems.push("client", "is missing");
        }
        if self.client.has_empty_secret() {
            problems.push("client", "has an empty secret; `public_client` has none");
        }
        let has_host = self.redirect_uri.parse::<Uri>().is_ok();
        let plain = !self.redirect_uri.contains('#');
        if !(has_host && plain && crate::jwt::is_trusted(&self.redirect_uri)) {
            problems.push("redirect_uri", "is not an https URL without a fragment");
        }
        // RFC 6749, section 3.3.
        let token = |byte: u8| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~');
        let is_scope = |scope: &str| !scope.is_empty() && scope.bytes().all(token);
        if !self.scopes.iter().all(|scope| is_scope(scope)) {
            problems.push("scopes", "has one that is empty or has a space in it");
        }
        if self.algorithms.is_empty() {
            problems.push("algorithms", "is empty");
        }
        for (name, _) in &self.parameters {
            if name.is_empty() || RESERVED.contains(&&**name) {
                problems.push("parameter", format!("{name:?} belongs to the flow"));
            }
        }
        problems
    }

    fn keys(&self, problems: &mut Problems) -> Result<SealKeys, AuthError> {
        let mut of = |field: &str, secret: &[u8]| {
            let weak = |weak: Weakness| problems.push(field, weak.to_string());
            SealKeys::of(secret).map_err(weak).ok()
        };
        let current = self.cookie_secret.as_ref();
        let current = current.and_then(|secret| of("cookie_secret", secret));
        let previous = self.previous_cookie_secret.as_ref();
        let previous = previous.and_then(|secret| of("previous_cookie_secret", secret));
        let mut keys = match current {
            Some(keys) => keys,
            None => SealKeys::random()?,
        };
        if let Some(previous) = previous {
            keys.add_previous(previous);
        }
        Ok(keys)
    }

    /// The verifier of tokens of one purpose. Each is seen once, so none is remembered.
    fn verifier(&self, jwks: &Jwks, purpose: Purpose) -> Result<JwtVerifier, AuthError> {
        let lifetime = match purpose {
            Purpose::Logout => Oidc::LOGOUT_LIFETIME,
            _ => Issuer::FOREIGN_LIFETIME,
        };
        let issuer = Issuer::jwks(&self.issuer, jwks.clone())
            .for_purpose(purpose)
            .algorithms(self.algorithms.iter().copied())
            .audience(&self.client.id)
            .max_lifetime(lifetime)
            .leeway(Issuer::MAX_LEEWAY);
        JwtVerifier::builder()
            .issuer(issuer)
            .cache(0)
            .clock(self.clock.clone())
            .build()
    }
}

fn default_client() -> Result<HttpClient, palisade_client::HttpClientError> {
    HttpClient::builder()
        .name("oidc")
        .connect_timeout(Duration::from_secs(2))
        .attempt_timeout(Duration::from_secs(8))
        .total_timeout(Duration::from_secs(10))
        .max_body(512 * 1024)
        .build()
}

impl fmt::Debug for OidcBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OidcBuilder")
            .field("issuer", &self.issuer)
            .field("client", &self.client.id)
            .field("redirect_uri", &self.redirect_uri)
            .finish_non_exhaustive()
    }
}
