mod answers;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use palisade_core::{Handle, Name};
use tower_layer::Layer;

use crate::event::Observer;
use crate::shared::{Setup, Shared};
use crate::state::plan::{FailureRule, MOST_TRIALS, Plan, SlowRule, at_least_one, share};
use crate::{
    Breaker, BreakerConfig, BreakerConfigError, BreakerEvent, BreakerHandle, ErrorsFail,
    FailWhenOpen, GrpcHealth, HttpHealth, RateWindow, RespondWhenOpen, State,
};

/// Puts a circuit breaker around a service, and is its own builder.
///
/// Everything made by one layer and its clones shares one breaker: for another breaker construct another layer. A
/// setter makes a new breaker, so set everything before taking a [`handle`](Self::handle) or wrapping a service.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use palisade_breaker::{BreakerError, BreakerLayer, State};
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let layer = BreakerLayer::new("ledger").failure_threshold(2).open_for(Duration::from_secs(10));
/// let breaker = layer.handle();
/// let mut client = ServiceBuilder::new()
///     .layer(layer)
///     .service(service_fn(|_: u32| async { Err::<u32, _>(std::io::ErrorKind::ConnectionRefused) }));
///
/// for _ in 0..2 {
///     assert!(client.ready().await.unwrap().call(7).await.is_err());
/// }
/// assert_eq!(breaker.state(), State::Open);
/// let refused = client.ready().await.unwrap().call(7).await;
/// assert!(matches!(refused, Err(BreakerError::Open(_))));
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct BreakerLayer<C = ErrorsFail, A = FailWhenOpen> {
    pub(crate) shared: Handle<Shared>,
    pub(crate) classify: C,
    pub(crate) refuse: A,
}

impl BreakerLayer {
    /// A breaker for any service, whose `Err` is the failure.
    #[must_use]
    pub fn new(name: impl Into<Name>) -> Self {
        Self::made_of(name.into(), ErrorsFail, FailWhenOpen)
    }
}

impl BreakerLayer<HttpHealth> {
    /// A breaker for an HTTP client, which judges by [`HttpHealth`].
    ///
    /// Around a server's handlers add [`respond_when_open`](BreakerLayer::respond_when_open).
    #[must_use]
    pub fn http(name: impl Into<Name>) -> Self {
        Self::made_of(name.into(), HttpHealth::default(), FailWhenOpen)
    }
}

impl BreakerLayer<GrpcHealth, RespondWhenOpen> {
    /// A breaker for a gRPC client or server, which judges by [`GrpcHealth`] and answers `UNAVAILABLE` (14) while open.
    ///
    /// It answers instead of failing, because tonic shows any error of a layer as `UNKNOWN`.
    #[must_use]
    pub fn grpc(name: impl Into<Name>) -> Self {
        Self::made_of(name.into(), GrpcHealth::default(), RespondWhenOpen)
    }
}

impl<A> BreakerLayer<HttpHealth, A> {
    /// Makes these statuses failures too; see [`HttpHealth::fail_on`].
    #[must_use]
    pub fn fail_on(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        self.classify = self.classify.fail_on(statuses);
        self
    }
}

impl<C, A> BreakerLayer<C, A> {
    fn made_of(name: Name, classify: C, refuse: A) -> Self {
        let setup = Setup::new(name, Plan::default());
        Self {
            shared: Handle::new(Shared::new(setup)),
            classify,
            refuse,
        }
    }

    fn plan(self, change: impl FnOnce(&mut Plan)) -> Self {
        self.set(|setup| change(Arc::make_mut(&mut setup.plan)))
    }

    fn set(mut self, set: impl FnOnce(&mut Setup)) -> Self {
        let mut setup = Setup::clone(&self.shared.setup);
        set(&mut setup);
        self.shared = Handle::new(Shared::new(setup));
        self
    }

    /// Opens after so many failures within the [`window`](Self::window), counted exactly; default 5, at least 1.
    ///
    /// Five is enough to tell an outage from bad luck, and few enough that callers hardly notice.
    #[must_use]
    pub fn failure_threshold(self, failures: u32) -> Self {
        self.plan(|plan| {
            let within = plan.within();
            let threshold = at_least_one(failures);
            plan.failures = FailureRule::Within { threshold, within };
        })
    }

    /// The time within which the failures of [`failure_threshold`](Self::failure_threshold) must lie; default 60 s. Zero
    /// would never trip, and leaves it as it is.
    #[must_use]
    pub fn window(self, within: Duration) -> Self {
        self.plan(|plan| {
            let threshold = plan.threshold();
            let within = unless_zero(within, plan.within());
            plan.failures = FailureRule::Within { threshold, within };
        })
    }

    /// Opens after so many failures in a row instead of within a time; at least 1.
    #[must_use]
    pub fn consecutive_failures(self, failures: u32) -> Self {
        self.plan(|plan| plan.failures = FailureRule::Consecutive(at_least_one(failures)))
    }

    /// Opens when this share of the calls in the [`rate_window`](Self::rate_window) failed, instead of after a number
    /// of failures. Above 0 and up to 1; what is outside becomes the nearest.
    #[must_use]
    pub fn failure_rate(self, rate: f64) -> Self {
        self.plan(|plan| plan.failures = FailureRule::Rate(share(rate)))
    }

    /// Opens as well when this share of the calls in the [`rate_window`](Self::rate_window) took `bound` or longer;
    /// default never. A slow trial fails. With a bound of zero every call would be slow, so it leaves things as they are.
    ///
    /// From then on two clock readings belong to every call.
    #[must_use]
    pub fn slow_call_rate(self, rate: f64, bound: Duration) -> Self {
        let share = share(rate);
        self.plan(|plan| {
            if !bound.is_zero() {
                plan.slow = Some(SlowRule { bound, share });
            }
        })
    }

    /// What the rates look back over; default the last 60 s.
    #[must_use]
    pub fn rate_window(self, window: RateWindow) -> Self {
        self.plan(|plan| plan.extent = window.0)
    }

    /// Calls that the [`rate_window`](Self::rate_window) must hold before a rate counts; default 20, at least 1. With a
    /// window of fewer calls, all of it.
    ///
    /// Fewer say little: of three calls one is a third.
    #[must_use]
    pub fn minimum_calls(self, calls: u32) -> Self {
        self.plan(|plan| plan.minimum = at_least_one(calls))
    }

    /// How long it stays open before the first trial; default 60 s, at most ten years. Zero leaves it as it is.
    #[must_use]
    pub fn open_for(self, time: Duration) -> Self {
        self.plan(|plan| plan.open_for = unless_zero(time, plan.open_for))
    }

    /// Multiplies the open time by this factor each time that a trial fails, until the breaker closes; default 1, no
    /// less. [`longest_open`](Self::longest_open) bounds it.
    #[must_use]
    pub fn open_growth(self, factor: f64) -> Self {
        let factor = if factor.is_nan() {
            1.0
        } else {
            factor.max(1.0)
        };
        self.plan(|plan| plan.growth = factor)
    }

    /// Lengthens each open time by a random share of up to this much, 0 to 1, so that many clients do not come back at
    /// once; default 0.
    #[must_use]
    pub fn open_jitter(self, most: f64) -> Self {
        let jitter = if most.is_nan() {
            0.0
        } else {
            most.clamp(0.0, 1.0)
        };
        self.plan(|plan| plan.jitter = jitter)
    }

    /// The longest open time that growth, jitter or a server's `Retry-After` can lead to; default 10 min. Never shorter
    /// than [`open_for`](Self::open_for).
    ///
    /// A bound, because a server that errs in a header must not shut its clients out for a day.
    #[must_use]
    pub fn longest_open(self, time: Duration) -> Self {
        self.plan(|plan| plan.longest_open = time)
    }

    /// Trials in flight at a time while half-open; default 1, 1 to 8,191.
    #[must_use]
    pub fn trials(self, trials: u32) -> Self {
        self.plan(|plan| plan.trials = at_least_one(trials.min(MOST_TRIALS)))
    }

    /// Trials that must succeed before it closes; default 1, at least 1. One failure opens it again.
    #[must_use]
    pub fn successes_to_close(self, successes: u32) -> Self {
        self.plan(|plan| plan.successes_to_close = at_least_one(successes))
    }

    /// How long a trial may take before another is let through in its place; default the open time, at least 30 s. Its
    /// late result is discarded. With zero every call would be a trial, so it leaves things as they are.
    #[must_use]
    pub fn trial_lease(self, lease: Duration) -> Self {
        self.plan(|plan| {
            if !lease.is_zero() {
                plan.lease = Some(lease);
            }
        })
    }

    /// After it has closed, lets calls back in over this time, from a tenth of them to all; default at once.
    ///
    /// It keeps a crowd that has waited from felling the server again.
    #[must_use]
    pub fn ramp(self, time: Duration) -> Self {
        self.plan(|plan| plan.ramp = time)
    }

    /// Counts every call through the `metrics` facade, successes included, which otherwise go by uncounted to cost
    /// nothing; needs the feature `metrics`. Where a rate is set every call is counted anyhow.
    #[must_use]
    pub fn count_calls(self) -> Self {
        self.plan(|plan| plan.count_calls = true)
    }

    /// Observes what happens to the breaker, outside its lock. Keep it short.
    ///
    /// Transitions are told one at a time and in order, by the task that made one happen or by another that is telling
    /// already; so an observer that itself changes the breaker hears of that when it has returned.
    #[must_use]
    pub fn on_event(self, observe: impl Fn(&BreakerEvent) + Send + Sync + 'static) -> Self {
        self.set(|setup| setup.observer = Some(Observer::new(observe)))
    }

    /// Makes services pending while a call would be refused, instead of ready to refuse it: for balancers, which then
    /// take another one. Needs a Tokio runtime. A call may still be refused, when others were faster.
    #[must_use]
    pub fn pend_while_open(self) -> Self {
        self.set(|setup| setup.pends = true)
    }

    /// Begins in [`State::MetricsOnly`]: counts and tells, and refuses nothing.
    #[must_use]
    pub fn metrics_only(self) -> Self {
        self.set(|setup| setup.begins = State::MetricsOnly)
    }

    /// Begins in [`State::Disabled`]: the same types, and every call passes.
    #[must_use]
    pub fn off(self) -> Self {
        self.set(|setup| setup.begins = State::Disabled)
    }

    /// Takes over what is set in `config`.
    ///
    /// # Errors
    ///
    /// Names every field that is out of bounds or contradicts another.
    pub fn configured(self, config: &BreakerConfig) -> Result<Self, BreakerConfigError> {
        config
            .problems()
            .into_result(())
            .map_err(BreakerConfigError::Invalid)?;
        Ok(config.apply(self))
    }

    /// A hand on the breaker.
    #[must_use]
    pub fn handle(&self) -> BreakerHandle {
        BreakerHandle(self.shared.clone())
    }

    /// Keeps the breaker for the rest of the process, so that clones no longer count; see [`Handle::leak`]. Last of
    /// all, at start-up.
    #[must_use]
    pub fn leak(mut self) -> Self {
        self.shared = self.shared.leak();
        self
    }
}

fn unless_zero(time: Duration, otherwise: Duration) -> Duration {
    if time.is_zero() { otherwise } else { time }
}

impl<S, C: Clone, A: Clone> Layer<S> for BreakerLayer<C, A> {
    type Service = Breaker<S, C, A>;

    fn layer(&self, inner: S) -> Self::Service {
        Breaker::new(
            inner,
            self.shared.clone(),
            self.classify.clone(),
            self.refuse.clone(),
        )
    }
}

impl<C: fmt::Debug, A> fmt::Debug for BreakerLayer<C, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakerLayer")
            .field("name", &self.shared.name())
            .field("state", &self.shared.state())
            .field("classify", &self.classify)
            .field("plan", &self.shared.setup.plan)
            .finish_non_exhaustive()
    }
}
