use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use palisade_core::time::{self, Instant};
use palisade_core::{Handle, Problems};
use tokio::time::Sleep;
use tower::retry::Policy;

use super::budget::Budget;
use super::by_key::{Budgets, OneBudget};
use super::event::{Observers, RetryEvent};
use super::judge::{Judge, RetryAdvice};
use super::replay::Replay;
use crate::{ExtractKey, metrics};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const PREVIOUS_ATTEMPTS: HeaderName = HeaderName::from_static("grpc-previous-rpc-attempts");

/// The settings of a retry layer, and the budgets that its clones share.
pub(crate) struct Shared {
    pub(crate) setup: Setup,
    budgets: Budgets,
}

#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) attempts: u32,
    pub(crate) base: Duration,
    pub(crate) factor: f64,
    pub(crate) longest: Duration,
    pub(crate) jitter: f64,
    pub(crate) budget: f32,
    pub(crate) reserve: u32,
    pub(crate) any_method: bool,
    /// Whether requests of any method are kept, in case no server processed them.
    pub(crate) unprocessed: bool,
    pub(crate) deadline: Option<Duration>,
    pub(crate) observers: Observers,
    /// Settings that are not valid.
    pub(crate) problems: Problems,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            attempts: 3,
            base: Duration::from_secs(1),
            factor: 2.0,
            longest: Duration::from_secs(60),
            jitter: 1.0,
            budget: 0.2,
            reserve: 1,
            any_method: false,
            unprocessed: true,
            deadline: None,
            observers: Observers::default(),
            problems: Problems::none(),
        }
    }
}

/// More retries a call than anybody means.
pub(crate) const MOST_SHARE: f32 = 10.0;

/// More retries a second than anybody means.
pub(crate) const MOST_RESERVE: u32 = 1_000_000;

impl Shared {
    pub(crate) fn new(setup: Setup) -> Self {
        let budgets = Budgets::new(setup.budget, setup.reserve);
        Self { setup, budgets }
    }

    /// The budget that a call takes its retries from.
    fn budget<'a>(&'a self, call: &'a Call) -> &'a Budget {
        call.budget.as_deref().unwrap_or(&self.budgets.common)
    }

    /// Whether an attempt after this wait would begin after the deadline.
    fn is_too_late(&self, call: &Call, wait: Duration) -> bool {
        match (call.began, self.setup.deadline) {
            (Some(began), Some(deadline)) => {
                let past = time::now().saturating_duration_since(began);
                past.saturating_add(wait) > deadline
            }
            _ => false,
        }
    }

    /// The wait before the attempt after `made` ones: up to the base times the factor for each attempt made but the
    /// first, up to the longest; of which the share of the jitter is random.
    fn wait(&self, made: u32, random: f64) -> Duration {
        let exponent = i32::try_from(made.saturating_sub(1)).unwrap_or(i32::MAX);
        let grown = self.setup.base.as_secs_f64() * self.setup.factor.powi(exponent);
        let most = grown.min(self.setup.longest.as_secs_f64());
        let share = 1.0 - self.setup.jitter * (1.0 - random);
        Duration::try_from_secs_f64(most * share).unwrap_or(self.setup.longest)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("setup", &self.setup)
            .finish_non_exhaustive()
    }
}

/// Decides over the retries of one request; a [`tower::retry::Policy`], made by [`RetryLayer`](crate::RetryLayer).
#[derive(Debug, Clone)]
pub struct RetryPolicy<J, R, K = OneBudget> {
    shared: Handle<Shared>,
    judge: J,
    replay: R,
    key: K,
    call: Call,
}

/// The state of the call that is being tried.
#[derive(Debug, Clone, Default)]
struct Call {
    made: u32,
    /// Of these attempts, those that no server has processed.
    unprocessed: u32,
    /// Whether it may be tried again after a server may have processed it.
    is_repeatable: bool,
    /// The start of the first attempt, where there is a deadline.
    began: Option<Instant>,
    /// The budget of its key.
    budget: Option<Arc<Budget>>,
}

impl<J, R, K> RetryPolicy<J, R, K> {
    pub(super) fn new(shared: Handle<Shared>, judge: J, replay: R, key: K) -> Self {
        Self {
            shared,
            judge,
            replay,
            key,
            call: Call::default(),
        }
    }

    pub(super) fn judge<Res, Err>(&self, result: Result<&Res, &Err>) -> RetryAdvice
    where
        J: Judge<Res, Err>,
    {
        self.judge.judge(result)
    }

    /// Whether a copy of the request is to be kept for another attempt; asked before each of them. `key` is asked once a
    /// call.
    pub(super) fn wants_copy<'a>(
        &mut self,
        method: &Method,
        headers: &HeaderMap,
        key: impl FnOnce(&K) -> Option<Cow<'a, str>>,
    ) -> bool {
        let (shared, call) = (&*self.shared, &mut self.call);
        if call.made.saturating_add(1) >= shared.setup.attempts {
            return false;
        }
        if call.made == 0 {
            call.budget = key(&self.key).and_then(|key| shared.budgets.of(&key));
            shared.budget(call).deposit();
            call.began = shared.setup.deadline.map(|_| time::now());
            // RFC 9110, section 9.2.2, and draft-ietf-httpapi-idempotency-key-header.
            call.is_repeatable = shared.setup.any_method
                || method.is_idempotent()
                || headers.contains_key(IDEMPOTENCY_KEY);
        }
        call.is_repeatable || shared.setup.unprocessed
    }

    /// The wait before another attempt, if there is to be one.
    ///
    /// `take_over` takes the request's copy into use, unless that is lost.
    pub(super) fn decide(
        &mut self,
        advice: RetryAdvice,
        is_whole: bool,
        take_over: impl FnOnce(&R) -> bool,
    ) -> Option<Sleep> {
        let (shared, call) = (&*self.shared, &mut self.call);
        call.made = call.made.saturating_add(1);
        let not_before = match advice {
            RetryAdvice::No => return None,
            RetryAdvice::Unprocessed => {
                call.unprocessed = call.unprocessed.saturating_add(1);
                Duration::ZERO
            }
            RetryAdvice::Again | RetryAdvice::NotBefore(_) if !call.is_repeatable => return None,
            RetryAdvice::Again => Duration::ZERO,
            RetryAdvice::NotBefore(wait) => wait,
        };
        if call.made >= shared.setup.attempts || not_before > shared.setup.longest {
            return None;
        }
        let wait = shared.wait(call.made, unit()).max(not_before);
        if shared.is_too_late(call, wait) {
            metrics::retry("too_late");
            return None;
        }
        if !is_whole {
            metrics::retry("body_lost");
            return None;
        }
        if !shared.budget(call).withdraw() {
            metrics::retry("budget_spent");
            tracing::debug!(target: "palisade_breaker", "no retry: the budget is spent");
            return None;
        }
        if !take_over(&self.replay) {
            metrics::retry("body_lost");
            return None;
        }
        metrics::retry("retried");
        let attempt = call.made.saturating_add(1);
        tracing::debug!(
            target: "palisade_breaker",
            attempt, wait_ms = wait.as_millis() as u64, "retry"
        );
        shared.setup.observers.tell(RetryEvent { attempt, wait });
        Some(tokio::time::sleep(wait))
    }

    /// Tells a gRPC server how often the call was attempted before, but for attempts that none has processed (gRPC
    /// proposal A6).
    pub(super) fn count_attempts(&self, headers: &mut HeaderMap) {
        let before = self.call.made.saturating_sub(self.call.unprocessed);
        let is_grpc = headers
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
        if is_grpc && before > 0 {
            headers.insert(PREVIOUS_ATTEMPTS, HeaderValue::from(before));
        }
    }
}

impl<J, R, K, T, Res, Err> Policy<Request<T>, Res, Err> for RetryPolicy<J, R, K>
where
    J: Judge<Res, Err>,
    R: Replay<T>,
    K: ExtractKey<Request<T>>,
{
    type Future = Sleep;

    fn retry(&mut self, request: &mut Request<T>, result: &mut Result<Res, Err>) -> Option<Sleep> {
        let advice = self.judge(result.as_ref());
        let is_whole = self.replay.is_whole(request.body());
        let body = request.body();
        let wait = self.decide(advice, is_whole, |replay| replay.take_over(body))?;
        self.count_attempts(request.headers_mut());
        Some(wait)
    }

    fn clone_request(&mut self, request: &Request<T>) -> Option<Request<T>> {
        let (method, headers) = (request.method(), request.headers());
        if !self.wants_copy(method, headers, |key| key.extract(request)) {
            return None;
        }
        let body = self.replay.again(request.body())?;
        let mut clone = Request::new(body);
        *clone.method_mut() = request.method().clone();
        *clone.uri_mut() = request.uri().clone();
        *clone.version_mut() = request.version();
        *clone.headers_mut() = request.headers().clone();
        *clone.extensions_mut() = request.extensions().clone();
        Some(clone)
    }
}

/// A random number in `0.0..1.0`. Without random bytes it is the middle: no spread, but still a wait.
fn unit() -> f64 {
    palisade_core::random::bytes().map_or(0.5, |bytes| {
        (u64::from_le_bytes(bytes) >> 11) as f64 / (1_u64 << 53) as f64
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_by_the_factor_up_to_the_longest_with_full_jitter() {
        let shared = Shared::new(Setup::default());
        // The upper ends: 1 s, 2 s, 4 s, ... and from the seventh attempt on 60 s.
        let ends = [1, 2, 4, 8, 16, 32, 60, 60];
        for (made, end) in (1..).zip(ends) {
            assert_eq!(shared.wait(made, 1.0), Duration::from_secs(end));
            assert_eq!(shared.wait(made, 0.5), Duration::from_millis(end * 500));
            assert_eq!(shared.wait(made, 0.0), Duration::ZERO);
        }
        assert_eq!(shared.wait(u32::MAX, 1.0), Duration::from_secs(60));
    }

    #[test]
    fn less_jitter_leaves_less_to_chance() {
        let wait = |jitter, random| {
            let setup = Setup {
                jitter,
                ..Setup::default()
            };
            Shared::new(setup).wait(2, random).as_millis()
        };
        // Of 2 s, half is certain.
        assert_eq!(
            [wait(0.5, 0.0), wait(0.5, 0.5), wait(0.5, 1.0)],
            [1_000, 1_500, 2_000]
        );
        assert_eq!([wait(0.0, 0.0), wait(0.0, 1.0)], [2_000, 2_000]);
    }

    #[test]
    fn the_jitter_spreads_over_the_whole() {
        let drawn: Vec<f64> = (0..1_000).map(|_| unit()).collect();
        assert!(drawn.iter().all(|unit| (0.0..1.0).contains(unit)));
        assert!(drawn.iter().any(|unit| *unit < 0.1));
        assert!(drawn.iter().any(|unit| *unit > 0.9));
    }
}
