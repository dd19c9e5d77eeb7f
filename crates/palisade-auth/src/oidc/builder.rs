use std::fmt;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use palisade_client::HttpClient;
use palisade_core::time::WallClock;
use zeroize::Zeroizing;

use super::flow::ResponseMode;
use super::id_token::RequiredClaim;
use super::provider::Client;
#[cfg(feature = "redis")]
use super::redis::RedisSignIns;
use super::{Oidc, Signature, Userinfo};
use crate::SigningKeys;

/// Collects the settings of an [`Oidc`].
pub struct OidcBuilder {
    pub(super) issuer: Box<str>,
    pub(super) client: Client,
    pub(super) redirect_uri: Box<str>,
    pub(super) scopes: Vec<Box<str>>,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) parameters: Vec<(Box<str>, Box<str>)>,
    pub(super) required_claims: Vec<RequiredClaim>,
    pub(super) max_age: Option<Duration>,
    pub(super) trusted_audiences: Vec<Box<str>>,
    pub(super) userinfo: Userinfo,
    pub(super) userinfo_signature: Signature,
    pub(super) assertion_audience: Option<Box<str>>,
    pub(super) mode: ResponseMode,
    pub(super) cookie_secret: Option<Zeroizing<Vec<u8>>>,
    pub(super) previous_cookie_secret: Option<Zeroizing<Vec<u8>>>,
    #[cfg(feature = "redis")]
    pub(super) redis: Option<RedisSignIns>,
    pub(super) http_client: Option<HttpClient>,
    pub(super) clock: WallClock,
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
            required_claims: Vec::new(),
            max_age: None,
            trusted_audiences: Vec::new(),
            userinfo: Userinfo::default(),
            userinfo_signature: Signature::default(),
            assertion_audience: None,
            mode: ResponseMode::default(),
            cookie_secret: None,
            previous_cookie_secret: None,
            #[cfg(feature = "redis")]
            redis: None,
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

    /// Sets the id of a client that authenticates by a key of its own (`private_key_jwt`; RFC 7523, section 2.2; OpenID
    /// Connect Core 1.0, section 9): the provider has the public half, and nobody keeps a secret for both. Each request has
    /// a token of its own, for one minute. Keys may [rotate](SigningKeys::rotate); publish them at the address that is
    /// registered as `jwks_uri`, each as [`VerifyingKey::to_jwk`](crate::VerifyingKey::to_jwk) writes it.
    ///
    /// The provider finds the key by its `kid`. Where it knows a certificate instead, as Entra ID does, give each key
    /// [its own](crate::SigningKey::certificate): the token then has `x5t#S256`, and no `kid`.
    #[must_use]
    pub fn private_key_client(mut self, id: &str, keys: SigningKeys) -> Self {
        self.client = Client::with_key(id, keys);
        self
    }

    /// Sets whom the tokens of a [client with a key](Self::private_key_client) are for (`aud`); default the address of the
    /// token endpoint, as OpenID Connect Core 1.0 says. Newer providers want their issuer.
    #[must_use]
    pub fn assertion_audience(mut self, audience: &str) -> Self {
        self.assertion_audience = Some(audience.into());
        self
    }

    /// Has the provider answer with a form that the browser posts to the callback (OAuth 2.0 Form Post Response Mode), so
    /// that no code stands in an address, in logs or in the history; default a query. Some providers send some claims in
    /// no other way.
    ///
    /// # Security
    ///
    /// The form comes from a page of another site, so the cookie of the sign-in is `SameSite=None; Secure`: a `Lax` one
    /// would not come along, and every sign-in would fail. Pages of others can then post to the callback with it, and come
    /// to nothing, because they know no state. Over plain http, on this machine alone, Chromium and Firefox keep such a
    /// cookie and Safari does not.
    ///
    /// The cookie of a session does not come along either, and need not: which one a sign-in replaces is sealed into the
    /// state. A guard against requests of other sites must let `POST /callback` pass.
    #[must_use]
    pub const fn form_post(mut self) -> Self {
        self.mode = ResponseMode::FormPost;
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

    /// Lets only those sign in whose ID token has this claim as one of these texts, letter by letter: `hd` for the accounts
    /// of a Google Workspace, `tid` for those of a tenant at Entra. Called again, asks for that claim too. Default none: whoever
    /// has an account at the provider.
    #[must_use]
    pub fn require_claim<'a>(
        mut self,
        name: &str,
        values: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let values = values.into_iter().map(Into::into).collect();
        self.required_claims.push((name.into(), values));
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

    /// Refuses claims of the userinfo endpoint that are not signed (OpenID Connect Core 1.0, section 5.3.2), for clients
    /// registered with `userinfo_signed_response_alg`. Signed ones are verified either way, by the [algorithms](Self::algorithms)
    /// and keys of ID tokens; encrypted ones are not read.
    #[must_use]
    pub const fn require_signed_userinfo(mut self) -> Self {
        self.userinfo_signature = Signature::Required;
        self
    }

    /// Sets the secret that seals what browsers keep of a sign-in, at least 32 random bytes. All instances of a service
    /// need the same; default a random one of this process, with which a restart ends the sign-ins under way.
    #[must_use]
    pub fn cookie_secret(mut self, secret: impl AsRef<[u8]>) -> Self {
        self.cookie_secret = Some(secret.as_ref().to_vec().into());
        self
    }

    /// Sets the secret before, for the 10 minutes after it was changed; with `redis` for as long as sessions last.
    #[must_use]
    pub fn previous_cookie_secret(mut self, secret: impl AsRef<[u8]>) -> Self {
        self.previous_cookie_secret = Some(secret.as_ref().to_vec().into());
        self
    }

    /// Shares sign-ins with the other instances of this service; default each process has its own. Takes
    /// [`cookie_secret`](Self::cookie_secret), by which all of them read what one has kept.
    #[cfg(feature = "redis")]
    #[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
    #[must_use]
    pub fn redis(mut self, sign_ins: RedisSignIns) -> Self {
        self.redis = Some(sign_ins);
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
