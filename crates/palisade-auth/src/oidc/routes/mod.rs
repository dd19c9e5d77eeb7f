//! Ready-made routes for axum: they end in a session of this crate.

mod accounts;
mod builder;
mod kept;
mod respond;

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use palisade_core::{EventKind, Principal, RequestScope, SecurityEvent};

use self::accounts::{Accounts, Adapt};
pub use self::builder::SignInRoutesBuilder;
use self::kept::{Kept, SignIns};
use self::respond::{answer, method_not_allowed, redirect, with_cookies};
use super::{Identity, Logout, Oidc, OidcError, ProviderTokens, SignedIn};
use crate::form::only;
use crate::outcome::Outcome;
use crate::{Refusal, SessionStore};

/// The largest body of a back-channel logout that is read, in bytes: a token of 8 KiB and its name.
const MAX_BODY: usize = 16 * 1024;

/// `/login`, `/callback`, `/logout` and `/logout/back-channel` for one provider, to be nested where you like.
///
/// | route | what it does |
/// |---|---|
/// | `GET /login?return_to=/rooms` | sends the browser to the provider |
/// | `GET /callback` | finishes the sign-in, begins a session, and sends the browser to `return_to` |
/// | `POST /logout` | ends the session, and sends the browser to the provider's logout where it has one |
/// | `POST /logout/back-channel` | ends the sessions that a logout token of the provider names |
///
/// The principal of the session is the user at the provider, (`iss`, `sub`), with the claims of the ID token; or the account
/// that [`accounts`](SignInRoutesBuilder::accounts) link to it. What the provider said (its tokens, its session) is kept in
/// the memory of this process for the life of the session; see [`provider_tokens`](Self::provider_tokens).
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
/// - With sessions in Redis, a logout token that names a session alone is answered with 400 by a process that did not begin
///   it. Providers that name the subject as well are served by every process, which then ends all sessions of the subject.
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
    /// The routes.
    pub fn router<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        Router::new()
            .route("/login", get(login))
            .route("/callback", get(callback))
            .route("/logout", post(logout))
            .route("/logout/back-channel", post(back_channel))
            .with_state(self.clone())
    }

    /// The provider's tokens of whoever a session belongs to, renewed where the access token ends within half a minute and
    /// there is a refresh token. Nothing for a principal that did not sign in here, or in another process.
    ///
    /// Requests that need it at once renew it once.
    ///
    /// # Errors
    ///
    /// As for [`Oidc::refresh`].
    ///
    /// # Cancel safety
    ///
    /// As for [`Oidc::refresh`].
    pub async fn provider_tokens(
        &self,
        principal: &Principal,
    ) -> Result<Option<ProviderTokens>, OidcError> {
        let this = &*self.0;
        let Some(kept) = this.sign_ins.of(principal) else {
            return Ok(None);
        };
        let mut tokens = kept.tokens.lock().await;
        let now = this.oidc.0.clock.now();
        if tokens.ends_soon(now) && tokens.refresh_token().is_some() {
            *tokens = this.oidc.refresh(&kept.identity, &tokens).await?;
        }
        Ok(Some(tokens.clone()))
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
        } = this.oidc.finish(query, request).await?;
        let principal = self.principal(&identity).await?;
        if let Ok(Some(before)) = self.current(request).await {
            this.sign_ins.forget(&before);
        }
        let begun = this.sessions.begin(principal.clone(), request).await;
        let (cookie, session) = begun.map_err(|error| {
            tracing::error!(target: "palisade_auth", %error, "no session could be begun");
            OidcError::Unavailable
        })?;
        let principal = principal.session(&session);
        let now = this.oidc.0.clock.now();
        let until = now.saturating_add(this.sessions.lifetime());
        let kept = Kept::new(&principal, identity, tokens, until);
        this.sign_ins.keep(session, kept, now);
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
        let kept = this.sign_ins.forget(principal);
        if kept.is_none() && principal.issuer() != this.oidc.issuer() {
            return None;
        }
        let id_token = match &kept {
            Some(kept) => kept.tokens.lock().await.id_token().map(str::to_owned),
            None => None,
        };
        let url = this
            .oidc
            .logout_url(id_token.as_deref(), this.signed_out_at.as_deref());
        // The session here is over, whatever the provider says.
        url.await.ok().flatten()
    }

    /// Ends the sessions that a provider has ended.
    async fn end(&self, logout: &Logout) -> Result<(), OidcError> {
        let this = &*self.0;
        let unavailable = |_: Refusal| OidcError::Unavailable;
        let named = this.sign_ins.named_by(logout);
        for session in &named {
            this.sessions.revoke(session).await.map_err(unavailable)?;
            this.sign_ins.remove(session);
        }
        let is_known = !named.is_empty() || !this.sessions.is_shared();
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

    fn failed(&self, parts: &mut Parts, error: OidcError) -> Response {
        let scope = RequestScope::enter(&mut parts.extensions);
        scope.record(SecurityEvent::new(error.event_kind()).reason(error.code()));
        let id = scope.request_id().map(tracing::field::display);
        tracing::info!(
            target: "palisade_auth",
            reason = error.code(),
            request_id = id,
            "a sign-in or logout at a provider failed"
        );
        match &self.0.failed_at {
            Some(path) => redirect(&format!("{path}?error={}", error.shown())),
            None => answer(error.into()),
        }
    }
}

async fn login(State(routes): State<SignInRoutes>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default();
    let return_to = only(query, "return_to").ok().flatten();
    let begun = routes.0.oidc.begin(return_to.as_deref(), &parts.headers);
    match begun.await {
        Ok(begun) => with_cookies(redirect(&begun.location), begun.cookies),
        Err(error) => routes.failed(&mut parts, error),
    }
}

async fn callback(State(routes): State<SignInRoutes>, request: Request) -> Response {
    // Which a link checker sends as well, and would use up the state with.
    if request.method() == Method::HEAD {
        return method_not_allowed();
    }
    let (mut parts, _) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let spent = routes.0.oidc.spent(&query);
    let response = match routes.finish(&query, &parts.headers).await {
        Ok((cookie, principal, return_to)) => {
            let scope = RequestScope::enter(&mut parts.extensions);
            let event = SecurityEvent::new(EventKind::LoginSuccess);
            scope.record(event.subject(principal.subject()));
            with_cookies(redirect(&return_to), [cookie])
        }
        Err(error) => routes.failed(&mut parts, error),
    };
    with_cookies(response, spent)
}

async fn logout(State(routes): State<SignInRoutes>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let here = match &routes.0.signed_out_at {
        Some(url) => url,
        None => "/",
    };
    let Ok(principal) = routes.current(&parts.headers).await else {
        return answer(Refusal::StoreUnavailable.into());
    };
    // A request of another site comes without the cookie, and takes none away.
    let Some(principal) = principal else {
        return redirect(here);
    };
    let Ok(cookie) = routes.0.sessions.end(&parts.headers).await else {
        return answer(Refusal::StoreUnavailable.into());
    };
    let there = routes.provider_logout(&principal).await;
    with_cookies(redirect(there.as_deref().unwrap_or(here)), [cookie])
}

async fn back_channel(State(routes): State<SignInRoutes>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY).await.ok();
    let form = body
        .as_deref()
        .and_then(|body| std::str::from_utf8(body).ok());
    let token = form.and_then(|form| only(form, "logout_token").ok().flatten());
    let ended = async {
        let token = token.ok_or(OidcError::Malformed)?;
        let logout = routes.0.oidc.logout_token(&token).await?;
        routes.end(&logout).await
    };
    // Back-Channel Logout 1.0, section 2.8.
    let status = match ended.await {
        Ok(()) => StatusCode::OK,
        Err(error) => {
            drop(routes.failed(&mut parts, error));
            match error {
                OidcError::Unavailable | OidcError::Token(Refusal::StoreUnavailable) => {
                    StatusCode::SERVICE_UNAVAILABLE
                }
                _ => StatusCode::BAD_REQUEST,
            }
        }
    };
    respond::empty(status)
}

impl fmt::Debug for SignInRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInRoutes")
            .field("oidc", &self.0.oidc)
            .finish_non_exhaustive()
    }
}
