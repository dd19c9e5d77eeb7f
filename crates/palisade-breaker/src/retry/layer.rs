use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Request;
use http_body::Body;
use palisade_core::Handle;
use tower::retry::{Policy, Retry as TowerRetry};
use tower_layer::Layer;
use tower_service::Service;

use super::by_key::OneBudget;
use super::judge::{HttpRetry, HttpRetryBoxed, Judge};
use super::policy::{RetryPolicy, Setup, Shared};
use super::replay::{CloneBodies, ReplayBodies, ReplayBody};
use crate::{BreakerConfigError, ExtractKey};

/// Tries again what may do better next time, and is its own builder.
///
/// - 3 attempts, waiting up to 1 s and 2 s between them, at random (full jitter), so that clients do not come back in
///   step.
/// - Only idempotent methods (RFC 9110, section 9.2.2) and requests with an `Idempotency-Key`; and whatever the method,
///   what no server has processed, such as a call whose connection was refused.
/// - What is retried is up to a [`Judge`]; [`HttpRetry`] is the default.
/// - Retries stop at a budget of 20 % of the calls, so that they do not turn an outage into a storm.
///
/// Put it around the breaker, not inside: then each attempt asks the breaker, and an open breaker ends the retries.
///
/// # Example
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
///
/// use http::{Request, Response};
/// use palisade_breaker::{BreakerLayer, RetryLayer};
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(async {
/// let attempts = Arc::new(AtomicU32::new(0));
/// let flaky = service_fn(move |_: Request<String>| {
///     let status = if attempts.fetch_add(1, Ordering::SeqCst) < 2 { 503 } else { 200 };
///     async move { Response::builder().status(status).body(String::new()) }
/// });
/// let mut client = ServiceBuilder::new()
///     .layer(RetryLayer::default())
///     .layer(BreakerLayer::http("billing"))
///     .service(flaky);
///
/// let response = client.ready().await?.call(Request::new(String::new())).await?;
/// assert_eq!(response.status(), 200);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RetryLayer<J = HttpRetry, R = CloneBodies, K = OneBudget> {
    shared: Handle<Shared>,
    judge: J,
    replay: R,
    key: K,
}

impl Default for RetryLayer {
    fn default() -> Self {
        Self {
            shared: Handle::new(Shared::new(Setup::default())),
            judge: HttpRetry::default(),
            replay: CloneBodies,
            key: OneBudget,
        }
    }
}

impl RetryLayer<HttpRetryBoxed> {
    /// The default for services whose error is a `Box<dyn Error>`, guarded or not; see [`HttpRetry::boxed`].
    #[must_use]
    pub fn boxed() -> Self {
        RetryLayer::default().judge(HttpRetryBoxed::default())
    }
}

impl<R, K> RetryLayer<HttpRetry, R, K> {
    /// Retries these gRPC statuses too; see [`HttpRetry::retry_on_grpc`].
    #[must_use]
    pub fn retry_on_grpc(mut self, codes: impl IntoIterator<Item = u8>) -> Self {
        self.judge = self.judge.retry_on_grpc(codes);
        self
    }

    /// Retries these statuses too; see [`HttpRetry::retry_on`].
    #[must_use]
    pub fn retry_on(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        self.judge = self.judge.retry_on(statuses);
        self
    }
}

impl<J, R, K> RetryLayer<J, R, K> {
    pub(super) fn setup(&self) -> &Setup {
        &self.shared.setup
    }

    pub(super) fn set(mut self, set: impl FnOnce(&mut Setup)) -> Self {
        let mut setup = self.shared.setup.clone();
        set(&mut setup);
        self.shared = Handle::new(Shared::new(setup));
        self
    }

    /// Retries whatever the method: for services that are idempotent by themselves, such as most gRPC queries, whose
    /// method is always `POST`.
    #[must_use]
    pub fn insecure_any_method(self) -> Self {
        self.set(|setup| setup.any_method = true)
    }

    /// Returns this layer if every setting is valid.
    ///
    /// An invalid value, such as a share that is no number, is logged as a warning when it is set, and the nearest
    /// valid one holds in its place. This is for programs that would rather not start.
    ///
    /// # Errors
    ///
    /// Names every setting that is out of bounds, in the words of [`configured`](RetryLayer::configured).
    pub fn checked(self) -> Result<Self, BreakerConfigError> {
        let problems = self.shared.setup.problems.clone();
        problems
            .into_result(self)
            .map_err(BreakerConfigError::InvalidRetry)
    }

    /// Notes an invalid setting.
    pub(super) fn note(self, field: &str, is_wrong: bool, reason: &str) -> Self {
        if !is_wrong {
            return self;
        }
        tracing::warn!(target: "palisade_breaker", field, reason, "a setting of a retry is not valid");
        self.set(|setup| setup.problems.push(field, reason))
    }

    /// Retries nothing: the same types, and every call passes.
    #[must_use]
    pub fn off(self) -> Self {
        self.attempts(1)
    }

    /// Judges by this judge what is worth another attempt.
    #[must_use]
    pub fn judge<I>(self, judge: I) -> RetryLayer<I, R, K> {
        RetryLayer {
            shared: self.shared,
            judge,
            replay: self.replay,
            key: self.key,
        }
    }

    /// Repeats bodies that cannot be cloned by keeping up to `cap` bytes of what was sent; a request of which more was
    /// sent is not retried. The guarded service gets a [`ReplayBody`] then; `tower::util::MapRequestLayer` makes of it what
    /// a client wants that has a body type of its own.
    #[must_use]
    pub fn replay_bodies(self, cap: usize) -> RetryLayer<J, ReplayBodies, K> {
        RetryLayer {
            shared: self.shared,
            judge: self.judge,
            replay: ReplayBodies { cap },
            key: self.key,
        }
    }

    /// Keeps a budget for each key, such as each host that a client talks to, so that the retries of one that is in trouble
    /// take none from the others: [`budget`](Self::budget) is then that of a key.
    ///
    /// Up to 10,000 budgets are remembered, those that count something any more before all others. A call that finds no
    /// room shares one budget with all such calls, and with those without a key.
    ///
    /// # Example
    ///
    /// ```
    /// use palisade_breaker::{ByAuthority, RetryLayer};
    ///
    /// let layer = RetryLayer::default().budget(0.1, 2).budget_by(ByAuthority::new());
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn budget_by<I>(self, key: I) -> RetryLayer<J, R, I> {
        RetryLayer {
            shared: self.shared,
            judge: self.judge,
            replay: self.replay,
            key,
        }
    }

    /// Keeps the settings and the budget for the rest of the process, so that clones no longer count; see
    /// [`Handle::leak`]. Last of all, at start-up.
    #[must_use]
    pub fn leak(mut self) -> Self {
        self.shared = self.shared.leak();
        self
    }
}

impl<S, J: Clone, R: Clone, K: Clone> Layer<S> for RetryLayer<J, R, K> {
    type Service = Retry<S, J, R, K>;

    fn layer(&self, inner: S) -> Self::Service {
        let policy = RetryPolicy::new(
            self.shared.clone(),
            self.judge.clone(),
            self.replay.clone(),
            self.key.clone(),
        );
        Retry {
            inner: TowerRetry::new(policy, inner),
            replay: self.replay.clone(),
        }
    }
}

impl<J: fmt::Debug, R: fmt::Debug, K> fmt::Debug for RetryLayer<J, R, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryLayer")
            .field("setup", &self.shared.setup)
            .field("judge", &self.judge)
            .field("replay", &self.replay)
            .finish_non_exhaustive()
    }
}

/// The service made by [`RetryLayer`].
#[derive(Clone)]
pub struct Retry<S, J = HttpRetry, R = CloneBodies, K = OneBudget> {
    pub(super) inner: TowerRetry<RetryPolicy<J, R, K>, S>,
    replay: R,
}

impl<S: fmt::Debug, J, R, K> fmt::Debug for Retry<S, J, R, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("inner", self.inner.get_ref())
            .finish_non_exhaustive()
    }
}

impl<S, J, K, T> Service<Request<T>> for Retry<S, J, CloneBodies, K>
where
    S: Service<Request<T>> + Clone,
    J: Judge<S::Response, S::Error> + Clone,
    K: ExtractKey<Request<T>> + Clone,
    T: Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = RetryFuture<RetryPolicy<J, CloneBodies, K>, S, Request<T>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Service::<Request<T>>::poll_ready(&mut self.inner, cx)
    }

    fn call(&mut self, request: Request<T>) -> Self::Future {
        RetryFuture {
            inner: self.inner.call(request),
        }
    }
}

impl<S, J, K, B> Service<Request<B>> for Retry<S, J, ReplayBodies, K>
where
    S: Service<Request<ReplayBody<B>>> + Clone,
    J: Judge<S::Response, S::Error> + Clone,
    K: ExtractKey<Request<ReplayBody<B>>> + Clone,
    B: Body<Data = bytes::Bytes>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = RetryFuture<RetryPolicy<J, ReplayBodies, K>, S, Request<ReplayBody<B>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Service::<Request<ReplayBody<B>>>::poll_ready(&mut self.inner, cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let cap = self.replay.cap;
        RetryFuture {
            inner: self
                .inner
                .call(request.map(|body| ReplayBody::new(body, cap))),
        }
    }
}

pin_project_lite::pin_project! {
    /// The response future of [`Retry`].
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the attempt that it is in.
    pub struct RetryFuture<P, S, Req>
    where
        P: Policy<Req, S::Response, S::Error>,
        S: Service<Req>,
    {
        #[pin]
        pub(super) inner: tower::retry::future::ResponseFuture<P, S, Req>,
    }
}

impl<P, S, Req> Future for RetryFuture<P, S, Req>
where
    P: Policy<Req, S::Response, S::Error>,
    S: Service<Req>,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().inner.poll(cx)
    }
}

impl<P, S, Req> fmt::Debug for RetryFuture<P, S, Req>
where
    P: Policy<Req, S::Response, S::Error>,
    S: Service<Req>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RetryFuture")
    }
}
