//! `breaker/*`, beside tower-resilience, failsafe and recloser.

use std::error::Error;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use failsafe::CircuitBreaker as _;
use http::{Response, StatusCode};
use metrics_exporter_prometheus::PrometheusBuilder;
use palisade_breaker::{BreakerLayer, RateWindow, State};
use recloser::Recloser;
use tower_layer::Layer;
use tower_resilience_circuitbreaker::{CircuitBreakerLayer, SlidingWindowType};
use tower_service::Service;

use crate::exchange::{Handler, Template, exchange, side};
use crate::goal::Goal;
use crate::harness::{Mode, Outcome, Side, compare};
use crate::measure::Measure;
use crate::scaling::{Shared, scaling};
use crate::versions::version;

pub(crate) const MEASURES: &[Measure] = &[
    Measure {
        name: "breaker/closed",
        what: "closed, any service, success",
        goals: &[Goal::RatioAtMost(0.06), Goal::AllocsAtMost(0.0)],
        run: closed,
    },
    Measure {
        name: "breaker/http",
        what: "closed, HTTP with its body watched, success",
        goals: &[Goal::RatioAtMost(0.2), Goal::AllocsAtMost(0.0)],
        run: http,
    },
    Measure {
        name: "breaker/slow-call-metrics",
        what: "closed, with a rate of slow calls watched; ours counts every call for Prometheus, the peer none",
        goals: &[Goal::RatioAtMost(0.5)],
        run: slow_calls,
    },
    Measure {
        name: "breaker/time-window-100k",
        what: "a failure rate over a minute that holds 100,000 calls and more",
        goals: &[Goal::AtMost(100.0)],
        run: time_window,
    },
    Measure {
        name: "breaker/time-window-load",
        what: "the same, with 100,000 calls and more in the window beside 1,000 at most",
        goals: &[Goal::RatioAtMost(1.1)],
        run: loaded_window,
    },
    Measure {
        name: "breaker/two-threads",
        what: "one closed breaker, two threads",
        goals: &[Goal::AtLeast(1.8)],
        run: two_threads,
    },
    Measure {
        name: "breaker/rejection",
        what: "open: the call is rejected",
        goals: &[Goal::AtMost(40.0)],
        run: rejection,
    },
];

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A service that is not HTTP: gives back what it got, or fails.
#[derive(Debug, Clone, Copy)]
struct Plain {
    fails: bool,
}

impl Service<u64> for Plain {
    type Response = u64;
    type Error = &'static str;
    type Future = Ready<std::result::Result<u64, &'static str>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), &'static str>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> Self::Future {
        ready(if self.fails {
            Err("fails")
        } else {
            Ok(request)
        })
    }
}

const WORKS: Plain = Plain { fails: false };
const FAILS: Plain = Plain { fails: true };

/// A side that calls a plain service through a breaker, less the call itself.
fn plain<S>(service: S) -> Side
where
    S: Service<u64> + Clone + 'static,
{
    Side::new(move || exchange(&service, black_box(7)).is_ok())
        .over(|| exchange(black_box(&WORKS), black_box(7)).is_ok())
}

fn tower_resilience() -> Result<impl Service<u64, Response = u64> + Clone + Sync + 'static> {
    Ok(CircuitBreakerLayer::builder().build()?.layer(WORKS))
}

fn resilience_name() -> String {
    version("tower-resilience-circuitbreaker")
}

fn closed(mode: Mode) -> Result<Outcome> {
    let failsafe = failsafe::Config::new().build();
    let failsafe = Side::new(move || failsafe.call(|| Ok::<u64, &str>(black_box(7))).is_ok());
    let recloser = Recloser::custom().build();
    let recloser = Side::new(move || recloser.call(|| Ok::<u64, &str>(black_box(7))).is_ok());
    let peers = vec![
        (resilience_name(), plain(tower_resilience()?)),
        (version("failsafe"), failsafe),
        (version("recloser"), recloser),
    ];
    let ours = plain(BreakerLayer::new("bench").leak().layer(WORKS));
    Ok(compare(mode, Some(ours), peers))
}

fn http(mode: Mode) -> Result<Outcome> {
    let theirs = CircuitBreakerLayer::builder()
        .classify_response(|response: &Response<Body>| response.status().is_server_error())
        .build()?
        .layer(Handler::<Body>::new());
    let theirs = side::<_, Body, _>(theirs, &Template::get(), StatusCode::OK)?;
    let ours = BreakerLayer::http("bench")
        .leak()
        .layer(Handler::<Body>::new());
    let ours = side::<_, Body, _>(ours, &Template::get(), StatusCode::OK)?;
    Ok(compare(mode, Some(ours), vec![(resilience_name(), theirs)]))
}

fn slow_calls(mode: Mode) -> Result<Outcome> {
    let theirs = CircuitBreakerLayer::builder()
        .slow_call_duration_threshold(Duration::from_secs(1))
        .slow_call_rate_threshold(0.5)
        .build()?
        .layer(WORKS);
    let ours = BreakerLayer::new("bench")
        .slow_call_rate(0.5, Duration::from_secs(1))
        .leak();
    let ours = plain(ours.layer(WORKS));
    // Only here, and not for the peer: its counters are a feature of the crate, and would burden it in every measure.
    let recorder = PrometheusBuilder::new().build_recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let outcome = compare(mode, Some(ours), vec![(resilience_name(), plain(theirs))]);
    let counted = "palisade_breaker_calls_total{name=\"bench\",outcome=\"success\"}";
    if !recorder.handle().render().contains(counted) {
        return Err("nothing was counted".into());
    }
    Ok(outcome)
}

const MINUTE: Duration = Duration::from_secs(60);

fn watched_for_a_minute() -> BreakerLayer {
    BreakerLayer::new("bench")
        .failure_rate(0.5)
        .rate_window(RateWindow::time(MINUTE))
        .leak()
}

fn time_window(mode: Mode) -> Result<Outcome> {
    let theirs = CircuitBreakerLayer::builder()
        .sliding_window_type(SlidingWindowType::TimeBased)
        .sliding_window_duration(MINUTE)
        .build()?
        .layer(WORKS);
    let ours = watched_for_a_minute().layer(WORKS);
    // The peer looks at every call again with each call, so that filling its window takes it several seconds.
    let calls = if matches!(mode, Mode::Time { .. }) {
        100_000
    } else {
        1_000
    };
    for number in 0..calls {
        let _ = (exchange(&theirs, number), exchange(&ours, number));
    }
    let peers = vec![(resilience_name(), plain(theirs))];
    Ok(compare(mode, Some(plain(ours)), peers))
}

fn loaded_window(mode: Mode) -> Result<Outcome> {
    const FEW: u64 = 1_000;
    let loaded = watched_for_a_minute().layer(WORKS);
    for number in 0..100_000 {
        let _ = exchange(&loaded, number);
    }
    let layer = watched_for_a_minute();
    let handle = layer.handle();
    let few = plain(layer.layer(WORKS)).settle(FEW, move || handle.reset());
    let peers = vec![("ours with 1,000 calls".to_owned(), few)];
    Ok(compare(mode, Some(plain(loaded).settle(FEW, || {})), peers))
}

fn many_calls<S>(service: S) -> Shared
where
    S: Service<u64> + Clone + Sync + 'static,
{
    Box::new(move |times| {
        for number in 0..times {
            let _ = black_box(exchange(&service, black_box(number)).is_ok());
        }
    })
}

fn two_threads(mode: Mode) -> Result<Outcome> {
    let failsafe = failsafe::Config::new().build();
    let failsafe: Shared = Box::new(move |times| {
        for _ in 0..times {
            let _ = black_box(failsafe.call(|| Ok::<u64, &str>(black_box(7))).is_ok());
        }
    });
    let recloser = Recloser::custom().build();
    let recloser: Shared = Box::new(move |times| {
        for _ in 0..times {
            let _ = black_box(recloser.call(|| Ok::<u64, &str>(black_box(7))).is_ok());
        }
    });
    let peers = vec![
        (resilience_name(), many_calls(tower_resilience()?)),
        (version("failsafe"), failsafe),
        (version("recloser"), recloser),
    ];
    let ours = many_calls(BreakerLayer::new("bench").leak().layer(WORKS));
    Ok(scaling(mode, Some(ours), peers))
}

fn rejection(mode: Mode) -> Result<Outcome> {
    let theirs = CircuitBreakerLayer::builder()
        .consecutive_failures(1)
        .wait_duration_in_open(Duration::from_secs(36_000))
        .build()?
        .layer(FAILS);
    let _ = exchange(&theirs, 7);
    if !theirs.is_open() {
        return Err("tower-resilience did not open".into());
    }
    let theirs = plain(theirs);
    let layer = BreakerLayer::new("bench")
        .failure_threshold(1)
        .open_for(Duration::from_secs(36_000))
        .leak();
    let ours = layer.layer(FAILS);
    let _ = exchange(&ours, 7);
    if layer.handle().state() != State::Open {
        return Err("ours did not open".into());
    }
    let ours = plain(ours);
    Ok(compare(mode, Some(ours), vec![(resilience_name(), theirs)]))
}
