use std::sync::Arc;
use std::time::Duration;

use super::BreakerLayer;
use crate::state::plan::{MOST_TRIALS, OpenBy, at_least_one, share, successes_of};

/// The open time, and rules for closing.
impl<C, A> BreakerLayer<C, A> {
    /// Sets the open time before the first trial; default 60 s, at most ten years. Zero leaves it as it is.
    #[must_use]
    pub fn open_for(self, time: Duration) -> Self {
        self.longer_than_zero("open_for", time).plan(|plan| {
            if !time.is_zero() {
                plan.open_for = time;
            }
        })
    }

    /// Multiplies the open time by this factor each time that a trial fails, until the breaker closes; default 1, no
    /// less. [`longest_open`](Self::longest_open) bounds it.
    #[must_use]
    pub fn open_growth(self, factor: f64) -> Self {
        let fits = factor >= 1.0 && factor.is_finite();
        let growth = if factor.is_nan() {
            1.0
        } else {
            factor.max(1.0)
        };
        self.note("open_growth", !fits, "must be a factor of at least 1")
            .plan(|plan| plan.growth = growth)
    }

    /// Takes the open time from this function of how often the breaker has opened since it was last closed, from 1, instead
    /// of [`open_for`](Self::open_for) and [`open_growth`](Self::open_growth); [`longest_open`](Self::longest_open) bounds
    /// it. Where it answers zero, or panics, those two hold.
    ///
    /// It is called under the breaker's lock: compute, and call nothing that waits.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    /// use palisade_breaker::BreakerLayer;
    ///
    /// let layer = BreakerLayer::http("search").open_time(|opening| match opening {
    ///     1 => Duration::from_secs(5),
    ///     2 => Duration::from_secs(30),
    ///     _ => Duration::from_secs(300),
    /// });
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn open_time(self, time: impl Fn(u32) -> Duration + Send + Sync + 'static) -> Self {
        self.plan(|plan| plan.open_by = Some(OpenBy(Arc::new(time))))
    }

    /// Lengthens each open time by a random share of up to this much, 0 to 1, so that many clients do not come back at
    /// once; default 0.
    #[must_use]
    pub fn open_jitter(self, most: f64) -> Self {
        let fits = (0.0..=1.0).contains(&most);
        let jitter = if most.is_nan() {
            0.0
        } else {
            most.clamp(0.0, 1.0)
        };
        self.note("open_jitter", !fits, "must be a share from 0 to 1")
            .plan(|plan| plan.jitter = jitter)
    }

    /// The longest open time that growth, jitter or a server's `Retry-After` can lead to; default 10 min. Never shorter
    /// than [`open_for`](Self::open_for).
    ///
    /// A bound, because a server that errs in a header must not shut its clients out for a day.
    #[must_use]
    pub fn longest_open(self, time: Duration) -> Self {
        self.longer_than_zero("longest_open", time)
            .plan(|plan| plan.longest_open = time)
    }

    /// Trials in flight at a time while half-open; default 1, 1 to 8,191.
    #[must_use]
    pub fn trials(self, trials: u32) -> Self {
        let most = trials > MOST_TRIALS;
        self.at_least_one("trials", trials)
            .note("trials", most, "must be at most 8,191")
            .plan(|plan| plan.trials = at_least_one(trials.min(MOST_TRIALS)))
    }

    /// Trials that must succeed before it closes; default 1, at least 1. One failure opens it again.
    #[must_use]
    pub fn successes_to_close(self, successes: u32) -> Self {
        self.at_least_one("successes_to_close", successes)
            .plan(|plan| {
                plan.successes_to_close = at_least_one(successes);
                plan.trials_may_fail = 0;
            })
    }

    /// Decides by a share of so many trials instead of by the first failure: closes as soon as the successes reach `rate` of
    /// `of` trials, and opens again as soon as they no longer can. `rate` is above 0 and up to 1, `of` at least 1.
    ///
    /// For a server that loses a call now and then while it is well. [`trials`](Self::trials) still says how many are in
    /// flight at a time.
    ///
    /// # Example
    ///
    /// ```
    /// use palisade_breaker::BreakerLayer;
    ///
    /// // Closes at the eighth success, opens at the third failure.
    /// let layer = BreakerLayer::http("search").trial_success_rate(0.8, 10).trials(3);
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn trial_success_rate(self, rate: f64, of: u32) -> Self {
        let trials = at_least_one(of);
        let needed = successes_of(share(rate), trials);
        self.share_above_zero("trial_success_rate", rate)
            .at_least_one("trial_success_rate", of)
            .plan(|plan| {
                plan.successes_to_close = needed;
                plan.trials_may_fail = trials.get() - needed.get();
            })
    }

    /// Sets how long a trial may take before another is let through in its place; default the open time, at least 30 s. Its
    /// late result is discarded. With zero every call would be a trial, so it leaves things as they are.
    #[must_use]
    pub fn trial_lease(self, lease: Duration) -> Self {
        self.longer_than_zero("trial_lease", lease).plan(|plan| {
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
}
