use std::time::Duration;

use palisade_core::Problems;

use crate::BreakerConfigError;
use crate::layer::BreakerLayer;
use crate::window::RateWindow;

/// The variable that sets [`BreakerConfig::failure_threshold`].
pub const THRESHOLD_VARIABLE: &str = "CIRCUIT_BREAKER_THRESHOLD";

/// The variable that sets [`BreakerConfig::open_for`], in seconds.
pub const TIMEOUT_VARIABLE: &str = "CIRCUIT_BREAKER_TIMEOUT_SEC";

/// The settings of a breaker as they stand in a file or in the environment, for [`BreakerLayer::configured`].
///
/// A field that is `None` leaves the layer as it is.
///
/// # Example
///
/// ```
/// use palisade_breaker::{BreakerConfig, BreakerLayer};
///
/// let vars = [("CIRCUIT_BREAKER_THRESHOLD", "3"), ("CIRCUIT_BREAKER_TIMEOUT_SEC", "30")];
/// let config = BreakerConfig::from_vars(vars)?;
/// let layer = BreakerLayer::http("billing").configured(&config)?;
///
/// let error = BreakerConfig::from_vars([("CIRCUIT_BREAKER_THRESHOLD", "0")]).unwrap_err();
/// assert!(error.to_string().contains("CIRCUIT_BREAKER_THRESHOLD"));
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
pub struct BreakerConfig {
    /// The mode: `on`, watching only (`shadow`), or `off`.
    pub mode: Option<Mode>,
    /// The failures within the window that open the breaker; see [`BreakerLayer::failure_threshold`].
    pub failure_threshold: Option<u32>,
    /// The time in which failures count, such as `30s`; beside another rule it needs `failure_threshold`. See [`BreakerLayer::window`].
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::serde_time::opt"))]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::serde_time::Text>"))]
    pub window: Option<Duration>,
    /// The failures in a row that open it; see [`BreakerLayer::consecutive_failures`].
    pub consecutive_failures: Option<u32>,
    /// The share of failed calls that opens it, above 0 and up to 1; see [`BreakerLayer::failure_rate`].
    pub failure_rate: Option<f64>,
    /// The share of slow calls that opens it, above 0 and up to 1, which needs `slow_call`; see [`BreakerLayer::slow_call_rate`].
    pub slow_call_rate: Option<f64>,
    /// The least duration of a slow call.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::serde_time::opt"))]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::serde_time::Text>"))]
    pub slow_call: Option<Duration>,
    /// The window of the rates in calls; not together with `rate_time`.
    pub rate_calls: Option<u32>,
    /// The window of the rates in time.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::serde_time::opt"))]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::serde_time::Text>"))]
    pub rate_time: Option<Duration>,
    /// The calls in the window before a rate counts; see [`BreakerLayer::minimum_calls`].
    pub minimum_calls: Option<u32>,
    /// The time for which it stays open, such as `60s`; see [`BreakerLayer::open_for`].
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::serde_time::opt"))]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::serde_time::Text>"))]
    pub open_for: Option<Duration>,
    /// The factor by which the open time grows each time in a row, at least 1; see [`BreakerLayer::open_growth`].
    pub open_growth: Option<f64>,
    /// The share by which the open time is spread, from 0 to 1; see [`BreakerLayer::open_jitter`].
    pub open_jitter: Option<f64>,
    /// The longest open time, where it grows; see [`BreakerLayer::longest_open`].
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::serde_time::opt"))]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::serde_time::Text>"))]
    pub longest_open: Option<Duration>,
    /// The trial calls at once while it is half-open; see [`BreakerLayer::trials`].
    pub trials: Option<u32>,
    /// The trials that must succeed before it closes; see [`BreakerLayer::successes_to_close`].
    pub successes_to_close: Option<u32>,
    /// The time after which a trial that has not settled is given up; see [`BreakerLayer::trial_lease`].
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::serde_time::opt"))]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::serde_time::Text>"))]
    pub trial_lease: Option<Duration>,
    /// The time over which calls are let through again after it closes; see [`BreakerLayer::ramp`].
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::serde_time::opt"))]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::serde_time::Text>"))]
    pub ramp: Option<Duration>,
}

/// The mode of a breaker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "BreakerMode"))]
#[non_exhaustive]
pub enum Mode {
    /// It trips.
    #[default]
    On,
    /// It counts and tells, and refuses nothing: `shadow` in a file, as with limits, or `metrics_only`.
    #[cfg_attr(feature = "serde", serde(rename = "shadow", alias = "metrics_only"))]
    MetricsOnly,
    /// It lets everything through.
    Off,
}

impl BreakerConfig {
    /// Reads [`THRESHOLD_VARIABLE`] and [`TIMEOUT_VARIABLE`] from the environment.
    ///
    /// # Errors
    ///
    /// Names each variable that holds no whole number of at least 1.
    pub fn from_env() -> Result<Self, BreakerConfigError> {
        let read = [THRESHOLD_VARIABLE, TIMEOUT_VARIABLE].map(|name| {
            // What is not UTF-8 is no number, and must not pass for a variable that is not set.
            let value = std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
            (name, value)
        });
        Self::from_vars(
            read.into_iter()
                .filter_map(|(name, value)| Some((name, value?))),
        )
    }

    /// Reads the same variables from a map; others in it are left alone.
    ///
    /// # Errors
    ///
    /// Names each variable that holds no whole number of at least 1.
    pub fn from_vars<N: AsRef<str>, V: AsRef<str>>(
        vars: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, BreakerConfigError> {
        let mut config = Self::default();
        let mut problems = Problems::none();
        for (name, value) in vars {
            let (name, value) = (name.as_ref(), value.as_ref());
            if name != THRESHOLD_VARIABLE && name != TIMEOUT_VARIABLE {
                continue;
            }
            match value.trim().parse::<u32>() {
                Ok(number @ 1..) if name == THRESHOLD_VARIABLE => {
                    config.failure_threshold = Some(number);
                }
                Ok(seconds @ 1..) => config.open_for = Some(Duration::from_secs(seconds.into())),
                Ok(0) | Err(_) => problems.push(name, "must be a whole number of at least 1"),
            }
        }
        problems
            .into_result(config)
            .map_err(BreakerConfigError::Invalid)
    }

    /// Contradictions between settings, which no single setter can see.
    pub(crate) fn contradictions(&self) -> Problems {
        let mut problems = Problems::none();
        if self.slow_call_rate.is_some() != self.slow_call.is_some() {
            problems.push("slow_call_rate", "needs slow_call, and slow_call needs it");
        }
        if self.rate_calls.is_some() && self.rate_time.is_some() {
            problems.push("rate_calls", "cannot hold together with rate_time");
        }
        problems
    }

    pub(crate) fn apply<C, A>(&self, mut layer: BreakerLayer<C, A>) -> BreakerLayer<C, A> {
        macro_rules! set {
            ($($field:ident => $setter:ident),* $(,)?) => {
                $(if let Some(value) = self.$field {
                    layer = layer.$setter(value);
                })*
            };
        }
        set! {
            failure_threshold => failure_threshold,
            window => window,
            consecutive_failures => consecutive_failures,
            failure_rate => failure_rate,
            minimum_calls => minimum_calls,
            open_for => open_for,
            open_growth => open_growth,
            open_jitter => open_jitter,
            longest_open => longest_open,
            trials => trials,
            successes_to_close => successes_to_close,
            trial_lease => trial_lease,
            ramp => ramp,
        }
        if let (Some(share), Some(bound)) = (self.slow_call_rate, self.slow_call) {
            layer = layer.slow_call_rate(share, bound);
        }
        if let Some(calls) = self.rate_calls {
            layer = layer.rate_window(RateWindow::calls(calls));
        }
        if let Some(time) = self.rate_time {
            layer = layer.rate_window(RateWindow::time(time));
        }
        match self.mode {
            Some(Mode::Off) => layer.off(),
            Some(Mode::MetricsOnly) => layer.metrics_only(),
            Some(Mode::On) | None => layer,
        }
    }
}
