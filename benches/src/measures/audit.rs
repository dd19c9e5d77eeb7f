//! `audit/*`, beside tower-http's `TraceLayer` with JSON lines through tracing-appender.

use std::error::Error;
use std::hint::black_box;
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response, StatusCode};
use palisade_audit::{Audit, AuditLayer, Guard, Redactor, Seal, SigningKey, Verifier};
use tower_layer::Layer;
use tower_service::Service;

use super::crypto::booking;
use crate::directories::scratch;
use crate::exchange::{Handler, Template, expect, finish};
use crate::goal::Goal;
use crate::harness::{Mode, Outcome, Side, compare, compare_cpu};
use crate::json_log::{JsonLog, trace_layer};
use crate::measure::Measure;
use crate::ours;
use crate::throughput::{Worker, throughput};
use crate::versions::version;

pub(crate) const MEASURES: &[Measure] = &[
    Measure {
        name: "audit/request-path",
        what: "a record of metadata a request, as the request feels it",
        goals: &[Goal::RatioAtMost(0.06), Goal::AllocsAtMost(4.0)],
        run: request_path,
    },
    Measure {
        name: "audit/whole-cpu",
        what: "processor time of all threads for a record, sealed and written (the peer's is not sealed)",
        goals: &[Goal::RatioAtMost(0.35)],
        run: whole_cpu,
    },
    Measure {
        name: "audit/writer-sealed",
        what: "records that the writer takes in, seals and writes in a second of its processor time",
        goals: &[Goal::AtLeast(300_000.0)],
        run: |mode| {
            writer(
                mode,
                Some(Seal::chain().checkpoint(SigningKey::generate()?, 1_000, MINUTE)),
            )
        },
    },
    Measure {
        name: "audit/writer-unsealed",
        what: "the same without a seal",
        goals: &[Goal::AtLeast(600_000.0)],
        run: |mode| writer(mode, None),
    },
    Measure {
        name: "audit/redaction",
        what: "a JSON body of 1 KiB with three sensitive values, redacted",
        goals: &[Goal::AtLeast(150.0)],
        run: redaction,
    },
    Measure {
        name: "audit/verify",
        what: "a sealed trail checked, signatures included",
        goals: &[Goal::AtLeast(300.0)],
        run: verify,
    },
];

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Requests in a batch: what both queues hold, so that neither writer makes the request wait.
pub(crate) const LARGEST: u64 = 4_096;

fn peer() -> String {
    format!(
        "{} with {}",
        version("tower-http"),
        version("tracing-appender")
    )
}

/// A request as a browser behind a proxy sends it, since both sides look at it.
fn template() -> Template {
    Template::get()
        .header("host", "api.example")
        .header("user-agent", "bench/1.0")
}

fn theirs(file: &str) -> Result<Side> {
    let log = JsonLog::create(file)?;
    let service = trace_layer().layer(Handler::<Body>::new());
    log.with(|| expect(&service, template().request::<Body>(), StatusCode::OK))?;
    Ok(logged(log, service, Handler::<Body>::new(), template()))
}

/// A side that sends requests through `service`, each of which leaves a line in `log`, less the same through `bare`.
pub(crate) fn logged<S, H, R>(log: JsonLog, service: S, bare: R, template: Template) -> Side
where
    S: Service<Request<Body>, Response = Response<H>> + Clone + 'static,
    R: Service<Request<Body>, Response = Response<Body>> + Clone + 'static,
    H: http_body::Body + 'static,
{
    let (bare_log, waiting) = (log.clone(), log.clone());
    let bare_template = template.clone();
    Side::new(move || log.with(|| finish(&service, template.request())))
        .over(move || bare_log.without(|| finish(&bare, bare_template.request())))
        .settle(LARGEST, move || waiting.settle())
}

/// Ours with all its defaults, and what keeps its writer going.
fn ours(directory: &str) -> Result<(Side, Guard)> {
    let (audit, guard) = ours::trail(directory)?;
    let service = AuditLayer::new(audit.clone()).layer(Handler::<Body>::new());
    expect(&service, template().request::<Body>(), StatusCode::OK)?;
    let (with, without) = (template(), template());
    let side = Side::new(move || finish(&service, with.request::<Body>()))
        .over(move || finish(&Handler::<Body>::new(), without.request::<Body>()))
        .settle(LARGEST, move || written(&audit));
    Ok((side, guard))
}

/// Waits until every record is written. Sleeps, so that waiting costs no processor time.
pub(crate) fn written(audit: &Audit) {
    while audit.stats().pending > 0 {
        std::thread::sleep(Duration::from_micros(200));
    }
}

fn request_path(mode: Mode) -> Result<Outcome> {
    let (ours, _writer) = ours("request-path")?;
    let theirs = theirs("peer-request-path.log")?;
    Ok(compare(mode, Some(ours), vec![(peer(), theirs)]))
}

fn whole_cpu(mode: Mode) -> Result<Outcome> {
    let (ours, _writer) = ours("whole-cpu")?;
    let theirs = theirs("peer-whole-cpu.log")?;
    Ok(compare_cpu(mode, Some(ours), vec![(peer(), theirs)]))
}

const MINUTE: Duration = Duration::from_secs(60);
/// Records that are handed to the writer at once, which its queue holds.
const PILE: u32 = 16_384;

/// The records a second that the writer takes in when it always has more to do.
fn writer(mode: Mode, seal: Option<Seal>) -> Result<Outcome> {
    let mut trail = ours::trail_builder("writer")?.capacity(4 * PILE as usize);
    if let Some(seal) = seal {
        trail = trail.seal(seal);
    }
    let (audit, _writer) = ours::open(trail)?;
    let service = AuditLayer::new(audit.clone()).layer(Handler::<Body>::new());
    throughput(mode, "records/s", Worker::Behind, || {
        for _ in 0..PILE {
            finish(&service, template().request::<Body>());
        }
        written(&audit);
        match audit.stats().lost {
            0 => Ok(f64::from(PILE)),
            lost => Err(format!("{lost} records were lost").into()),
        }
    })
}

fn redaction(mode: Mode) -> Result<Outcome> {
    const BODIES: u32 = 4_000;
    let body = booking();
    let mut cleaner = Redactor::defaults().cleaner();
    let mut out = Vec::with_capacity(2 * body.len());
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let megabytes = f64::from(BODIES) * body.len() as f64 / 1e6;
    throughput(mode, "MB/s", Worker::Here, || {
        for _ in 0..BODIES {
            out.clear();
            cleaner.json(black_box(body.as_bytes()), &mut out)?;
            black_box(&out);
        }
        Ok(megabytes)
    })
}

fn verify(mode: Mode) -> Result<Outcome> {
    let key = SigningKey::generate()?;
    let public = key.public_key();
    let seal = Seal::chain().checkpoint(key, 1_000, MINUTE);
    let trail = ours::trail_builder("verify")?
        .seal(seal)
        .capacity(4 * PILE as usize);
    let (audit, guard) = ours::open(trail)?;
    let service = AuditLayer::new(audit).layer(Handler::<Body>::new());
    for _ in 0..PILE {
        finish(&service, template().request::<Body>());
    }
    guard.shutdown(MINUTE);
    let text = std::fs::read(scratch().join("verify/bench_audit.log"))?;
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let megabytes = text.len() as f64 / 1e6;
    throughput(mode, "MB/s", Worker::Here, || {
        let mut verifier = Verifier::new().key(public);
        verifier.read(&text[..])?;
        let report = verifier.report()?;
        if report.records <= u64::from(PILE) || report.checkpoints == 0 {
            return Err(format!("the trail is not whole: {report:?}").into());
        }
        Ok(megabytes)
    })
}
