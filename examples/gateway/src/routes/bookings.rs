use axum::Json;
use axum::extract::State as Extract;
use http::StatusCode;
use palisade::auth::{ApiKeys, Auth};
use palisade::{Code, Rejection};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::State;
use crate::body::Raw;
use crate::booking::{Booking, NewBooking};
use crate::keys::ISSUER;
use crate::uri::{Id, Query};

pub(super) async fn create(
    Extract(app): State,
    Auth(principal): Auth,
    Raw(body): Raw,
) -> Result<(StatusCode, Json<Booking>), Rejection> {
    let new = NewBooking::from_json(&body)?;
    Ok((
        StatusCode::CREATED,
        Json(app.bookings.create(principal.subject(), new).await?),
    ))
}

/// The caller's own bookings; facilitators and up see everybody's.
pub(super) async fn list(
    Extract(app): State,
    Auth(principal): Auth,
) -> Result<Json<Value>, Rejection> {
    let all = app.roles.grants(&principal, "facilitator");
    let owner = (!all).then(|| principal.subject().to_owned());
    Ok(listed(&app.bookings.list(owner).await?))
}

pub(super) async fn read(
    Extract(app): State,
    Auth(principal): Auth,
    Id(id): Id,
) -> Result<Json<Booking>, Rejection> {
    let booking = app
        .bookings
        .get(id)
        .await?
        .ok_or_else(|| Rejection::new(Code::NotFound))?;
    // An account may come with a token or with an API key, and both are the gateway's own.
    let by_key = principal.require_owner(ApiKeys::ISSUER, &booking.owner);
    principal
        .require_owner(ISSUER, &booking.owner)
        .or(by_key.check().is_ok())
        .or(app.roles.grants(&principal, "facilitator"))
        .check()?;
    Ok(Json(booking))
}

#[derive(Deserialize)]
pub(super) struct ByEmail {
    email: Option<String>,
}

pub(super) async fn by_email(
    Extract(app): State,
    Query(query): Query<ByEmail>,
) -> Result<Json<Value>, Rejection> {
    let email = query.email.filter(|email| !email.is_empty());
    let missing = || Rejection::new(Code::Validation).detail("email", "is missing");
    Ok(listed(
        &app.bookings.by_email(&email.ok_or_else(missing)?).await?,
    ))
}

/// All bookings for a partner, with the personal fields in clear: the stack seals them before they leave.
pub(super) async fn for_partner(Extract(app): State) -> Result<Json<Value>, Rejection> {
    Ok(listed(&app.bookings.list(None).await?))
}

fn listed(bookings: &[Booking]) -> Json<Value> {
    Json(json!({ "bookings": bookings }))
}
