//! A page for whoever operates the gateway, and the events that keep it alive.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State as Extract;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse};
use futures_util::Stream;
use palisade::audit::{Subscription, Tailed};
use palisade::headers::security::{Csp, Source};
use palisade::headers::{CspNonce, SecurityHeadersLayer};
use serde_json::{Value, json};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::app::{App, State};

const PAGE: &str = include_str!("dashboard.html");

/// Records that a page shows when it is opened.
const FIRST: usize = 100;

/// The headers of the page. Nothing runs but what carries the nonce, and it talks to nobody but this gateway.
pub(super) fn headers() -> SecurityHeadersLayer {
    let policy = Csp::new()
        .default_src([Source::None])
        .script_src([Source::Nonce])
        .style_src([Source::Nonce])
        .img_src([Source::Scheme(palisade::headers::security::Scheme::Data)])
        .connect_src([Source::SelfOrigin])
        .base_uri([Source::None])
        .form_action([Source::None])
        .frame_ancestors([Source::None]);
    SecurityHeadersLayer::page().csp(&policy).leak()
}

pub(super) async fn page(nonce: CspNonce) -> impl IntoResponse {
    Html(PAGE.replace("{{nonce}}", nonce.as_str()))
}

/// The history of fifteen minutes first, counters once a second, and each record as it is written.
pub(super) async fn live(
    Extract(app): State,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let feed = Feed::new(app);
    let events = futures_util::stream::unfold(feed, |mut feed| async {
        Some((Ok(feed.next().await?), feed))
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

struct Feed {
    app: &'static App,
    records: Subscription,
    first: VecDeque<Event>,
    second: Interval,
}

impl Feed {
    fn new(app: &'static App) -> Self {
        // Subscribed before the latest are read: one may come twice, none is missed.
        let records = app.audit.subscribe();
        let history = app.counts.of_fifteen_minutes().to_string();
        let latest = app.audit.recent(FIRST);
        let first = std::iter::once(Event::default().event("history").data(history))
            .chain(latest.iter().filter_map(|line| row(line)))
            .collect();
        let mut second = interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(MissedTickBehavior::Skip);
        Self {
            app,
            records,
            first,
            second,
        }
    }

    /// The next event; `None` once the gateway stops, which would otherwise wait for the page to be closed.
    async fn next(&mut self) -> Option<Event> {
        let mut stopping = self.app.stopping.clone();
        loop {
            if let Some(event) = self.first.pop_front() {
                return Some(event);
            }
            tokio::select! {
                _ = stopping.wait_for(|stopping| *stopping) => return None,
                _ = self.second.tick() => return Some(counters(self.app)),
                record = self.records.next() => if let Tailed::Record(line) = record? {
                    self.first.extend(row(&line));
                },
            }
        }
    }
}

fn counters(app: &App) -> Event {
    let mut now = app.counts.now();
    now["config"] = app.config.now();
    Event::default().event("counters").data(now.to_string())
}

/// A record as the row of a table; what the trail notes about its own file is left out.
fn row(line: &str) -> Option<Event> {
    let record: Value = serde_json::from_str(line).ok()?;
    let event = record["event"].as_str()?;
    if event.starts_with("audit_file_") || event == "audit_checkpoint" {
        return None;
    }
    let row = json!({
        "time": record["timestamp"],
        "event": event,
        "severity": record["severity"],
        "outcome": record["outcome"],
        "status": record["status"],
        "method": record["method"],
        "path": record["path"],
        "client": record["client_ip"],
        "who": record["actor"],
        "policy": record["policy"],
        "reason": record["reason"],
        "id": record["request_id"],
    });
    Some(Event::default().event("record").data(row.to_string()))
}
