//! Ready-made routes for axum: they end in a session of this crate.

mod accounts;
mod builder;
mod handlers;
mod kept;
mod respond;

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use palisade_core::Principal;

use self::accounts::{Accounts, Adapt};
pub use self::builder::SignInRoutesBuilder;
use self::kept::{Kept, SignIns};
use super::flow::{Flow, ResponseMode};
use super::{Begun, Identity, Logout, Oidc, OidcError, ProviderTokens, SignedIn, return_to};
use crate::outcome::Outcome;
use crate::{Refusal, SessionStore};

/// `/login`, `/callback`, `/logout` and `/logout/back-channel` for one provider, to be nested where you like.
///
/// | route | what it does |
/// |---|---|
/// | `GET /login?return_to=/rooms` | sends the browser to the provider |
/// | `GET /callback` | finishes the sign-in, begins a session, and sends the browser to `return_to`; with [`form_post`](super::OidcBuilder::form_post) it is `POST /callback` |
/// | `POST /logout` | ends the session, and sends the browser to the provider's logout where it has one |
/// | `POST /logout/back-channel` | ends the sessions that a logout token of the provider names |
///
/// The principal of the session is the user at the provider, (`iss`, `sub`), with the claims of the ID token; or the account
/// that [`accounts`](SignInRoutesBuilder::accounts) link to it. The provider's tokens and session are kept for the life of
/// the session, in the memory of this process or, by `RedisSignIns`, for every instance; see
/// [`provider_tokens`](Self::provider_tokens).
///
/// # Example
///
/// ```
/// use axum::Router;
/// use axum::routing::get;
/// use palisade_auth::oidc::{Oidc, SignInRoutes};
/// use palisade_auth::{Auth, AuthLayer, Sessions};
/// # let secret = "GOCSPX-an-example-of-a-client-secret";
///
/// let google = Oidc::builder("https://accounts.google.com")
///     .client("1234.apps.googleusercontent.com", secret)
///     .redirect_uri("https://bookings.example/callback")
///     .build()?;
/// let sessions = Sessions::memory().build()?;
/// let sign_in = SignInRoutes::builder(google, sessions.clone()).build()?;
///
/// let app: Router = Router::new()
///     .route("/me", get(|auth: Auth| async move { auth.subject().to_owned() }))
///     .layer(AuthLayer::new().sessions(sessions))
///     .merge(sign_in.router());
/// # Ok::<(), palisade_auth::AuthError>(())
/// ```
///
/// # Security
///
/// - `GET /login` can be caused by any page. It costs the provider nothing and this service a cookie; put a limit in front
///   of it as of every route.
/// - `POST /logout` takes nothing away from a browser that comes without the session's cookie, as requests of other sites
///   do (`SameSite=Lax`).
/// - With `RedisSessions` and without `RedisSignIns`, a logout token that names a session alone is answered with 400 by a
///   process that did not begin it. Providers that name the subject as well are served by every process, which then ends all
///   sessions of the subject.
#[derive(Clone)]
pub struct SignInRoutes(Arc<Inner>);

struct Inner {
    oidc: Oidc,
    sessions: SessionStore,
    sign_ins: SignIns,
    accounts: Option<Accounts>,
    adapt: Option<Adapt>,
    signed_out_at: Option<Box<str>>,
    failed_at: Option<Box<str>>,
}

impl SignInRoutes {
    /// The provider's tokens of whoever a session belongs to, renewed where the access token ends within half a minute and
    /// there is a refresh token. Nothing for a principal that did not sign in here, or that signed in at an instance that
    /// shares no `RedisSignIns` with this one.
    ///
    /// Requests that need it at once renew it once, those of other instances too.
    ///
    /// # Errors
    ///
    /// As for [`Oidc::refresh`], and [`OidcError::Unavailable`] while Redis cannot be asked.
    ///
    /// # Cancel safety
    ///
    /// Dropped, a renewal goes on, and what comes of it is kept.
    pub async fn provider_tokens(
        &self,
        principal: &Principal,
    ) -> Result<Option<ProviderTokens>, OidcError> {
        let this = &*self.0;
        this.sign_ins.tokens(&this.oidc, principal).await
    }

    /// The session that the browser has is remembered where its cookie does not come back with the answer.
    async fn begin(&self, target: Option<&str>, request: &HeaderMap) -> Result<Begun, OidcError> {
        let oidc = &self.0.oidc;
        let before = match oidc.0.flows.mode() {
            ResponseMode::Query => None,
            ResponseMode::FormPost => self.current(request).await.ok().flatten(),
        };
        let before = before.and_then(|before| before.session_id().map(str::to_owned));
        let flow = Flow::new(return_to::safe(target), oidc.0.clock.now())?;
        oidc.begin_flow(flow.with_before(before), request).await
    }

    async fn finish(
        &self,
        query: &str,
        request: &HeaderMap,
    ) -> Result<(HeaderValue, Principal, String), OidcError> {
        let this = &*self.0;
        let SignedIn {
            identity,
            tokens,
            return_to,
            before,
        } = this.oidc.finish(query, request).await?;
        let principal = self.principal(&identity).await?;
        if let Some(before) = before {
            let ended = this.sessions.revoke(&before).await;
            ended.map_err(|_| OidcError::Unavailable)?;
            let _ = this.sign_ins.remove(&before, None).await;
        }
        if let Ok(Some(before)) = self.current(request).await {
            // What is left of it ends with its time.
            let _ = this.sign_ins.take(&before).await;
        }
        let begun = this.sessions.begin(principal.clone(), request).await;
        let (cookie, session) = begun.map_err(|error| {
            tracing::error!(target: "palisade_auth", %error, "no session could be begun");
            OidcError::Unavailable
        })?;
        let principal = principal.session(&session);
        let now = this.oidc.0.clock.now();
        let until = now.saturating_add(this.sessions.lifetime());
        let kept = Kept::new(&principal, &identity, tokens);
        if let Err(error) = this.sign_ins.keep(&session, kept, (now, until)).await {
            // Its provider could not end it.
            let _ = this.sessions.revoke(&session).await;
            return Err(error);
        }
        Ok((cookie, principal, return_to))
    }

    async fn principal(&self, identity: &Identity) -> Result<Principal, OidcError> {
        let principal = match &self.0.accounts {
            Some(accounts) => {
                let account = (accounts.of)(identity.clone()).await?;
                Principal::user(&accounts.name, &account)
            }
            None => Principal::user(identity.issuer(), identity.subject()),
        };
        let principal = principal.claims(identity.claims().clone());
        Ok(match &self.0.adapt {
            Some(adapt) => adapt(principal, identity),
            None => principal,
        })
    }

    /// Finds the session that a request came with.
    async fn current(&self, request: &HeaderMap) -> Result<Option<Arc<Principal>>, Refusal> {
        let result = match self.0.sessions.check(request) {
            None => return Ok(None),
            Some(Outcome::Now(result)) => result,
            Some(Outcome::Later(later)) => later.await,
        };
        match result {
            Ok(principal) => Ok(Some(principal)),
            Err(Refusal::StoreUnavailable) => Err(Refusal::StoreUnavailable),
            Err(_) => Ok(None),
        }
    }

    /// The provider's own logout for a session that was begun there.
    async fn provider_logout(&self, principal: &Principal) -> Option<String> {
        let this = &*self.0;
        let tokens = this.sign_ins.take(principal).await.ok().flatten();
        if tokens.is_none() && principal.issuer() != this.oidc.issuer() {
            return None;
        }
        let id_token = tokens.as_ref().and_then(ProviderTokens::id_token);
        let url = this
            .oidc
            .logout_url(id_token, this.signed_out_at.as_deref());
        // The session here is over, whatever the provider says.
        url.await.ok().flatten()
    }

    /// Ends what a logout token names. It is used up once that is done, so that a provider may send it again where a store
    /// was away.
    async fn logout_token(&self, token: &str) -> Result<(), OidcError> {
        let this = &*self.0;
        let (logout, mark) = this.oidc.verified_logout(token).await?;
        let inner = &this.oidc.0;
        let is_spent = inner.used_logouts.is_spent(&mark.name, inner.clock.now());
        if is_spent.await? {
            return Err(OidcError::Replayed);
        }
        self.end(&logout).await?;
        match this.oidc.spend_logout(&mark).await {
            // The same at the same time: its sessions are over.
            Err(OidcError::Replayed) => Ok(()),
            other => other,
        }
    }

    /// Ends the sessions that a provider has ended.
    async fn end(&self, logout: &Logout) -> Result<(), OidcError> {
        let this = &*self.0;
        let unavailable = |_: Refusal| OidcError::Unavailable;
        let named = this.sign_ins.named_by(logout).await?;
        for session in &named {
            this.sessions.revoke(session).await.map_err(unavailable)?;
            this.sign_ins
                .remove(session, logout.session.as_deref())
                .await?;
        }
        let all_known = this.sign_ins.are_shared() || !this.sessions.is_shared();
        let is_known = !named.is_empty() || all_known;
        match &logout.subject {
            Some(_) if logout.session.is_some() && is_known => Ok(()),
            Some(subject) => {
                let (issuer, subject) = match &this.accounts {
                    None => (this.oidc.issuer(), Some(subject.clone())),
                    Some(accounts) => {
                        let known = (accounts.known)(logout.issuer.clone(), subject.clone());
                        (&*accounts.name, known.await?)
                    }
                };
                if let Some(subject) = subject {
                    let revoked = this.sessions.revoke_subject(issuer, &subject).await;
                    revoked.map_err(unavailable)?;
                }
                Ok(())
            }
            None if is_known => Ok(()),
            // Another process may have begun it; nobody can say that it is over.
            None => Err(OidcError::WrongEvent),
        }
    }
}

impl fmt::Debug for SignInRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInRoutes")
            .field("oidc", &self.0.oidc)
            .finish_non_exhaustive()
    }
}
