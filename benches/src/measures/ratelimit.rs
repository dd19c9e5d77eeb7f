//! `ratelimit/*`, beside tower_governor.

use std::error::Error;

use axum::body::Body;
use http::StatusCode;
use palisade_ratelimit::{DAY, HOUR, Headers, Limit, MINUTE};
use tower_governor::GovernorLayer;
use tower_layer::Layer;

use crate::exchange::{Addresses, Handler, Template, exchange, shared, side};
use crate::goal::Goal;
use crate::harness::{BYTES, Figure, Mode, Outcome, Side, compare};
use crate::measure::Measure;
use crate::ours;
use crate::peers::{Rate, governor, governor_with_headers};
use crate::scaling::scaling;
use crate::versions::version;

pub(crate) const MEASURES: &[Measure] = &[
    Measure {
        name: "ratelimit/ip-key",
        what: "one address, one token bucket, no headers",
        goals: &[Goal::RatioAtMost(1.0)],
        run: ip_key,
    },
    Measure {
        name: "ratelimit/ip-key-headers",
        what: "the same with both families of headers (the peer writes X-RateLimit alone)",
        goals: &[Goal::RatioAtMost(0.8), Goal::AllocsAtMost(6.0)],
        run: ip_key_headers,
    },
    Measure {
        name: "ratelimit/1m-keys",
        what: "1,048,576 addresses in an order without a pattern",
        goals: &[Goal::RatioAtMost(0.7)],
        run: many_keys,
    },
    Measure {
        name: "ratelimit/refusal",
        what: "an address over its limit, with the whole answer",
        goals: &[Goal::RatioAtMost(0.03)],
        run: refusal,
    },
    Measure {
        name: "ratelimit/two-threads",
        what: "16,384 addresses, two threads",
        goals: &[Goal::AtLeast(1.5)],
        run: two_threads,
    },
    Measure {
        name: "ratelimit/four-limits",
        what: "a token bucket and sliding windows of a minute, an hour and a day, all or nothing",
        goals: &[Goal::RatioAtMost(2.0)],
        run: four_limits,
    },
    Measure {
        name: "ratelimit/bytes-per-key",
        what: "memory of one token bucket, with 1,000,000 of them",
        goals: &[Goal::AtMost(64.0)],
        run: bytes_per_key,
    },
];

const MILLION: u32 = 1 << 20;
/// The number of keys that a store holds by default.
const KEYS: usize = 100_000;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn peer() -> String {
    version("tower_governor")
}

fn ip_key(mode: Mode) -> Result<Outcome> {
    let theirs = GovernorLayer::new(governor(Rate::ENDLESS)?).layer(Handler::<Body>::new());
    let theirs = side::<_, Body, _>(theirs, &Template::get(), StatusCode::OK)?;
    let ours = ours::limit(Rate::ENDLESS, Headers::Off, KEYS)?.layer(Handler::<Body>::new());
    let ours = side::<_, Body, _>(ours, &Template::get(), StatusCode::OK)?;
    Ok(compare(mode, Some(ours), vec![(peer(), theirs)]))
}

fn ip_key_headers(mode: Mode) -> Result<Outcome> {
    let theirs = governor_with_headers(Rate::ENDLESS)?.layer(Handler::<Body>::new());
    let theirs = side::<_, Body, _>(theirs, &Template::get(), StatusCode::OK)?;
    let ours = ours::limit(Rate::ENDLESS, Headers::Both, KEYS)?.layer(Handler::<Body>::new());
    let ours = side::<_, Body, _>(ours, &Template::get(), StatusCode::OK)?;
    Ok(compare(mode, Some(ours), vec![(peer(), theirs)]))
}

fn refusal(mode: Mode) -> Result<Outcome> {
    let theirs = GovernorLayer::new(governor(Rate::ONCE)?).layer(Handler::<Body>::new());
    let _ = exchange(&theirs, Template::get().request::<Body>());
    let theirs = side::<_, Body, _>(theirs, &Template::get(), StatusCode::TOO_MANY_REQUESTS)?;
    // The peer's refusal has two headers, so ours gets its own as well.
    let ours = ours::limit(Rate::ONCE, Headers::Both, KEYS)?.layer(Handler::<Body>::new());
    let _ = exchange(&ours, Template::get().request::<Body>());
    let ours = side::<_, Body, _>(ours, &Template::get(), StatusCode::TOO_MANY_REQUESTS)?;
    Ok(compare(mode, Some(ours), vec![(peer(), theirs)]))
}

/// A side whose requests come from `count` addresses, all of which have been there before.
fn from_many<S>(service: S, count: u32) -> Side
where
    S: tower_service::Service<http::Request<Body>> + Clone + 'static,
{
    let template = Template::get();
    let bare = template.clone();
    let mut order = Addresses::new(count);
    let mut bare_order = order.clone();
    for _ in 0..count {
        let _ = exchange(&service, template.request_from::<Body>(order.next()));
    }
    Side::new(move || exchange(&service, template.request_from::<Body>(order.next())).is_ok()).over(
        move || {
            let request = bare.request_from::<Body>(bare_order.next());
            exchange(&Handler::<Body>::new(), request).is_ok()
        },
    )
}

fn many_keys(mode: Mode) -> Result<Outcome> {
    let theirs = GovernorLayer::new(governor(Rate::LIVE)?).layer(Handler::<Body>::new());
    let theirs = from_many(theirs, MILLION);
    let ours = ours::limit(Rate::LIVE, Headers::Off, MILLION as usize)?;
    let ours = from_many(ours.layer(Handler::<Body>::new()), MILLION);
    Ok(compare(mode, Some(ours), vec![(peer(), theirs)]))
}

fn two_threads(mode: Mode) -> Result<Outcome> {
    let theirs = GovernorLayer::new(governor(Rate::LIVE)?).layer(Handler::<Body>::new());
    let theirs = shared::<_, Body>(theirs, Template::get(), 16_384);
    let ours = ours::limit(Rate::LIVE, Headers::Off, KEYS)?.layer(Handler::<Body>::new());
    let ours = shared::<_, Body>(ours, Template::get(), 16_384);
    Ok(scaling(mode, Some(ours), vec![(peer(), theirs)]))
}

/// Beside our own with one limit, since no peer decides several at once.
fn four_limits(mode: Mode) -> Result<Outcome> {
    let with = |limits: &[Limit]| {
        let layer = ours::limits(limits, Headers::Off, KEYS)?;
        side::<_, Body, _>(
            layer.layer(Handler::<Body>::new()),
            &Template::get(),
            StatusCode::OK,
        )
    };
    let bucket = ours::token_bucket(Rate::ENDLESS);
    let sliding = |window| Limit::sliding(1_000_000_000, window);
    let four = with(&[bucket, sliding(MINUTE), sliding(HOUR), sliding(DAY)])?;
    let peers = vec![
        ("ours with the bucket alone".to_owned(), with(&[bucket])?),
        (
            "ours with one window alone".to_owned(),
            with(&[sliding(MINUTE)])?,
        ),
    ];
    Ok(compare(mode, Some(four), peers))
}

fn bytes_per_key(mode: Mode) -> Result<Outcome> {
    let theirs = memory(mode, || {
        Ok(GovernorLayer::new(governor(Rate::LIVE)?).layer(Handler::<Body>::new()))
    })?;
    let ours = memory(mode, || {
        let layer = ours::limit(Rate::LIVE, Headers::Off, 1_000_000)?;
        Ok(layer.layer(Handler::<Body>::new()))
    })?;
    Ok(Outcome {
        unit: BYTES,
        ours: Some(ours),
        peers: vec![(peer(), theirs)],
        disturbed: false,
    })
}

/// The memory that a limiter has taken once it has seen a million addresses, for each of them.
fn memory<S>(mode: Mode, make: impl Fn() -> Result<S>) -> Result<Figure>
where
    S: tower_service::Service<http::Request<Body>> + Clone,
{
    let Mode::Count(counter) = mode else {
        return Ok(Figure::default());
    };
    let mut kept = None;
    let allocated = counter(&mut || {
        let service = make();
        if let Ok(service) = &service {
            let mut order = Addresses::new(MILLION);
            for _ in 0..1_000_000 {
                let _ = exchange(service, Template::get().request_from::<Body>(order.next()));
            }
        }
        kept = Some(service);
    });
    kept.unwrap_or_else(|| Err("nothing was made".into()))?;
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let each = allocated.net_bytes as f64 / 1e6;
    Ok(Figure::single(each))
}
