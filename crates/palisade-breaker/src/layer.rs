mod answers;
mod recovery;
mod tripping;

use std::fmt;
use std::sync::Arc;

use palisade_core::{Handle, Name, Problems};
use tower_layer::Layer;

use crate::setup::Setup;
use crate::shared::Shared;
use crate::state::plan::Plan;
use crate::{
    Breaker, BreakerConfig, BreakerConfigError, BreakerEvent, BreakerHandle, ErrorsFail,
    FailWhenOpen, GrpcHealth, HttpHealth, RespondWhenOpen, State,
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
    /// Makes a breaker for any service, whose `Err` is the failure.
    #[must_use]
    pub fn new(name: impl Into<Name>) -> Self {
        Self::made_of(name.into(), ErrorsFail, FailWhenOpen)
    }
}

impl BreakerLayer<HttpHealth> {
    /// Makes a breaker for an HTTP client, which judges by [`HttpHealth`].
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

    /// Notes an invalid setting.
    fn note(self, field: &str, is_wrong: bool, reason: &str) -> Self {
        if !is_wrong {
            return self;
        }
        tracing::warn!(
            target: "palisade_breaker",
            breaker = self.shared.name().as_str(), field, reason, "a setting is not valid"
        );
        self.set(|setup| setup.problems.push(field, reason))
    }

    fn set(mut self, set: impl FnOnce(&mut Setup)) -> Self {
        let mut setup = Setup::clone(&self.shared.setup);
        set(&mut setup);
        self.shared = Handle::new(Shared::new(setup));
        self
    }

    /// Counts every call through the `metrics` facade, successes included, which otherwise go by uncounted to cost
    /// nothing; needs the feature `metrics`. Where a rate is set every call is counted anyhow.
    #[must_use]
    pub fn count_calls(self) -> Self {
        self.plan(|plan| plan.count_calls = true)
    }

    /// Adds an observer of the breaker's events, which is called outside its lock. Keep it short.
    ///
    /// Observers are called one event at a time and in order, by the task that caused one or by another that is calling them
    /// already; so an observer that itself changes the breaker hears of that when it has returned.
    #[must_use]
    pub fn on_event(self, observe: impl Fn(&BreakerEvent) + Send + Sync + 'static) -> Self {
        self.set(|setup| setup.observers.add(observe))
    }

    /// Makes services pending while a call would be refused, instead of ready to refuse it: for balancers, which then
    /// take another one. Needs a Tokio runtime. A call may still be refused, when others were faster.
    #[must_use]
    pub fn pend_while_open(self) -> Self {
        self.set(|setup| setup.pends = true)
    }

    /// Begins in [`State::MetricsOnly`]: counts and reports, and refuses nothing.
    #[must_use]
    pub fn metrics_only(self) -> Self {
        self.set(|setup| setup.begins = State::MetricsOnly)
    }

    /// Begins in [`State::Open`]: refuses for the open time, and then lets the first trial through. For a server that is
    /// not to be called before it has shown that it is well. The breakers of a keyed layer begin closed all the same.
    #[must_use]
    pub fn begin_open(self) -> Self {
        self.set(|setup| setup.begins_open = true)
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
    /// Names every field that is out of bounds or contradicts another, in `config` or in what was set before.
    pub fn configured(self, config: &BreakerConfig) -> Result<Self, BreakerConfigError> {
        let contradictions = config.contradictions();
        let layer = config.apply(self);
        let mut problems = layer.problems();
        problems.append("", contradictions);
        problems
            .into_result(layer)
            .map_err(BreakerConfigError::Invalid)
    }

    /// Returns this layer if every setting is valid.
    ///
    /// An invalid value, such as a share that is no number, is logged as a warning when it is set, and the nearest
    /// valid one, or the one before, holds in its place. This is for programs that would rather not start.
    ///
    /// # Example
    ///
    /// ```
    /// use palisade_breaker::BreakerLayer;
    ///
    /// let error = BreakerLayer::http("billing").failure_rate(f64::NAN).trials(0).checked().unwrap_err();
    /// assert!(error.to_string().contains("failure_rate") && error.to_string().contains("trials"));
    /// ```
    ///
    /// # Errors
    ///
    /// Names every setting that is out of bounds or contradicts another, in the words of
    /// [`configured`](Self::configured).
    pub fn checked(self) -> Result<Self, BreakerConfigError> {
        let problems = self.problems();
        problems
            .into_result(self)
            .map_err(BreakerConfigError::Invalid)
    }

    fn problems(&self) -> Problems {
        let Setup { problems, plan, .. } = &*self.shared.setup;
        let mut problems = problems.clone();
        if plan.within.is_some() && plan.threshold().is_none() {
            problems.push("window", "needs failure_threshold beside another rule");
        }
        problems
    }

    /// Returns a handle to the breaker.
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

impl<S, C: Clone, A: Clone> Layer<S> for BreakerLayer<C, A> {
    type Service = Breaker<S, C, A>;

    fn layer(&self, inner: S) -> Self::Service {
        self.shared.announce();
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
