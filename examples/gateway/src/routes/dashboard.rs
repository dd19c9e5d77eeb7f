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
const FIRST: usize = 20;

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

/// Counters once a second, and each record of a request as it is written.
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
        let first = app
            .audit
            .recent(FIRST)
            .iter()
            .filter_map(|line| row(line))
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
    let counts = app.counts.now();
    let breaker = app.quotes.breaker().state().as_str();
    let data = json!({
        "allowed": counts.allowed,
        "refused": counts.refused,
        "failed_logins": counts.failed_logins,
        "breaker": breaker,
    });
    Event::default().event("counters").data(data.to_string())
}

/// A record of a request as the row of a table.
fn row(line: &str) -> Option<Event> {
    let record: Value = serde_json::from_str(line).ok()?;
    if record["event"] != "http_request" {
        return None;
    }
    let time = record["timestamp"].as_str()?.get(11..23)?;
    let row = json!({
        "time": time,
        "status": record["status"],
        "method": record["method"],
        "path": record["path"],
        "client": record["client_ip"],
        "who": record["actor"],
        "id": record["request_id"],
    });
    Some(Event::default().event("record").data(row.to_string()))
}
