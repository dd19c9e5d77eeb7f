//! The token endpoint (OpenID Connect Core 1.0, sections 3.1.3 and 12).

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method as Verb, Request, Response, StatusCode};
use palisade_core::time::UnixTime;
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::metadata::Metadata;
use super::{OidcError, Provider, assertion};
use crate::form::form;

/// The tokens of a provider, for calls to its other services and for signing out there. They say nothing to this service:
/// who the user is says the [`Identity`](crate::oidc::Identity).
#[derive(Clone)]
pub struct ProviderTokens {
    access_token: Zeroizing<String>,
    id_token: Option<Zeroizing<String>>,
    refresh_token: Option<Zeroizing<String>>,
    expires_at: Option<UnixTime>,
    scope: Option<String>,
}

/// The parts of tokens that were kept.
#[cfg(all(feature = "redis", feature = "axum"))]
pub(crate) struct TokenParts {
    pub(crate) access_token: String,
    pub(crate) id_token: Option<String>,
    pub(crate) refresh_token: Option<String>,
    pub(crate) expires_at: Option<UnixTime>,
    pub(crate) scope: Option<String>,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    token_type: String,
    id_token: Option<String>,
    refresh_token: Option<String>,
    expires_in: Option<Value>,
    scope: Option<String>,
}

#[derive(Deserialize)]
struct Refused {
    error: String,
}

impl Provider {
    /// Exchanges a code, which the provider takes once.
    pub(crate) async fn redeem(
        &self,
        code: &str,
        verifier: &str,
    ) -> Result<ProviderTokens, OidcError> {
        let members = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self.redirect_uri()),
            ("code_verifier", verifier),
        ];
        self.ask_for_tokens(&members).await
    }

    pub(crate) async fn renew(&self, refresh_token: &str) -> Result<ProviderTokens, OidcError> {
        let members = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token),
        ];
        self.ask_for_tokens(&members).await
    }

    async fn ask_for_tokens(&self, members: &[(&str, &str)]) -> Result<ProviderTokens, OidcError> {
        let metadata = self.metadata().await?;
        let url = &*metadata.token_endpoint;
        let client = &self.registered.client;
        let Some(method) = client.method(metadata.methods.as_deref()) else {
            self.bad_answer(url, &"it has no way for this client to authenticate");
            return Err(OidcError::ClientRefused);
        };
        let assertion = self.assertion(&metadata)?;
        let mut own = client.members(method);
        if let Some(assertion) = &assertion {
            own.push(("client_assertion_type", assertion::TYPE));
            own.push(("client_assertion", assertion));
        }
        let body = form(members.iter().copied().chain(own));
        let mut request = Request::new(Bytes::from(body));
        *request.method_mut() = Verb::POST;
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, kind);
        if let Some(authorization) = self.registered.client.authorization(method) {
            headers.insert(AUTHORIZATION, authorization);
        }
        let response = self.send(url, request).await?;
        if response.status() != StatusCode::OK {
            return Err(self.refused(url, &response));
        }
        let granted: Granted = serde_json::from_slice(response.body())
            .map_err(|_| self.bad_answer(url, &"it is no token response"))?;
        if !granted.token_type.eq_ignore_ascii_case("Bearer") {
            return Err(self.bad_answer(url, &"its tokens are no bearer tokens"));
        }
        Ok(ProviderTokens::new(granted, self.registered.clock.now()))
    }

    /// The proof of a client that has a key. It is sent to the token endpoint of the issuer's own document, which is its
    /// audience too, so that nobody else gets one that would be taken there.
    fn assertion(&self, metadata: &Metadata) -> Result<Option<Zeroizing<String>>, OidcError> {
        let registered = &self.registered;
        let Some(keys) = registered.client.keys() else {
            return Ok(None);
        };
        let url = &*metadata.token_endpoint;
        let algorithm = format!("{:?}", keys.view().current.public().algorithm());
        let supported = metadata.assertion_algorithms.as_ref();
        if supported.is_some_and(|all| !all.contains(&algorithm)) {
            self.bad_answer(url, &"it does not know the algorithm of this client's key");
            return Err(OidcError::ClientRefused);
        }
        let audience = registered.assertion_audience.as_deref().unwrap_or(url);
        let now = registered.clock.now();
        assertion::signed(keys, &registered.client.id, audience, now).map(Some)
    }

    /// An error of RFC 6749, section 5.2; nothing of its text goes anywhere.
    fn refused(&self, url: &str, response: &Response<Bytes>) -> OidcError {
        let refused = serde_json::from_slice(response.body());
        let error = refused.map(|Refused { error }| error);
        let (error, reason) = match error.as_deref() {
            Ok("invalid_grant") => return OidcError::GrantRefused,
            Ok("invalid_client") => (OidcError::ClientRefused, "invalid_client"),
            Ok("unauthorized_client") => (OidcError::ClientRefused, "unauthorized_client"),
            Ok("invalid_request") => (OidcError::ProviderRefused, "invalid_request"),
            Ok("invalid_scope") => (OidcError::ProviderRefused, "invalid_scope"),
            _ if response.status() == StatusCode::UNAUTHORIZED => (OidcError::ClientRefused, "401"),
            _ if response.status().is_server_error() => (OidcError::Unavailable, "5xx"),
            _ => (OidcError::BadAnswer, "neither tokens nor a known error"),
        };
        self.bad_answer(url, &reason);
        error
    }
}

impl ProviderTokens {
    fn new(granted: Granted, now: UnixTime) -> Self {
        let seconds = match &granted.expires_in {
            Some(Value::Number(seconds)) => seconds.as_u64(),
            // As some providers write it.
            Some(Value::String(seconds)) => seconds.parse().ok(),
            _ => None,
        };
        Self {
            access_token: granted.access_token.into(),
            id_token: granted.id_token.map(Into::into),
            refresh_token: granted.refresh_token.map(Into::into),
            expires_at: seconds.map(|seconds| now.saturating_add(Duration::from_secs(seconds))),
            scope: granted.scope,
        }
    }

    #[cfg(all(feature = "redis", feature = "axum"))]
    pub(crate) fn of(parts: TokenParts) -> Self {
        Self {
            access_token: parts.access_token.into(),
            id_token: parts.id_token.map(Into::into),
            refresh_token: parts.refresh_token.map(Into::into),
            expires_at: parts.expires_at,
            scope: parts.scope,
        }
    }

    /// The access token, for calls to services of the provider.
    #[must_use]
    pub fn access_token(&self) -> &str {
        &self.access_token
    }

    /// The ID token, for [`Oidc::logout_url`](crate::oidc::Oidc::logout_url).
    #[must_use]
    pub fn id_token(&self) -> Option<&str> {
        self.id_token.as_ref().map(|token| token.as_str())
    }

    /// The refresh token, if the provider gave one.
    #[must_use]
    pub fn refresh_token(&self) -> Option<&str> {
        self.refresh_token.as_ref().map(|token| token.as_str())
    }

    /// The end of the access token, if the provider said so.
    #[must_use]
    pub const fn expires_at(&self) -> Option<UnixTime> {
        self.expires_at
    }

    /// The scopes of the access token, if they are others than were asked for.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// Whether the access token is over.
    #[cfg(all(feature = "redis", feature = "axum"))]
    pub(crate) fn is_over(&self, now: UnixTime) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// Whether the access token is over within half a minute, in which a call with it could still be under way, and there
    /// is a refresh token.
    #[cfg(feature = "axum")]
    pub(crate) fn is_to_be_renewed(&self, now: UnixTime) -> bool {
        let soon = now.saturating_add(Duration::from_secs(30));
        self.refresh_token.is_some() && self.expires_at.is_some_and(|end| end <= soon)
    }

    /// These, with what they lack from those before.
    pub(crate) fn completed_by(mut self, before: &Self) -> Self {
        self.refresh_token = self.refresh_token.or_else(|| before.refresh_token.clone());
        self.id_token = self.id_token.or_else(|| before.id_token.clone());
        self.scope = self.scope.or_else(|| before.scope.clone());
        self
    }
}

impl fmt::Debug for ProviderTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderTokens")
            .field("access_token", &"[redacted]")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
