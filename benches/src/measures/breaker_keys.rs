//! `breaker/*-keys` and `breaker/bytes-per-key`: a breaker for each of a million keys. No peer has that.

use std::borrow::Cow;
use std::convert::Infallible;
use std::error::Error;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::sync::LazyLock;
use std::task::{Context, Poll};

use palisade_breaker::{BreakerLayer, ExtractKey};
use tower_layer::Layer;
use tower_service::Service;

use crate::exchange::exchange;
use crate::goal::Goal;
use crate::harness::{BYTES, Figure, Mode, Outcome, Side, compare};
use crate::measure::Measure;

pub(crate) const MEASURES: &[Measure] = &[
    Measure {
        name: "breaker/1m-keys",
        what: "closed, one of 1,048,576 keys that are all remembered, in an order without a pattern",
        goals: &[Goal::AllocsAtMost(0.0)],
        run: known_keys,
    },
    Measure {
        name: "breaker/new-keys",
        what: "closed, each call with a key that is not remembered and takes the place of another",
        goals: &[],
        run: new_keys,
    },
    Measure {
        name: "breaker/bytes-per-key",
        what: "memory of one breaker and its key, with 1,000,000 of them",
        goals: &[Goal::AtMost(512.0)],
        run: bytes_per_key,
    },
];

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const MILLION: usize = 1 << 20;

/// Its request is the number of a host.
#[derive(Debug, Clone, Copy)]
struct Works;

impl Service<usize> for Works {
    type Response = usize;
    type Error = Infallible;
    type Future = Ready<std::result::Result<usize, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: usize) -> Self::Future {
        ready(Ok(request))
    }
}

/// The names of hosts, made once, so that a key costs no more than it does in a request that has it.
static HOSTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let names = (0..MILLION).map(|host| format!("host-{host:07}.example:8443"));
    names.collect()
});

#[derive(Debug, Clone, Copy)]
struct ByHost;

impl ExtractKey<usize> for ByHost {
    fn extract<'a>(&self, request: &'a usize) -> Option<Cow<'a, str>> {
        HOSTS.get(*request).map(|host| Cow::Borrowed(host.as_str()))
    }
}

/// Every host once, in an order without a pattern, and then again. An odd step goes through all of a power of two.
fn step(host: &mut usize) -> usize {
    *host = (*host + 0x9_E377) % MILLION;
    *host
}

fn side(most_keys: usize) -> Side {
    let layer = BreakerLayer::new("bench").keyed(ByHost);
    let service = layer.most_keys(most_keys).layer(Works);
    for host in 0..MILLION {
        let _ = exchange(&service, host);
    }
    let (mut next, mut bare) = (0, 0);
    Side::new(move || exchange(&service, black_box(step(&mut next))).is_ok())
        .over(move || exchange(black_box(&Works), black_box(step(&mut bare))).is_ok())
}

fn known_keys(mode: Mode) -> Result<Outcome> {
    // The shards do not fill evenly, so that a bound of exactly as many would be too low for some.
    Ok(compare(mode, Some(side(2 * MILLION)), Vec::new()))
}

fn new_keys(mode: Mode) -> Result<Outcome> {
    Ok(compare(mode, Some(side(10_000)), Vec::new()))
}

fn bytes_per_key(mode: Mode) -> Result<Outcome> {
    let mut ours = Figure::default();
    if let Mode::Count(counter) = mode {
        LazyLock::force(&HOSTS);
        let mut kept = None;
        let allocated = counter(&mut || {
            let layer = BreakerLayer::new("bench").keyed(ByHost);
            let service = layer.most_keys(2 * MILLION).layer(Works);
            for host in 0..1_000_000 {
                let _ = exchange(&service, host);
            }
            kept = Some(service);
        });
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
        let each = allocated.net_bytes as f64 / 1e6;
        ours = Figure::single(each);
    }
    Ok(Outcome {
        unit: BYTES,
        ours: Some(ours),
        peers: Vec::new(),
        disturbed: false,
    })
}
