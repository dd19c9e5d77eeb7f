use axum::Json;
use axum::extract::State as Extract;
use palisade::Rejection;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::State;
use crate::body;
use crate::quotes::Quote;
use crate::upstream::Mode;

pub(super) async fn quote(Extract(app): State) -> Result<Quote, Rejection> {
    app.quotes.get().await
}

#[derive(Deserialize)]
pub(super) struct SetUpstream {
    mode: Mode,
}

/// Makes the embedded upstream better or worse.
pub(super) async fn set_upstream(
    Extract(app): State,
    body::Json(SetUpstream { mode }): body::Json<SetUpstream>,
) -> Json<Value> {
    app.upstream.set(mode);
    Json(json!({ "mode": mode, "breaker": app.quotes.breaker().state().as_str() }))
}
