use axum::Json;
use http::StatusCode;
use serde_json::{Value, json};

use crate::app::State;

/// The process is alive. What it depends on is told, but does not decide: a restart would not mend it.
pub(super) async fn healthz(state: State) -> Json<Value> {
    Json(report("healthy", &checks(state).await))
}

/// The process can serve: a load balancer should send requests.
pub(super) async fn readyz(state: State) -> (StatusCode, Json<Value>) {
    let checks = checks(state).await;
    if checks.iter().all(|(_, healthy)| *healthy) {
        (StatusCode::OK, Json(report("healthy", &checks)))
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            Json(report("unhealthy", &checks)),
        )
    }
}

/// Counters and histograms in the text format of Prometheus.
pub(super) async fn metrics(axum::extract::State(app): State) -> impl axum::response::IntoResponse {
    // Gauges are taken when somebody looks.
    for (_, limits) in app.assembly.rate_limits() {
        limits.limiter().record_gauges();
    }
    (
        [(
            http::header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        app.metrics.render(),
    )
}

type Checks = [(&'static str, bool); 2];

async fn checks(axum::extract::State(app): State) -> Checks {
    [
        ("database", app.bookings.is_healthy().await),
        ("audit", !app.audit.stats().failing),
    ]
}

fn report(status: &str, checks: &Checks) -> Value {
    let now = palisade::time::WallClock::system().now();
    let checks: serde_json::Map<String, Value> = checks
        .iter()
        .map(|(name, healthy)| {
            (
                (*name).to_owned(),
                if *healthy { "ok" } else { "failing" }.into(),
            )
        })
        .collect();
    json!({ "status": status, "service": "gateway", "timestamp": now.to_string(), "checks": checks })
}
