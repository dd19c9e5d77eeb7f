use axum::Json;
use axum::extract::{Extension, State as Extract};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use palisade::auth::{Auth, AuthError, RefreshToken, Refusal};
use palisade::ratelimit::Key;
use palisade::{Code, Rejection, RequestScope};
use serde::Deserialize;
use serde_json::json;

use crate::app::{App, State};
use crate::body;
use crate::hardening::FAILED_LOGINS;

#[derive(Deserialize)]
pub(super) struct Login {
    username: String,
    password: String,
}

/// Signs a user in. The stack has counted the attempt by address; failures count by account too.
pub(super) async fn token(
    Extract(app): State,
    Extension(scope): Extension<RequestScope>,
    body::Json(login): body::Json<Login>,
) -> Result<Response, Rejection> {
    // Charged first and given back on success, so that attempts in parallel cannot slip through.
    let account = Key::text(&login.username);
    let limits = app.assembly.rate_limit(FAILED_LOGINS);
    let attempt = match limits.is_off() {
        true => None,
        false => {
            let charge = limits.limiter().charge(FAILED_LOGINS, account, 1).await;
            Some(charge.map_err(|refused| {
                Rejection::new(Code::RateLimit)
                    .message("Too many failed logins for this account")
                    .retry_after(refused.retry_after.unwrap_or_default())
            })?)
        }
    };
    let user = app.users.find(&login.username);
    // What is no account may be a password in the wrong field, so it stays out of the trail.
    let name = user.map_or("(unknown)", |user| user.name);
    app.users
        .passwords
        .sign_in(
            &scope,
            name,
            &login.password,
            user.map(|user| user.hash.as_str()),
        )
        .await?;
    let user = user.ok_or_else(|| Rejection::new(Code::Authentication))?;
    if let Some(attempt) = attempt {
        attempt.refund().await;
    }
    pair(
        app,
        &app.refresh
            .begin(user.principal())
            .await
            .map_err(|error| internal(&error))?,
    )
}

#[derive(Deserialize)]
pub(super) struct Refresh {
    refresh_token: String,
}

/// Gives out the next pair. A token that comes a second time ends its whole family.
pub(super) async fn refresh(
    Extract(app): State,
    Extension(scope): Extension<RequestScope>,
    body::Json(Refresh { refresh_token }): body::Json<Refresh>,
) -> Result<Response, Rejection> {
    pair(app, &app.refresh.rotate(&refresh_token, &scope).await?)
}

/// Ends the session: its access tokens and its refresh tokens.
pub(super) async fn logout(
    Extract(app): State,
    Extension(scope): Extension<RequestScope>,
    Auth(principal): Auth,
) -> Result<StatusCode, Rejection> {
    if let Some(session) = principal.session_id() {
        app.refresh.revoke_session(session, &scope).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// RFC 6749, section 5.1.
fn pair(app: &App, refresh: &RefreshToken) -> Result<Response, Rejection> {
    let access = app
        .tokens
        .issue(refresh.principal())
        .map_err(|error| internal(&error))?;
    let body = json!({
        "access_token": access.as_str(),
        "refresh_token": refresh.as_str(),
        "token_type": "Bearer",
        "expires_in": access.expires_in().as_secs(),
    });
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response())
}

fn internal(error: &AuthError) -> Rejection {
    if *error == AuthError::StoreUnavailable {
        return Refusal::StoreUnavailable.into();
    }
    tracing::error!(%error, "no token could be issued");
    Rejection::new(Code::Internal)
}
