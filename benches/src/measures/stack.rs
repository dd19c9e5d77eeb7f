//! `stack/*`: an axum router bare, with everything of ours, and with everything of the peers.

use std::error::Error;
use std::hint::black_box;

use axum::Router;
use axum::body::Body;
use http::StatusCode;

use super::audit::logged;
use crate::exchange::{Template, exchange, expect};
use crate::goal::Goal;
use crate::harness::{Mode, Outcome, compare};
use crate::json_log::{JsonLog, subscriber};
use crate::measure::Measure;
use crate::scaling::{Shared, scaling};
use crate::servers::{self, Kind, bare, theirs};
use crate::{peers, tokens};

pub(crate) const MEASURES: &[Measure] = &[
    Measure {
        name: "stack/added",
        what: "all layers around an axum router, less the router",
        goals: &[Goal::AtMost(1_200.0)],
        run: added,
    },
    Measure {
        name: "stack/two-threads",
        what: "the same router, two threads",
        goals: &[],
        run: two_threads,
    },
    Measure {
        name: "stack/rps-ours-over-bare",
        what: "requests per second of a server with all layers, driven by wrk",
        goals: &[Goal::AtLeast(0.8), Goal::RatioAtLeast(3.0)],
        run: rps_ours,
    },
    Measure {
        name: "stack/rps-peers-over-bare",
        what: "the same with the peers' layers",
        goals: &[],
        run: rps_peers,
    },
];

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const PEERS: &str =
    "SetRequestId, TraceLayer, CorsLayer, six SetResponseHeader, tower_governor, jwt-authorizer";

fn template(secret: &str) -> Result<Template> {
    Template::get()
        .header("host", "api.example")
        .header("user-agent", "bench/1.0")
        .header("origin", peers::ORIGIN)
        .bearer(&tokens::hs256(secret, 1)?)
}

fn added(mode: Mode) -> Result<Outcome> {
    let secret = tokens::secret()?;
    let template = template(&secret)?;
    let log = JsonLog::create("peer-stack.log")?;
    let theirs = theirs(&secret)?;
    log.with(|| expect(&theirs, template.request::<Body>(), StatusCode::OK))?;
    let theirs = logged(log, theirs, bare(), template);
    Ok(compare(mode, None, vec![(PEERS.to_owned(), theirs)]))
}

fn two_threads(mode: Mode) -> Result<Outcome> {
    let secret = tokens::secret()?;
    let template = template(&secret)?;
    let (dispatch, _, worker) = subscriber("peer-stack-two-threads.log")?;
    let router = theirs(&secret)?;
    let theirs: Shared = Box::new(move |times| {
        tracing::dispatcher::with_default(&dispatch, || many(&router, &template, times));
    });
    let outcome = scaling(mode, None, vec![(PEERS.to_owned(), theirs)]);
    drop(worker);
    Ok(outcome)
}

fn many(router: &Router, template: &Template, times: u64) {
    for _ in 0..times {
        let _ = black_box(exchange(router, template.request::<Body>()).is_ok());
    }
}

fn rps_ours(mode: Mode) -> Result<Outcome> {
    rps(mode, |kind| match kind {
        Kind::Ours => Some(true),
        Kind::Peers => Some(false),
        Kind::Bare => None,
    })
}

fn rps_peers(mode: Mode) -> Result<Outcome> {
    rps(mode, |kind| (kind == Kind::Peers).then_some(false))
}

/// The throughput of some servers over the bare one's; `is_ours` says which are shown, and on which side.
fn rps(mode: Mode, is_ours: impl Fn(Kind) -> Option<bool>) -> Result<Outcome> {
    let mut outcome = Outcome {
        unit: "of bare",
        ours: None,
        peers: Vec::new(),
    };
    if !matches!(mode, Mode::Time { .. }) {
        return Ok(outcome);
    }
    let driven = servers::driven()?;
    for kind in Kind::ALL {
        let Some(figure) = driven.over_bare(kind) else {
            continue;
        };
        match is_ours(kind) {
            Some(true) => outcome.ours = Some(figure),
            Some(false) => outcome.peers.push((PEERS.to_owned(), figure)),
            None => {}
        }
    }
    Ok(outcome)
}
