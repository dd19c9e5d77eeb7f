//! The parts of a request's URI that handlers read, with every refusal in the one format.

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use palisade::{Code, Rejection};
use serde::de::DeserializeOwned;

/// The query as parameters of this shape, each of them once at most.
pub(crate) struct Query<T>(pub(crate) T);

/// The one parameter of a route's path. There is nothing under one that is not UTF-8.
pub(crate) struct Id(pub(crate) String);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        let query = axum::extract::Query::try_from_uri(&parts.uri).map_err(|_| {
            Rejection::new(Code::Validation)
                .message("The query is not the one that is expected here")
        })?;
        Ok(Self(query.0))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let Path(id) = Path::from_request_parts(parts, state)
            .await
            .map_err(|_| Rejection::new(Code::NotFound))?;
        Ok(Self(id))
    }
}
