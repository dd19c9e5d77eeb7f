use std::time::Duration;

use super::event::RetryEvent;
use super::layer::RetryLayer;
use super::policy::{MOST_RESERVE, MOST_SHARE};

/// The number of attempts and the waits between them.
impl<J, R, K> RetryLayer<J, R, K> {
    /// Attempts in all, the first one included; default 3, at least 1, which never retries.
    #[must_use]
    pub fn attempts(self, attempts: u32) -> Self {
        self.note("attempts", attempts == 0, "is 0, must be at least 1")
            .set(|setup| setup.attempts = attempts.max(1))
    }

    /// The longest wait before the first retry, default 1 s, and the factor by which it grows with each, default 2, at
    /// least 1.
    #[must_use]
    pub fn backoff(self, base: Duration, factor: f64) -> Self {
        let fits = factor >= 1.0 && factor.is_finite();
        self.note("factor", !fits, "must be a factor of at least 1")
            .set(|setup| {
                setup.base = base;
                setup.factor = if fits { factor } else { 1.0 };
            })
    }

    /// The share of a wait that is left to chance, from 0 to 1; default 1, full jitter: the wait is anything from nothing
    /// to its longest. It keeps clients from coming back in step.
    #[must_use]
    pub fn jitter(self, share: f64) -> Self {
        let fits = (0.0..=1.0).contains(&share);
        let jitter = if share.is_nan() {
            1.0
        } else {
            share.clamp(0.0, 1.0)
        };
        self.note("jitter", !fits, "must be a share from 0 to 1")
            .set(|setup| setup.jitter = jitter)
    }

    /// The longest wait of all, default 60 s. A server that asks for more is not asked again.
    #[must_use]
    pub fn longest_wait(self, wait: Duration) -> Self {
        self.set(|setup| setup.longest = wait)
    }

    /// Retries as a share of the calls of the last 10 s, default 0.2, from 0 to 10, exact to a millionth; and as many more
    /// a second as `reserve`, default 1, so that a client with few calls has some at all.
    #[must_use]
    pub fn budget(self, share: f32, reserve: u32) -> Self {
        let fits = (0.0..=MOST_SHARE).contains(&share);
        let budget = if share.is_nan() {
            0.0
        } else {
            share.clamp(0.0, MOST_SHARE)
        };
        let most = reserve > MOST_RESERVE;
        self.note("budget", !fits, "must be a share from 0 to 10")
            .note("reserve", most, "must be at most 1,000,000")
            .set(|setup| {
                setup.budget = budget;
                setup.reserve = reserve.min(MOST_RESERVE);
            })
    }

    /// The time over all attempts and the waits between them; default none. A retry that
    /// would begin later is not made, and the result that there is stands. An attempt that has begun is not cut short: that
    /// is up to a timeout inside.
    ///
    /// With a timeout of an attempt it bounds a call: by the deadline and that timeout. Zero, which would never retry, leaves
    /// it as it is; use [`off`](Self::off).
    #[must_use]
    pub fn deadline(self, time: Duration) -> Self {
        self.note("deadline", time.is_zero(), "is 0, must be longer")
            .set(|setup| {
                if !time.is_zero() {
                    setup.deadline = Some(time);
                }
            })
    }

    /// Whether what no server has processed is tried again whatever the method; default yes. A copy of each request is
    /// kept for it until the answer is here, also of one that is not idempotent: its head is cloned, and its body as
    /// those of the others are. The attempts, the waits and the budget are those of every retry.
    #[must_use]
    pub fn retry_unprocessed(self, retry: bool) -> Self {
        self.set(|setup| setup.unprocessed = retry)
    }

    /// Observes retries, after they are decided and before their wait, besides those that observe them already. Keep it
    /// short.
    #[must_use]
    pub fn on_retry(self, observe: impl Fn(&RetryEvent) + Send + Sync + 'static) -> Self {
        self.set(|setup| setup.observers.add(observe))
    }
}
