use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::request::Parts;
use http::{Method, StatusCode};
use palisade_core::{EventKind, RequestScope, SecurityEvent};

use super::SignInRoutes;
use super::respond::{self, answer, method_not_allowed, redirect, with_cookies};
use crate::Refusal;
use crate::form::only;
use crate::oidc::OidcError;
use crate::oidc::flow::ResponseMode;

/// The largest body that is read, in bytes: a logout token of 8 KiB and its name, or a code, which is shorter.
const MAX_BODY: usize = 16 * 1024;

impl SignInRoutes {
    /// The routes.
    pub fn router<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        let callback = match self.0.oidc.0.flows.mode() {
            ResponseMode::Query => get(callback),
            ResponseMode::FormPost => post(posted_callback),
        };
        Router::new()
            .route("/login", get(login))
            .route("/callback", callback)
            .route("/logout", post(logout))
            .route("/logout/back-channel", post(back_channel))
            .with_state(self.clone())
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
    let begun = routes.begin(return_to.as_deref(), &parts.headers);
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
    let (parts, _) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    finished(&routes, parts, &query).await
}

async fn posted_callback(State(routes): State<SignInRoutes>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY).await.unwrap_or_default();
    // What is no text is no form either.
    let form = std::str::from_utf8(&body).unwrap_or_default();
    finished(&routes, parts, form).await
}

async fn finished(routes: &SignInRoutes, mut parts: Parts, query: &str) -> Response {
    let spent = routes.0.oidc.spent(query);
    let response = match routes.finish(query, &parts.headers).await {
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
        routes.logout_token(&token).await
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
