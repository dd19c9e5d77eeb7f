use std::ops::Deref;
use std::sync::Arc;

use axum_core::extract::FromRequestParts;
use http::request::Parts;
use palisade_core::{Principal, Rejection, RequestScope};
use serde::de::DeserializeOwned;

use crate::challenge::{Anonymous, note, without_challenge};
use crate::{Refusal, TokenClaims};

/// The principal, for axum handlers: 401 where there is none.
///
/// Outside any [`AuthLayer`](crate::AuthLayer) it answers 500 and says so in the log.
#[derive(Debug, Clone)]
pub struct Auth(pub Arc<Principal>);

/// The principal if there is one, for axum handlers inside an optional layer.
#[derive(Debug, Clone)]
pub struct OptionalAuth(pub Option<Arc<Principal>>);

/// The claims of the caller's token as the application's own type, for axum handlers.
///
/// 401 where there is no token, or its claims are not of this type.
#[derive(Debug, Clone)]
pub struct Claims<T>(pub T);

impl Deref for Auth {
    type Target = Principal;

    fn deref(&self) -> &Principal {
        &self.0
    }
}

fn refused(parts: &mut Parts, refusal: Refusal, principal: Option<&Principal>) -> Rejection {
    let scope = RequestScope::enter(&mut parts.extensions);
    note(&scope, refusal, principal.map(Principal::subject));
    match parts.extensions.get::<Anonymous>() {
        Some(anonymous) if refusal == Refusal::NoCredential => anonymous.rejection(),
        _ => without_challenge(refusal),
    }
}

fn principal(parts: &mut Parts) -> Result<Option<Arc<Principal>>, Rejection> {
    let principal = RequestScope::current(&parts.extensions).and_then(RequestScope::principal);
    if principal.is_none() && parts.extensions.get::<Anonymous>().is_none() {
        return Err(refused(parts, Refusal::LayerMissing, None));
    }
    Ok(principal)
}

impl<S: Sync> FromRequestParts<S> for Auth {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        match principal(parts)? {
            Some(principal) => Ok(Self(principal)),
            None => Err(refused(parts, Refusal::NoCredential, None)),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for OptionalAuth {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        principal(parts).map(Self)
    }
}

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Claims<T> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let Auth(principal) = Auth::from_request_parts(parts, state).await?;
        let claims = principal.claims_as::<TokenClaims>();
        match claims.and_then(|claims| claims.parse().ok()) {
            Some(claims) => Ok(Self(claims)),
            None => Err(refused(parts, Refusal::ForeignClaims, Some(&principal))),
        }
    }
}
