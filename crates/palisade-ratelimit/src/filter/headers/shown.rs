use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use palisade_core::time::UnixTime;
use palisade_core::{LimitDecision, Name};

use super::seconds::{ONE_SECOND, ceil_seconds, quota_in_whole_seconds};
use crate::limit::Assessment;

/// The fields of a limit that never change. Made once and kept for ever, as names are: there are as many as operators
/// have written limits.
#[derive(Debug)]
pub(crate) struct Fixed {
    policy: Name,
    quota: u64,
    window: u64,
    limit: HeaderValue,
    described: HeaderValue,
}

impl Fixed {
    pub(crate) fn of(policy: Name, quota: u64, window: u64) -> &'static Self {
        static KEPT: Mutex<Vec<&'static Fixed>> = Mutex::new(Vec::new());
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.iter().find(|known| known.is(policy, quota, window)) {
            return known;
        }
        let value = |text: &str| HeaderValue::from_static(Name::new(text).as_str());
        let fresh: &'static Self = Box::leak(Box::new(Self {
            policy,
            quota,
            window,
            limit: value(&quota.to_string()),
            described: value(&described(policy, quota, window)),
        }));
        kept.push(fresh);
        fresh
    }

    fn is(&self, policy: Name, quota: u64, window: u64) -> bool {
        self.policy == policy && self.quota == quota && self.window == window
    }
}

/// The state of a limit as the header fields tell it.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(super) about: About,
    pub(crate) remaining: u64,
    /// Nanoseconds until it is full again.
    reset: u64,
}

/// The numbers of the fields of a limit, in whole requests and seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbers {
    pub(crate) remaining: u64,
    /// Seconds until it is full again.
    pub(crate) left: u64,
    /// Unix seconds when it is full again.
    pub(crate) full_at: u64,
}

/// The limit that is spoken of.
#[derive(Debug)]
pub(super) enum About {
    Fixed(&'static Fixed),
    /// One with a quota of its key's own, or of another layer: out of line, because it is rare.
    Other(Box<Other>),
}

#[derive(Debug)]
pub(super) struct Other {
    policy: Name,
    limit: u64,
    /// Nanoseconds.
    window: u64,
}

impl About {
    #[inline]
    fn of(policy: Name, limit: u64, window: u64, known: &[&'static Fixed]) -> Self {
        match known.iter().find(|fixed| fixed.is(policy, limit, window)) {
            Some(fixed) => Self::Fixed(fixed),
            None => Self::Other(Box::new(Other {
                policy,
                limit,
                window,
            })),
        }
    }
}

impl About {
    pub(super) fn policy(&self) -> Name {
        match self {
            Self::Fixed(fixed) => fixed.policy,
            Self::Other(other) => other.policy,
        }
    }

    /// Whether there is no limit to speak of.
    #[inline]
    pub(super) const fn is_none(&self) -> bool {
        match self {
            Self::Fixed(_) => false,
            Self::Other(other) => other.limit == 0,
        }
    }

    /// The value of the limit.
    #[inline]
    pub(super) fn limit(&self) -> HeaderValue {
        match self {
            Self::Fixed(fixed) => fixed.limit.clone(),
            Self::Other(other) => HeaderValue::from(other.limit),
        }
    }

    /// The value of the policy.
    #[inline]
    pub(super) fn described(&self) -> HeaderValue {
        match self {
            Self::Fixed(fixed) => fixed.described.clone(),
            Self::Other(other) => value(&described(other.policy, other.limit, other.window)),
        }
    }
}

impl Shown {
    /// The numbers of the fields at this time.
    #[inline]
    pub(crate) fn numbers(&self, now: UnixTime) -> Numbers {
        let full_at = now
            .as_duration()
            .saturating_add(Duration::from_nanos(self.reset));
        Numbers {
            remaining: self.remaining,
            left: self.reset.div_ceil(ONE_SECOND),
            full_at: ceil_seconds(full_at),
        }
    }

    /// The limit's values, where they were made before.
    #[inline]
    pub(crate) const fn fixed(&self) -> Option<&'static Fixed> {
        match self.about {
            About::Fixed(fixed) => Some(fixed),
            About::Other(_) => None,
        }
    }

    /// Of an assessment, with the values that were made before if its limit is among these.
    #[inline]
    pub(crate) fn of_assessment(
        policy: Name,
        assessment: &Assessment,
        known: &[&'static Fixed],
    ) -> Self {
        Self {
            about: About::of(policy, assessment.quota.into(), assessment.window, known),
            remaining: assessment.remaining,
            reset: assessment.reset,
        }
    }

    /// Of a decision, likewise.
    pub(crate) fn of(decision: &LimitDecision, known: &[&'static Fixed]) -> Self {
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let window = nanos(decision.window);
        Self {
            about: About::of(decision.policy, decision.limit, window, known),
            remaining: decision.remaining,
            reset: nanos(decision.reset_after),
        }
    }
}

/// A field's value; all that is written here is printable.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The item of a limit in the field `RateLimit-Policy`.
fn described(policy: Name, quota: u64, window: u64) -> String {
    let (quota, seconds) = quota_in_whole_seconds(quota, window);
    format!("\"{policy}\";q={quota};w={seconds}")
}
