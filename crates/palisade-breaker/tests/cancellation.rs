//! Calls that are cancelled anywhere: before the headers, in the body, by a panic. None wedges the breaker.

mod common;

use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use common::{advance, secs};
use futures_util::FutureExt;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, StreamBody};
use palisade_breaker::{BreakerLayer, State};
use tower::{Layer, ServiceExt};

type Frames = futures_util::stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, &'static str>>>;

/// The behaviour of a call of the test, and the time at which its caller gives up.
#[derive(Debug, Clone, Copy)]
enum Fate {
    HangsBeforeTheHeaders,
    Panics,
    Fails,
    Answers500,
    DroppedAtTheHeaders,
    DroppedInTheBody,
    BreaksOffInTheBody,
    ReadWhole,
}

const FATES: [Fate; 8] = [
    Fate::HangsBeforeTheHeaders,
    Fate::Panics,
    Fate::Fails,
    Fate::Answers500,
    Fate::DroppedAtTheHeaders,
    Fate::DroppedInTheBody,
    Fate::BreaksOffInTheBody,
    Fate::ReadWhole,
];

async fn upstream(request: Request<Fate>) -> Result<Response<StreamBody<Frames>>, &'static str> {
    let message = || Ok(Frame::data(Bytes::from_static(b"\0\0\0\0\0")));
    let mut trailers = http::HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    let fate = request.into_body();
    let frames = match fate {
        Fate::HangsBeforeTheHeaders => pending().await,
        Fate::Panics => panic!("on purpose"),
        Fate::Fails => return Err("reset"),
        Fate::BreaksOffInTheBody => vec![message(), Err("reset")],
        _ => vec![message(), message(), Ok(Frame::trailers(trailers))],
    };
    let mut response = Response::new(StreamBody::new(futures_util::stream::iter(frames)));
    if matches!(fate, Fate::Answers500) {
        *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
    }
    Ok(response)
}

/// Makes one call, polls it once, and lets it meet its fate.
fn call<B: Body + Unpin, E>(call: impl Future<Output = Result<Response<B>, E>>, fate: Fate) {
    let mut cx = Context::from_waker(Waker::noop());
    let mut call = pin!(call);
    let polled = std::panic::catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(&mut cx)));
    let Ok(Poll::Ready(Ok(response))) = polled else {
        return;
    };
    let mut body = response.into_body();
    match fate {
        Fate::DroppedAtTheHeaders => {}
        Fate::DroppedInTheBody => drop(body.frame().now_or_never()),
        _ => while let Some(Some(Ok(_))) = body.frame().now_or_never() {},
    }
}

fn calls() -> u32 {
    if std::env::var_os("PALISADE_FULL").is_some() {
        1_000_000
    } else {
        100_000
    }
}

/// xorshift, seeded, so that a failure can be run again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

/// One test for layers of two types.
macro_rules! wedge_by_cancelling {
    ($layer:expr) => {{
        std::panic::set_hook(Box::new(|_| {}));
        let layer = $layer
            .failure_threshold(3)
            .open_for(secs(1))
            .trials(2)
            .successes_to_close(2);
        let breaker = layer.handle();
        let guarded = layer.layer(tower::service_fn(upstream));
        let mut dice = Dice(0x5eed);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..calls() {
            let fate = FATES[dice.below(FATES.len())];
            call(guarded.clone().oneshot(Request::new(fate)), fate);
            seen.insert(breaker.state());
            if dice.below(4) == 0 {
                advance(std::time::Duration::from_millis(dice.below(1_500) as u64)).await;
            }
        }
        assert_eq!(breaker.metrics().trials_in_flight, 0, "a permit was lost");
        for state in [State::Closed, State::Open, State::HalfOpen] {
            assert!(
                seen.contains(&state),
                "never {state}: the test does not test"
            );
        }
        // And a healthy server is let back in.
        advance(secs(1)).await;
        for _ in 0..2 {
            call(
                guarded.clone().oneshot(Request::new(Fate::ReadWhole)),
                Fate::ReadWhole,
            );
        }
        assert_eq!(breaker.state(), State::Closed);
    }};
}

#[tokio::test(start_paused = true)]
async fn http_calls_cancelled_anywhere_wedge_nothing() {
    wedge_by_cancelling!(BreakerLayer::http("x"));
}

#[tokio::test(start_paused = true)]
async fn grpc_calls_cancelled_anywhere_wedge_nothing() {
    wedge_by_cancelling!(BreakerLayer::grpc("x"));
}
