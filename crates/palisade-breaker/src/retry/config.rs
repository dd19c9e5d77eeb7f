use std::time::Duration;

use palisade_core::Problems;

use super::layer::RetryLayer;
use super::policy::{MOST_RESERVE, MOST_SHARE, Setup};
use super::replay::{CloneBodies, ReplayBodies};
use crate::BreakerConfigError;

/// The settings of a [`RetryLayer`] as they stand in a file, for [`RetryLayer::configured`].
///
/// A field that is `None` leaves the layer as it is. The requests that are retried are not among them: a promise such as
/// [`insecure_any_method`](RetryLayer::insecure_any_method) belongs beside the code that keeps it.
///
/// # Example
///
/// ```
/// use palisade_breaker::{RetryConfig, RetryLayer};
///
/// let mut config = RetryConfig::default();
/// config.attempts = Some(2);
/// let layer = RetryLayer::default().configured(&config)?;
///
/// config.attempts = Some(0);
/// config.factor = Some(0.5);
/// let error = RetryLayer::default().configured(&config).unwrap_err().to_string();
/// assert!(error.contains("attempts") && error.contains("factor"));
/// # let _ = layer;
/// # Ok::<(), palisade_breaker::BreakerConfigError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct RetryConfig {
    /// The attempts, the first included, at least 1, which never retries; see [`RetryLayer::attempts`].
    pub attempts: Option<u32>,
    /// The longest wait before the first retry; see [`RetryLayer::backoff`].
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::serde_time::opt"))]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::serde_time::Text>"))]
    pub base: Option<Duration>,
    /// The factor by which the wait grows, at least 1; see [`RetryLayer::backoff`].
    pub factor: Option<f64>,
    /// The longest wait between attempts, not below `base`; see [`RetryLayer::longest_wait`].
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::serde_time::opt"))]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::serde_time::Text>"))]
    pub longest_wait: Option<Duration>,
    /// The share by which a wait is spread, from 0 to 1; see [`RetryLayer::jitter`].
    pub jitter: Option<f64>,
    /// Retries as a share of the calls, from 0 to 10; see [`RetryLayer::budget`].
    pub budget: Option<f32>,
    /// Retries a second besides that share, up to 1,000,000; see [`RetryLayer::budget`].
    pub reserve: Option<u32>,
    /// The time for all attempts together; see [`RetryLayer::deadline`].
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::serde_time::opt"))]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::serde_time::Text>"))]
    pub deadline: Option<Duration>,
    /// Bytes of a body that are kept for another attempt; only for a layer that was told to
    /// [`replay_bodies`](RetryLayer::replay_bodies).
    pub body_cap: Option<usize>,
}

impl RetryConfig {
    /// Every problem with a layer of this setup, by the name of the field.
    fn problems(&self, setup: &Setup) -> Problems {
        let mut problems = setup.problems.clone();
        if self.attempts == Some(0) {
            problems.push("attempts", "is 0, must be at least 1");
        }
        let times = [
            ("base", self.base),
            ("longest_wait", self.longest_wait),
            ("deadline", self.deadline),
        ];
        for (field, time) in times {
            if time == Some(Duration::ZERO) {
                problems.push(field, "is 0, must be longer");
            }
        }
        let base = self.base.unwrap_or(setup.base);
        match self.longest_wait {
            Some(longest) if longest < base && !longest.is_zero() => {
                problems.push("longest_wait", "is shorter than base");
            }
            None if self.base.is_some() && setup.longest < base => {
                problems.push("base", "is longer than longest_wait");
            }
            _ => {}
        }
        if !self
            .factor
            .is_none_or(|factor| factor >= 1.0 && factor.is_finite())
        {
            problems.push("factor", "must be a factor of at least 1");
        }
        if !self.jitter.is_none_or(|share| (0.0..=1.0).contains(&share)) {
            problems.push("jitter", "must be a share from 0 to 1");
        }
        if !self
            .budget
            .is_none_or(|share| (0.0..=MOST_SHARE).contains(&share))
        {
            problems.push("budget", "must be a share from 0 to 10");
        }
        if self.reserve.is_some_and(|reserve| reserve > MOST_RESERVE) {
            problems.push("reserve", "must be at most 1,000,000");
        }
        problems
    }

    fn apply(&self, setup: &mut Setup) {
        macro_rules! set {
            ($($field:ident => $place:ident),* $(,)?) => {
                $(if let Some(value) = self.$field {
                    setup.$place = value;
                })*
            };
        }
        set! {
            attempts => attempts,
            base => base,
            factor => factor,
            longest_wait => longest,
            jitter => jitter,
            budget => budget,
            reserve => reserve,
        }
        setup.deadline = self.deadline.or(setup.deadline);
    }
}

impl<J, R, K> RetryLayer<J, R, K> {
    fn take_over(
        self,
        config: &RetryConfig,
        problems: Problems,
    ) -> Result<Self, BreakerConfigError> {
        problems
            .into_result(())
            .map_err(BreakerConfigError::InvalidRetry)?;
        Ok(self.set(|setup| config.apply(setup)))
    }
}

impl<J, K> RetryLayer<J, CloneBodies, K> {
    /// Takes over what is set in `config`.
    ///
    /// # Errors
    ///
    /// Names every field that is out of bounds or contradicts another, and `body_cap`, which needs
    /// [`replay_bodies`](Self::replay_bodies).
    pub fn configured(self, config: &RetryConfig) -> Result<Self, BreakerConfigError> {
        let mut problems = config.problems(self.setup());
        if config.body_cap.is_some() {
            problems.push("body_cap", "is set for a layer that does not replay bodies");
        }
        self.take_over(config, problems)
    }
}

impl<J, K> RetryLayer<J, ReplayBodies, K> {
    /// Takes over what is set in `config`.
    ///
    /// # Errors
    ///
    /// Names every field that is out of bounds or contradicts another.
    pub fn configured(self, config: &RetryConfig) -> Result<Self, BreakerConfigError> {
        let problems = config.problems(self.setup());
        let layer = self.take_over(config, problems)?;
        Ok(match config.body_cap {
            Some(cap) => layer.replay_bodies(cap),
            None => layer,
        })
    }
}
