//! Sign-in at OpenID Connect providers, such as Google, Entra, Okta, Keycloak and Auth0.
//!
//! [`Oidc`] is one provider with what is registered there: it makes the request that a browser is sent to the provider
//! with, and says who has signed in when the browser comes back. It is independent of frameworks. With feature `axum`,
//! `SignInRoutes` makes ready routes of it (`/login`, `/callback`, `/logout`) that end in a session.
//!
//! - The authorization code flow with PKCE (`S256`; RFC 7636), state and nonce. All three lie sealed (AES-256-GCM) in a
//!   cookie of this browser alone, for 10 minutes, and serve one callback.
//! - Endpoints and keys by discovery (OpenID Connect Discovery 1.0). The document must name exactly this issuer.
//! - The ID token goes through the strict verifier of this crate and the checks of OpenID Connect Core 1.0, section
//!   3.1.3.7: `aud`, `azp`, `nonce`, `iat`, `at_hash`, `auth_time`. The parameter `iss` of the response (RFC 9207) must be
//!   the provider where it is there, and must be there where the provider says that it sends it.
//! - Claims of the userinfo endpoint count only for the subject of the ID token, and signed ones (section 5.3.2) only of this
//!   issuer and for this client.
//! - The client authenticates by its secret, or by a key of its own (`private_key_jwt`; RFC 7523).
//! - The browser is sent back to paths of this site alone, and reads nothing that the provider wrote.
//!
//! # Example
//!
//! ```no_run
//! use palisade_auth::oidc::Oidc;
//! # async fn example(headers: http::HeaderMap, secret: &str) -> Result<(), Box<dyn std::error::Error>> {
//!
//! let google = Oidc::builder("https://accounts.google.com")
//!     .client("1234.apps.googleusercontent.com", secret)
//!     .redirect_uri("https://bookings.example/callback")
//!     .build()?;
//!
//! // GET /login: answer with 303, this `Location` and these `Set-Cookie`.
//! let begun = google.begin(Some("/rooms"), &headers).await?;
//! assert!(begun.location.starts_with("https://accounts.google.com/"));
//!
//! // GET /callback: the browser is back.
//! let signed_in = google.finish("state=...&code=...", &headers).await?;
//! println!("{} of {}", signed_in.identity.subject(), signed_in.identity.issuer());
//! # Ok(())
//! # }
//! ```

mod build;
mod builder;
mod error;
mod flow;
mod id_token;
mod identity;
mod link;
mod location;
mod logout;
mod once;
mod provider;
#[cfg(feature = "redis")]
mod redis;
mod return_to;
#[cfg(feature = "axum")]
mod routes;
mod seal;
mod used;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use palisade_core::time::WallClock;

pub use self::builder::OidcBuilder;
pub use self::error::OidcError;
use self::flow::{Callback, Flow, Flows};
use self::id_token::{Expected, IdClaims, RequiredClaim};
pub use self::identity::Identity;
pub use self::link::{EmailAccount, LinkAccounts, account_of};
pub use self::logout::Logout;
pub use self::provider::ProviderTokens;
use self::provider::{Provider, UserinfoAnswer};
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use self::redis::RedisSignIns;
#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub use self::routes::{SignInRoutes, SignInRoutesBuilder};
use self::used::Used;
use crate::{JwtVerifier, TokenClaims};

/// One provider, and what this service is registered as there. Clones share what is known of the provider.
#[derive(Clone)]
pub struct Oidc(Arc<Inner>);

struct Inner {
    provider: Provider,
    flows: Flows,
    scopes: Box<str>,
    parameters: Vec<(Box<str>, Box<str>)>,
    required_claims: Vec<RequiredClaim>,
    max_age: Option<Duration>,
    trusted_audiences: Vec<Box<str>>,
    userinfo: Userinfo,
    userinfo_signature: Signature,
    userinfo_tokens: JwtVerifier,
    id_tokens: JwtVerifier,
    logout_tokens: JwtVerifier,
    used_states: Used,
    used_logouts: Used,
    #[cfg(all(feature = "redis", feature = "axum"))]
    shared: Option<Shared>,
    clock: WallClock,
}

/// The means by which the sign-ins of all instances are kept.
#[cfg(all(feature = "redis", feature = "axum"))]
#[derive(Clone)]
struct Shared {
    redis: Arc<RedisSignIns>,
    keys: Arc<seal::SealKeys>,
    registration: Arc<str>,
}

/// The condition under which the userinfo endpoint is asked (OpenID Connect Core 1.0, section 5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Userinfo {
    /// If the scope `email` was asked for and the ID token has no `email`, if the provider has the endpoint: few put
    /// into the ID token what they would be asked for once more.
    #[default]
    WhenEmailIsMissing,
    /// At every sign-in.
    Always,
    /// Never.
    Never,
}

/// Whether claims of the userinfo endpoint must be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Signature {
    #[default]
    Optional,
    Required,
}

/// The answer that sends a browser to the provider: 303 or 302 with this location, and every cookie as `Set-Cookie`.
#[derive(Clone)]
#[non_exhaustive]
pub struct Begun {
    /// The address at the provider.
    pub location: String,
    /// The sealed state, and the removal of older ones where a browser has too many.
    pub cookies: Vec<HeaderValue>,
}

/// A user who has signed in at the provider.
#[derive(Debug)]
#[non_exhaustive]
pub struct SignedIn {
    /// The identity that the provider states of the user.
    pub identity: Identity,
    /// The provider's tokens.
    pub tokens: ProviderTokens,
    /// The path of this site that the sign-in began for, `/` unless a safe one was asked for.
    pub return_to: String,
    /// The session that the browser had when it began.
    #[cfg(feature = "axum")]
    before: Option<String>,
}

impl Oidc {
    /// 10 minutes, in which a sign-in must be finished: time for a password, a second factor and a look for the phone.
    pub const FLOW_LIFETIME: Duration = flow::LIFETIME;

    /// The issuer, as its tokens name it.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.0.provider.issuer()
    }

    /// Begins a sign-in. `return_to` is a path of this site, with its query; whatever else it is counts as `/`.
    ///
    /// # Errors
    ///
    /// [`OidcError::Unavailable`] and [`OidcError::BadAnswer`] when the provider's discovery document cannot be had, or the
    /// operating system gives no random bytes.
    ///
    /// # Cancel safety
    ///
    /// Dropping it leaves nothing behind.
    pub async fn begin(
        &self,
        return_to: Option<&str>,
        request: &HeaderMap,
    ) -> Result<Begun, OidcError> {
        let flow = Flow::new(return_to::safe(return_to), self.0.clock.now())?;
        self.begin_flow(flow, request).await
    }

    async fn begin_flow(&self, flow: Flow, request: &HeaderMap) -> Result<Begun, OidcError> {
        let metadata = self.0.provider.metadata().await?;
        Ok(Begun {
            location: self.location(&metadata.authorization_endpoint, &flow),
            cookies: self.0.flows.cookies(&flow, request)?,
        })
    }

    /// Finishes the sign-in that a browser comes back from the provider with. `query` is that of the callback, without the
    /// question mark, or the body of the form that [`form_post`](OidcBuilder::form_post) asks for.
    ///
    /// A state serves one call, whatever comes of it, within this process or, by `RedisSignIns`, in all instances; a code
    /// serves one at the provider. Answer with
    /// [`spent`](Self::spent) as `Set-Cookie`, whatever comes of it.
    ///
    /// # Errors
    ///
    /// As [`OidcError`] says. It is for records; the browser is told no more than its [`Rejection`](palisade_core::Rejection).
    ///
    /// # Cancel safety
    ///
    /// Dropped, the state is used, and the code perhaps: the user signs in again.
    pub async fn finish(&self, query: &str, request: &HeaderMap) -> Result<SignedIn, OidcError> {
        let this = &*self.0;
        let callback = Callback::parse(query)?;
        let now = this.clock.now();
        let flow = this.flows.open(callback.state(), request, now)?;
        let spent = this
            .used_states
            .spend(flow.id(), flow.ends_at(), now, OidcError::StateUsed);
        spent.await?;
        // Looked up only once the browser has proved that it began it, so that nobody else can end it or cost anything.
        let metadata = this.provider.metadata().await?;
        let code = callback.code(this.provider.issuer(), metadata.names_itself)?;
        let tokens = this.provider.redeem(code, flow.verifier()).await?;
        let id_token = tokens.id_token().ok_or(OidcError::BadAnswer)?;
        let expected = Expected {
            client: this.provider.client_id(),
            trusted: &this.trusted_audiences,
            nonce: Some(flow.nonce()),
            access_token: tokens.access_token(),
            max_age: this.max_age,
            asked_at: Some(flow.began_at()),
        };
        let (claims, raw) = self.id_claims(id_token, &expected).await?;
        let userinfo = self.userinfo(&claims, tokens.access_token()).await?;
        let identity = Identity::new(this.provider.issuer(), claims, raw, userinfo);
        Ok(SignedIn {
            identity,
            tokens,
            return_to: flow.return_to().to_owned(),
            #[cfg(feature = "axum")]
            before: flow.before().map(str::to_owned),
        })
    }

    /// The `Set-Cookie` that takes the state of a callback away from the browser.
    #[must_use]
    pub fn spent(&self, query: &str) -> Option<HeaderValue> {
        let callback = Callback::parse(query).ok()?;
        self.0.flows.removal(callback.state())
    }

    /// Has the provider renew its tokens (OpenID Connect Core 1.0, section 12), for whoever signed in with them.
    ///
    /// The refresh token that the answer lacks is still the one given here. An ID token, where there is one, is verified
    /// and must be about the same subject.
    ///
    /// # Errors
    ///
    /// [`OidcError::GrantRefused`] when the provider does not accept the refresh token any more, or there is none.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the provider may have replaced the refresh token by one that nobody has.
    pub async fn refresh(
        &self,
        identity: &Identity,
        tokens: &ProviderTokens,
    ) -> Result<ProviderTokens, OidcError> {
        self.renew(identity.subject(), tokens).await
    }

    async fn renew(
        &self,
        subject: &str,
        tokens: &ProviderTokens,
    ) -> Result<ProviderTokens, OidcError> {
        let this = &*self.0;
        let refresh_token = tokens.refresh_token().ok_or(OidcError::GrantRefused)?;
        let renewed = this.provider.renew(refresh_token).await?;
        if let Some(id_token) = renewed.id_token() {
            let expected = Expected {
                client: this.provider.client_id(),
                trusted: &this.trusted_audiences,
                nonce: None,
                access_token: renewed.access_token(),
                max_age: None,
                asked_at: None,
            };
            let (claims, _) = self.id_claims(id_token, &expected).await?;
            if claims.sub != subject {
                return Err(OidcError::WrongSubject);
            }
        }
        Ok(renewed.completed_by(tokens))
    }

    /// The claims of an ID token that holds.
    async fn id_claims(
        &self,
        token: &str,
        expected: &Expected<'_>,
    ) -> Result<(IdClaims, TokenClaims), OidcError> {
        let verified = self.0.id_tokens.authenticate(token).await;
        let verified = verified.map_err(OidcError::Token)?;
        let raw = verified.claims_as::<TokenClaims>();
        let raw = raw.ok_or(OidcError::BadAnswer)?;
        let claims: IdClaims = raw.parse().map_err(|_| OidcError::BadAnswer)?;
        id_token::check(&claims, token, expected, self.0.clock.now())?;
        let required = &self.0.required_claims;
        let all = raw.parse().map_err(|_| OidcError::BadAnswer)?;
        if !id_token::are_admitted(&all, required) {
            return Err(OidcError::NotAdmitted);
        }
        Ok((claims, raw.clone()))
    }

    async fn userinfo(
        &self,
        claims: &IdClaims,
        access_token: &str,
    ) -> Result<Option<TokenClaims>, OidcError> {
        let this = &*self.0;
        let wants_email = this.scopes.split(' ').any(|scope| scope == "email");
        let wanted = match this.userinfo {
            Userinfo::Always => true,
            Userinfo::WhenEmailIsMissing => wants_email && claims.email.is_none(),
            Userinfo::Never => false,
        };
        if !wanted {
            return Ok(None);
        }
        let metadata = this.provider.metadata().await?;
        let url = match (&metadata.userinfo_endpoint, this.userinfo) {
            (Some(url), _) => url,
            (None, Userinfo::Always) => return Err(OidcError::BadAnswer),
            (None, _) => return Ok(None),
        };
        let said = match this.provider.userinfo(url, access_token).await? {
            UserinfoAnswer::Signed(token) => self.signed_userinfo(&token).await?,
            UserinfoAnswer::Plain(said) if this.userinfo_signature == Signature::Optional => said,
            UserinfoAnswer::Plain(_) => return Err(OidcError::BadAnswer),
        };
        // Anybody's claims could be put in the place of the user's otherwise (section 5.3.2).
        match said.parse() {
            Ok(Subject { sub }) if sub == claims.sub => Ok(Some(said)),
            Ok(_) => Err(OidcError::WrongSubject),
            Err(_) => Err(OidcError::BadAnswer),
        }
    }

    async fn signed_userinfo(&self, token: &str) -> Result<TokenClaims, OidcError> {
        let verified = self.0.userinfo_tokens.authenticate(token).await;
        let verified = verified.map_err(OidcError::Token)?;
        let claims = verified.claims_as::<TokenClaims>();
        claims.cloned().ok_or(OidcError::BadAnswer)
    }
}

#[derive(serde::Deserialize)]
struct Subject {
    sub: String,
}

impl fmt::Debug for Oidc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oidc")
            .field("issuer", &self.issuer())
            .field("client", &self.0.provider.client_id())
            .field("redirect_uri", &self.0.provider.redirect_uri())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Begun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Begun([redacted])")
    }
}
