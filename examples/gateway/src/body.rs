//! The body of a request, whole and bounded, with every refusal in the one format.

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use palisade::{Code, Rejection};
use serde::de::DeserializeOwned;

/// The whole body as bytes, at most 64 KiB.
pub(crate) struct Raw(pub(crate) Bytes);

/// The whole body as JSON of this shape.
pub(crate) struct Json<T>(pub(crate) T);

const LIMIT: usize = 64 << 10;

impl<S: Sync> FromRequest<S> for Raw {
    type Rejection = Rejection;

    async fn from_request(request: Request, _: &S) -> Result<Self, Rejection> {
        match Limited::new(request.into_body(), LIMIT).collect().await {
            Ok(body) => Ok(Self(body.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => {
                Err(Rejection::new(Code::PayloadTooLarge).message("The body is larger than 64 KiB"))
            }
            Err(_) => Err(Rejection::new(Code::Validation).message("The body ended early")),
        }
    }
}

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Rejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, Rejection> {
        let Raw(body) = Raw::from_request(request, state).await?;
        // The error of the parser may quote what was sent, which here may be a password.
        serde_json::from_slice(&body).map(Self).map_err(|_| {
            Rejection::new(Code::Validation)
                .message("The body is not the JSON that is expected here")
        })
    }
}
