//! `stack/*`: an axum router bare, with everything of ours, and with everything of the peers.

use std::error::Error;
use std::hint::black_box;

use axum::body::Body;
use http::{Request, Response, StatusCode};
use palisade::Stack;
use palisade::axum::{ProtectedRouter, protect};
use palisade_audit::{Audit, AuditLayer};
use palisade_auth::AuthLayer;
use palisade_headers::{CorsLayer, CrossOriginGuardLayer, RequestIdLayer, SecurityHeadersLayer};
use palisade_ratelimit::RateLimitLayer;
use tower_layer::Layer;
use tower_service::Service;

use super::audit::{LARGEST, logged, written};
use crate::exchange::{Handler, Template, expect, finish, side};
use crate::goal::Goal;
use crate::harness::{BYTES, Figure, Mode, Outcome, Side, compare};
use crate::json_log::{JsonLog, subscriber};
use crate::measure::Measure;
use crate::scaling::{Shared, scaling};
use crate::servers::{self, Kind, Per, bare, ours, theirs};
use crate::{ours, peers, tokens};

pub(crate) const MEASURES: &[Measure] = &[
    Measure {
        name: "stack/added",
        what: "all layers around an axum router, less the router",
        goals: &[Goal::AtMost(1_200.0)],
        run: added,
    },
    Measure {
        name: "stack/all-off",
        what: "a stack in which all ten layers are off",
        goals: &[Goal::AtMost(40.0)],
        run: all_off,
    },
    Measure {
        name: "stack/seven-layers",
        what: "seven layers that are off around an axum router, less the router, in one stack (beside it in seven `.layer()` calls)",
        goals: &[Goal::AtMost(430.0), Goal::AllocsAtMost(5.0)],
        run: seven_layers,
    },
    Measure {
        name: "stack/future-bytes",
        what: "the size of the future of a request through all layers (beside it that of the bare router)",
        goals: &[Goal::RatioAtMost(1.5)],
        run: future_bytes,
    },
    Measure {
        name: "stack/two-threads",
        what: "the same router, two threads",
        goals: &[Goal::AtLeast(1.8)],
        run: two_threads,
    },
    Measure {
        name: "stack/reload",
        what: "all layers in a stack that can be replaced while it runs, less the router",
        goals: &[],
        run: reload,
    },
    Measure {
        name: "stack/replace",
        what: "such a stack replaced by a clone of itself, between two requests",
        goals: &[],
        run: replace,
    },
    Measure {
        name: "stack/rps-ours-over-bare",
        what: "requests per second of a server with all layers, driven by wrk (best-effort records that the trail loses then are printed)",
        goals: &[Goal::AtLeast(0.8), Goal::RatioAtLeast(3.0)],
        run: rps_ours,
    },
    Measure {
        name: "stack/cpu-ours-over-bare",
        what: "requests for each second of the server's processor time, its writers included",
        goals: &[],
        run: cpu_ours,
    },
    Measure {
        name: "stack/rps-peers-over-bare",
        what: "the same with the peers' layers",
        goals: &[],
        run: rps_peers,
    },
];

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// tower-http's request ids, `TraceLayer` into a JSON file, CORS and six `SetResponseHeader`, with tower_governor and
/// jwt-authorizer.
const PEERS: &str = "tower-http, tower_governor, jwt-authorizer";

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
    let theirs = logged(log, theirs, bare(), template.clone());
    let (audit, _writer) = ours::trail("stack")?;
    let ours = protected(ours(&secret, audit.clone())?, audit, template)?;
    Ok(compare(mode, Some(ours), vec![(PEERS.to_owned(), theirs)]))
}

fn future_bytes(_: Mode) -> Result<Outcome> {
    let size = |bytes: usize| u32::try_from(bytes).map(|bytes| Figure::single(f64::from(bytes)));
    let secret = tokens::secret()?;
    let (audit, _writer) = ours::trail("future-bytes")?;
    let future = ours(&secret, audit)?.call(Request::new(Body::empty()));
    let bare = bare().call(Request::new(Body::empty()));
    Ok(Outcome {
        unit: BYTES,
        ours: Some(size(size_of_val(&future))?),
        peers: vec![("the router alone".to_owned(), size(size_of_val(&bare))?)],
        disturbed: false,
    })
}

fn all_off(mode: Mode) -> Result<Outcome> {
    let service = Stack::new().leak().layer(Handler::<Body>::new());
    let ours = side::<_, Body, _>(service, &Template::get(), StatusCode::OK)?;
    Ok(compare(mode, Some(ours), Vec::new()))
}

fn seven_layers(mode: Mode) -> Result<Outcome> {
    let chained = bare()
        .layer(AuthLayer::off())
        .layer(RateLimitLayer::off())
        .layer(CorsLayer::off())
        .layer(CrossOriginGuardLayer::off())
        .layer(AuditLayer::off())
        .layer(SecurityHeadersLayer::off())
        .layer(RequestIdLayer::off());
    let stacked = protect(bare(), Stack::new().leak());
    let template = Template::get();
    let beside = vec![(
        "seven `.layer()` calls".to_owned(),
        around(chained, template.clone())?,
    )];
    Ok(compare(mode, Some(around(stacked, template)?), beside))
}

fn reload(mode: Mode) -> Result<Outcome> {
    let secret = tokens::secret()?;
    let template = template(&secret)?;
    let (audit, _writer) = ours::trail("stack-fixed")?;
    let fixed = protected(ours(&secret, audit.clone())?, audit, template.clone())?;
    let (audit, _writer_of_reloadable) = ours::trail("stack-reload")?;
    let (stack, _reload) = ours::stack(&secret, audit.clone())?.reloadable();
    let reloadable = protected(protect(bare(), stack), audit, template)?;
    let beside = vec![("ours that is fixed".to_owned(), fixed)];
    Ok(compare(mode, Some(reloadable), beside))
}

fn replace(mode: Mode) -> Result<Outcome> {
    let (audit, _writer) = ours::trail("stack-replace")?;
    let next = ours::stack(&tokens::secret()?, audit)?;
    let (running, reload) = next.clone().reloadable();
    let router = protect(bare(), running);
    let copied = next.clone();
    let replaced = Side::new(move || reload.replace(next.clone())).over(move || copied.clone());
    let outcome = compare(mode, Some(replaced), Vec::new());
    drop(router);
    Ok(outcome)
}

/// A side that sends requests through `router`, less the same through the bare router.
fn around<S, B>(router: S, template: Template) -> Result<Side>
where
    S: Service<Request<Body>, Response = Response<B>, Error: std::fmt::Debug> + Clone + 'static,
    B: http_body::Body + 'static,
{
    expect(&router, template.request::<Body>(), StatusCode::OK)?;
    let (plain, plain_template) = (bare(), template.clone());
    Ok(
        Side::new(move || finish(&router, template.request::<Body>()))
            .over(move || finish(&plain, plain_template.request::<Body>())),
    )
}

/// The same for a router whose records `audit` takes.
fn protected(router: ProtectedRouter, audit: Audit, template: Template) -> Result<Side> {
    Ok(around(router, template)?.settle(LARGEST, move || written(&audit)))
}

fn two_threads(mode: Mode) -> Result<Outcome> {
    let secret = tokens::secret()?;
    let template = template(&secret)?;
    let (dispatch, _, worker) = subscriber("peer-stack-two-threads.log")?;
    let router = theirs(&secret)?;
    let own_template = template.clone();
    let theirs: Shared = Box::new(move |times| {
        tracing::dispatcher::with_default(&dispatch, || many(&router, &template, times));
    });
    let (audit, _writer) = ours::trail("stack-two-threads")?;
    let router = ours(&secret, audit)?;
    let ours: Shared = Box::new(move |times| many(&router, &own_template, times));
    let outcome = scaling(mode, Some(ours), vec![(PEERS.to_owned(), theirs)]);
    drop(worker);
    Ok(outcome)
}

fn many<S, B>(router: &S, template: &Template, times: u64)
where
    S: Service<Request<Body>, Response = Response<B>> + Clone,
    B: http_body::Body,
{
    for _ in 0..times {
        black_box(finish(router, template.request::<Body>()));
    }
}

fn rps_ours(mode: Mode) -> Result<Outcome> {
    rps(mode, Per::Second, both)
}

fn cpu_ours(mode: Mode) -> Result<Outcome> {
    rps(mode, Per::ProcessorSecond, both)
}

fn rps_peers(mode: Mode) -> Result<Outcome> {
    rps(mode, Per::Second, |kind| {
        (kind == Kind::Peers).then_some(false)
    })
}

fn both(kind: Kind) -> Option<bool> {
    match kind {
        Kind::Ours => Some(true),
        Kind::Peers => Some(false),
        Kind::Bare => None,
    }
}

/// The throughput of some servers over the bare one's; `is_ours` says which are shown, and on which side.
fn rps(mode: Mode, per: Per, is_ours: impl Fn(Kind) -> Option<bool>) -> Result<Outcome> {
    let mut outcome = Outcome {
        unit: "of bare",
        ours: None,
        peers: Vec::new(),
        disturbed: false,
    };
    if !matches!(mode, Mode::Time { .. }) {
        return Ok(outcome);
    }
    let (driven, disturbed) = servers::driven()?;
    outcome.disturbed = disturbed;
    for kind in Kind::ALL {
        let Some(figure) = driven.over_bare(kind, per) else {
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
