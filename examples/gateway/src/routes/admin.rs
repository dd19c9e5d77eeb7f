use axum::Json;
use axum::extract::{Extension, State as Extract};
use http::StatusCode;
use palisade::audit::{Outcome, Record};
use palisade::{Code, EventKind, Rejection, RequestScope};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::State;
use crate::uri::{Id, Query};

#[derive(Deserialize)]
pub(super) struct Tail {
    tail: Option<String>,
}

/// The latest records, the oldest first; 50 unless told otherwise, at most 1,000.
pub(super) async fn audit(
    Extract(app): State,
    Query(query): Query<Tail>,
) -> Result<Json<Value>, Rejection> {
    let wrong =
        || Rejection::new(Code::Validation).detail("tail", "must be a whole number from 1 to 1000");
    let tail = match query.tail {
        None => 50,
        Some(text) => text
            .parse()
            .ok()
            .filter(|tail| (1..=1_000).contains(tail))
            .ok_or_else(wrong)?,
    };
    let records: Vec<Value> = app
        .audit
        .recent(tail)
        .iter()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    Ok(Json(json!({ "records": records })))
}

/// Removes a booking. The record of it is on the disk before the answer leaves.
pub(super) async fn delete_booking(
    Extract(app): State,
    Extension(scope): Extension<RequestScope>,
    Id(id): Id,
) -> Result<StatusCode, Rejection> {
    let removed = app.bookings.remove(id.clone()).await?;
    let record = Record::new(EventKind::AdminAction)
        .in_scope(&scope)
        .action("booking.delete")
        .resource(format!("bookings/{id}"))
        .outcome(if removed {
            Outcome::Success
        } else {
            Outcome::Failure
        });
    app.audit.commit(record).await.map_err(|error| {
        tracing::error!(%error, "an administrator's action is not on record");
        Rejection::new(Code::Unavailable)
    })?;
    if removed {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Rejection::new(Code::NotFound))
    }
}
