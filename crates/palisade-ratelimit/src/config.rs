//! Limits from the environment and, with the feature `serde`, whole layers from a configuration file.

#[cfg(feature = "serde")]
mod file;
#[cfg(feature = "serde")]
mod policy;
#[cfg(feature = "serde")]
mod text;

use palisade_core::Problems;

#[cfg(feature = "serde")]
pub use self::file::RateLimitConfig;
#[cfg(feature = "serde")]
pub use self::policy::{BlockConfig, LimitConfig, PolicyConfig, WaitConfig, WindowKind};
use crate::error::Error;
use crate::limit::{Limit, burst, per_second};

/// The names under which the rate of [`Limit::from_env`] is known; either will do.
const RATE: [&str; 2] = ["RATE_LIMIT_REQUESTS_PER_SECOND", "RATE_LIMIT_PER_SECOND"];
const BURST: &str = "RATE_LIMIT_BURST";

impl Limit {
    /// The token bucket that `RATE_LIMIT_REQUESTS_PER_SECOND` (or `RATE_LIMIT_PER_SECOND`) and `RATE_LIMIT_BURST` name,
    /// or `None` where neither is set. A rate alone has bursts of twice as many. A variable without a value is not set.
    ///
    /// `read` answers the value of a variable: `|name| std::env::var(name).ok()`.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] with every variable that is no whole number from 1, two rates that differ, and a burst without
    /// a rate.
    ///
    /// # Example
    ///
    /// ```
    /// use palisade_ratelimit::{Limit, burst, per_second};
    ///
    /// let environment = [("RATE_LIMIT_REQUESTS_PER_SECOND", "10"), ("RATE_LIMIT_BURST", "20")];
    /// let read = |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string());
    /// assert_eq!(Limit::from_env(read)?, Some(Limit::token_bucket(per_second(10), burst(20))));
    ///
    /// let error = Limit::from_env(|name| (name == "RATE_LIMIT_PER_SECOND").then(|| "ten".into())).unwrap_err();
    /// assert_eq!(error.to_string(), "rate limits: RATE_LIMIT_PER_SECOND: \"ten\" is not a whole number from 1");
    /// # Ok::<(), palisade_ratelimit::Error>(())
    /// ```
    pub fn from_env(read: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, Error> {
        let mut problems = Problems::none();
        let read = |name: &str| read(name).filter(|text| !text.trim().is_empty());
        let mut number = |name: &str| {
            let text = read(name)?;
            let number = text.trim().parse::<u32>().ok().filter(|number| *number > 0);
            if number.is_none() {
                problems.push(
                    name,
                    format!("{:?} is not a whole number from 1", text.trim()),
                );
            }
            number
        };
        let [first, second] = RATE.map(&mut number);
        let size = number(BURST);
        let any_rate = RATE.into_iter().any(|name| read(name).is_some());
        if first
            .zip(second)
            .is_some_and(|(first, second)| first != second)
        {
            problems.push(RATE[1], format!("says something else than {}", RATE[0]));
        }
        if size.is_some() && !any_rate {
            problems.push(BURST, format!("is set, but {} is not", RATE[0]));
        }
        let rate = first.or(second);
        let limit = rate.map(|rate| {
            Self::token_bucket(
                per_second(rate),
                burst(size.unwrap_or(rate.saturating_mul(2))),
            )
        });
        Ok(problems.into_result(limit)?)
    }
}
