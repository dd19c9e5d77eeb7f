//! Observability: events in the request's span, and counters.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use palisade_headers::security::{Csp, Source};
use palisade_headers::{CorsLayer, CrossOriginGuardLayer, RequestIdLayer, SecurityHeadersLayer};
use tower::{Layer, ServiceExt, service_fn};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn log_into(lines: &Lines) -> tracing::subscriber::DefaultGuard {
    let lines = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .without_time()
        .with_ansi(false)
        .with_writer(move || lines.clone())
        .finish();
    tracing::subscriber::set_default(subscriber)
}

fn forged() -> Request<()> {
    Request::post("/")
        .header("origin", "https://attacker.example")
        .header("sec-fetch-site", "cross-site")
        .body(())
        .unwrap()
}

fn denied_preflight(origin: &[u8]) -> Request<()> {
    Request::options("/")
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .body(())
        .unwrap()
}

fn listed() -> CorsLayer {
    CorsLayer::builder()
        .origins(["https://app.example"])
        .try_build()
        .unwrap()
}

#[tokio::test]
async fn every_event_of_a_request_stands_in_a_span_with_its_id() {
    let lines = Lines::default();
    let guard = log_into(&lines);
    let handler = service_fn(|_: Request<()>| async {
        tokio::task::yield_now().await;
        tracing::info!("in the handler");
        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
    });
    let response = RequestIdLayer::new()
        .layer(handler)
        .oneshot(Request::new(()))
        .await
        .unwrap();
    drop(guard);
    let id = response.headers()["x-request-id"].to_str().unwrap();
    let text = lines.text();
    let line = text
        .lines()
        .find(|line| line.contains("in the handler"))
        .unwrap();
    assert!(
        line.contains(&format!("request{{request_id=\"{id}\"}}")),
        "{line}"
    );
}

#[tokio::test]
async fn refusals_are_logged_without_breaking_the_line() {
    let lines = Lines::default();
    let guard = log_into(&lines);
    let handler = || {
        service_fn(|_: Request<()>| async {
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        })
    };
    CrossOriginGuardLayer::new()
        .layer(handler())
        .oneshot(forged())
        .await
        .unwrap();
    let long = ["evil\x1b".as_bytes().to_vec(), vec![b'x'; 500], vec![0xff]].concat();
    let long: Vec<u8> = long.into_iter().filter(|byte| *byte != 0x1b).collect();
    listed()
        .layer(handler())
        .oneshot(denied_preflight(&long))
        .await
        .unwrap();
    drop(guard);
    let text = lines.text();
    assert!(
        text.contains("palisade_headers: request from another origin reason=\"sec_fetch_site\""),
        "{text}"
    );
    assert!(text.contains("origin=evilxxx"), "{text}");
    assert_eq!(text.lines().count(), 2);
    assert!(text.len() < 600, "the origin is cut short");
}

#[cfg(feature = "metrics")]
#[test]
fn refusals_are_counted() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let seen = recorder.handle();
    // tracing asks whichever thread meets an event first whether anybody wants it, so that each needs to.
    let _logging = log_into(&Lines::default());
    metrics::with_local_recorder(&recorder, || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let handler = || {
                service_fn(|_: Request<()>| async {
                    Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
                })
            };
            for _ in 0..3 {
                let request = denied_preflight(b"https://evil.example");
                listed().layer(handler()).oneshot(request).await.unwrap();
            }
            CrossOriginGuardLayer::new()
                .layer(handler())
                .oneshot(forged())
                .await
                .unwrap();
        });
    });
    let text = seen.render();
    assert!(text.contains("palisade_cors_denied_total 3"), "{text}");
    assert!(
        text.contains("palisade_cross_origin_refused_total{reason=\"sec_fetch_site\"} 1"),
        "{text}"
    );
}

#[test]
fn a_policy_with_a_mistake_is_warned_of_when_its_layer_is_made() {
    let lines = Lines::default();
    let guard = log_into(&lines);
    let policy = Csp::new()
        .default_src([Source::None])
        .report_to("CspEndpoint");
    drop(SecurityHeadersLayer::none().csp(&policy));
    drop(guard);
    let text = lines.text();
    assert!(text.contains("WARN palisade_headers"), "{text}");
    assert!(text.contains("report-to \"CspEndpoint\""), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}
