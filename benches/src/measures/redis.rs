//! `ratelimit/redis-*`: limits that machines share, beside tower-rate-limit-redis.
//!
//! The same server, the same loopback, one multiplexed connection each. Nothing is taken off: the round trip is what
//! is measured.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{Request, Response, StatusCode};
use palisade_core::time::now;
use palisade_ratelimit::{Headers, Policy, RateLimitLayer, Redis};
use tokio::runtime::{Builder, Handle};
use tower::ServiceExt as _;
use tower_layer::Layer;
use tower_rate_limit_redis::KeyResolver;
use tower_service::Service;

use crate::exchange::{Addresses, Handler, Template};
use crate::goal::Goal;
use crate::harness::{Figure, Mode, Outcome, best, median};
use crate::machine::OneCore;
use crate::measure::Measure;
use crate::ours;
use crate::peers::Rate;
use crate::redis_server::RedisServer;
use crate::versions::version;

pub(crate) const MEASURES: &[Measure] = &[
    Measure {
        name: "ratelimit/redis-c1-p50",
        what: "a Redis store, one request after the other, all on one core: the median of their times",
        goals: &[Goal::RatioAtMost(1.0)],
        run: one_after_the_other,
    },
    Measure {
        name: "ratelimit/redis-c64-throughput",
        what: "a Redis store, 64 requests at a time",
        goals: &[Goal::RatioAtLeast(1.0)],
        run: |mode| many_at_a_time(mode, 1),
    },
    Measure {
        name: "ratelimit/redis-leases-throughput",
        what: "the same with leases of 1,000 (the peer has none)",
        goals: &[Goal::RatioAtLeast(20.0)],
        run: |mode| many_at_a_time(mode, 1_000),
    },
];

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The number of addresses: few enough that each comes back, and so many that the peer, which counts in whole
/// milliseconds and bursts of 65,535, refuses none.
const CLIENTS: u32 = 1_024;

/// Sends one request from the next address; answers whether it passed.
type Exchange =
    Arc<dyn Fn(Request<Body>) -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;

fn exchanges<S, H>(service: S) -> Exchange
where
    S: Service<Request<Body>, Response = Response<H>> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    Arc::new(move |request| {
        let service = service.clone();
        Box::pin(async move {
            let answer = service.oneshot(request).await;
            answer.is_ok_and(|response| response.status() == StatusCode::OK)
        })
    })
}

async fn ours(server: &RedisServer, lease: u32) -> Result<Exchange> {
    let client = ::redis::Client::open(server.url())?;
    let connection = client.get_multiplexed_async_connection().await?;
    let policy = Policy::new("bench")
        .limit(ours::token_bucket(Rate::ENDLESS))
        .lease(lease);
    let layer = RateLimitLayer::builder()
        .policy(policy)
        .headers(Headers::Off)
        .store(Redis::new(connection).timeout(Duration::from_secs(5)))
        .build()?
        .leak();
    Ok(exchanges(layer.layer(Handler::<Body>::new())))
}

/// The peer's address as the key.
#[derive(Debug, Clone)]
struct ByAddress;

impl KeyResolver for ByAddress {
    type Key = String;
    type ErrorBody = Body;

    fn key<T>(&self, request: &Request<T>) -> std::result::Result<String, Response<Body>> {
        match request
            .extensions()
            .get::<ConnectInfo<std::net::SocketAddr>>()
        {
            Some(ConnectInfo(peer)) => Ok(peer.ip().to_string()),
            None => Err(Response::new(Body::empty())),
        }
    }
}

async fn theirs(server: &RedisServer) -> Result<Exchange> {
    let client = redis032::Client::open(server.url())?;
    let connection = client.get_multiplexed_async_connection().await?;
    let layer = tower_rate_limit_redis::RateLimitLayer::builder()
        .conn(connection)
        .key_resolver(ByAddress)
        .capacity(u16::MAX)
        .emission_interval(Duration::from_millis(1))
        .build();
    Ok(exchanges(layer.layer(Handler::<Body>::new())))
}

fn peer() -> String {
    version("tower-rate-limit-redis")
}

/// Runs both sides in turns, with as many requests a turn as stand beside each; each turn answers one figure.
fn in_turns(
    mode: Mode,
    unit: &'static str,
    sides: &[(Exchange, u32); 2],
    pick: fn(&[f64]) -> f64,
    turn: impl Fn(&Exchange, u32) -> Result<f64>,
) -> Result<Outcome> {
    let rounds = match mode {
        Mode::Time { rounds } => rounds.div_ceil(15),
        Mode::Count(_) | Mode::Profile => 1,
    };
    let mut figures = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        for step in 0..2 {
            let index = (round + step) % 2;
            let (exchange, requests) = &sides[index];
            figures[index].push(turn(exchange, *requests)?);
        }
    }
    let [ours, theirs] = figures.map(|each| Figure {
        best: pick(&each),
        median: median(&each),
        allocs: None,
    });
    Ok(Outcome {
        unit,
        ours: Some(ours),
        peers: vec![(peer(), theirs)],
        disturbed: false,
    })
}

fn one_after_the_other(mode: Mode) -> Result<Outcome> {
    const REQUESTS: u32 = 1_000;
    let _here = OneCore::stay();
    let server = RedisServer::start()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let sides = [
        (runtime.block_on(ours(&server, 1))?, REQUESTS),
        (runtime.block_on(theirs(&server))?, REQUESTS),
    ];
    in_turns(mode, "us", &sides, best, |exchange, requests| {
        let exchange = Arc::clone(exchange);
        let times = runtime.block_on(async move {
            let template = Template::get();
            let mut addresses = Addresses::new(CLIENTS);
            let mut times = Vec::new();
            for _ in 0..requests {
                let request = template.request_from(addresses.next());
                let start = now();
                if !exchange(request).await {
                    return Vec::new();
                }
                times.push(start.elapsed().as_secs_f64() * 1e6);
            }
            times
        });
        if times.is_empty() {
            return Err("a request was refused".into());
        }
        Ok(median(&times))
    })
}

fn many_at_a_time(mode: Mode, lease: u32) -> Result<Outcome> {
    const TASKS: u32 = 64;
    const EACH: u32 = 250;
    let server = RedisServer::start()?;
    // With leases a turn would be over before all tasks have begun.
    let with_leases = if lease > 1 { 10 * EACH } else { EACH };
    let runtime = Handle::current();
    let sides = [
        (runtime.block_on(ours(&server, lease))?, with_leases),
        (runtime.block_on(theirs(&server))?, EACH),
    ];
    let most = |rates: &[f64]| rates.iter().copied().fold(0.0, f64::max);
    in_turns(mode, "requests/s", &sides, most, |exchange, each| {
        let start = now();
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let exchange = Arc::clone(exchange);
                tokio::spawn(async move {
                    let template = Template::get();
                    let mut addresses = Addresses::starting_at(CLIENTS, task * (CLIENTS / TASKS));
                    for _ in 0..each {
                        if !exchange(template.request_from(addresses.next())).await {
                            return false;
                        }
                    }
                    true
                })
            })
            .collect();
        for task in tasks {
            if !runtime.block_on(task)? {
                return Err("a request was refused".into());
            }
        }
        Ok(f64::from(TASKS * each) / start.elapsed().as_secs_f64())
    })
}
