use std::num::NonZeroU32;
use std::sync::Arc;

use palisade_core::Name;

use crate::filter::view::RequestView;

/// The policy that decides about a request, as a [`select`](crate::RateLimitBuilder::select) closure answers.
///
/// A name alone is a selection, and so is an `Option` of one, where `None` means the layer's first policy.
///
/// # Example
///
/// ```
/// use palisade_ratelimit::Selection;
///
/// // A customer whose contract says 20,000 instead of the policy's own number.
/// let contract = Selection::policy("user").quota(20_000);
/// # let _ = contract;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selection {
    pub(crate) choice: Choice,
    pub(crate) quota: Option<NonZeroU32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    First,
    Named(Name),
    Exempt,
}

impl Selection {
    /// The layer's first policy.
    #[must_use]
    pub const fn first() -> Self {
        Self {
            choice: Choice::First,
            quota: None,
        }
    }

    /// The policy of this name. A name that no policy has falls back to the first one, with an error in the log.
    #[must_use]
    pub const fn policy(name: &'static str) -> Self {
        Self {
            choice: Choice::Named(Name::from_static(name)),
            quota: None,
        }
    }

    /// No policy: the request is not counted.
    #[must_use]
    pub const fn exempt() -> Self {
        Self {
            choice: Choice::Exempt,
            quota: None,
        }
    }

    /// Sets the quota for this request's key, say from a claim or from a lookup: the policy's first limit admits `quota`
    /// over its own time, and all its other numbers keep their proportion to that, rounded down and at least 1.
    ///
    /// At least 1, and at most what the policy has [room for](crate::Policy::quotas_up_to): with a
    /// [sliding window](crate::Limit::sliding) of up to 65,535 or an [exact log](crate::Limit::exact) a larger one must be
    /// announced there, or it is brought down with an error in the log.
    #[must_use]
    pub const fn quota(mut self, quota: u32) -> Self {
        self.quota = Some(match NonZeroU32::new(quota) {
            Some(quota) => quota,
            None => NonZeroU32::MIN,
        });
        self
    }
}

impl From<&'static str> for Selection {
    fn from(name: &'static str) -> Self {
        Self::policy(name)
    }
}

impl From<Name> for Selection {
    fn from(name: Name) -> Self {
        Self {
            choice: Choice::Named(name),
            quota: None,
        }
    }
}

impl<T: Into<Self>> From<Option<T>> for Selection {
    fn from(selection: Option<T>) -> Self {
        selection.map_or(Self::first(), Into::into)
    }
}

/// A closure that chooses a policy.
#[derive(Clone)]
pub(crate) struct Select(Arc<dyn Fn(&RequestView<'_>) -> Selection + Send + Sync>);

impl Select {
    pub(crate) fn new<T: Into<Selection>>(
        select: impl Fn(&RequestView<'_>) -> T + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(move |view| select(view).into()))
    }

    pub(crate) fn choose(&self, view: &RequestView<'_>) -> Selection {
        (self.0)(view)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_quota_is_zero() {
        assert_eq!(Selection::policy("user").quota(0).quota, NonZeroU32::new(1));
        assert_eq!(Selection::from(None::<&'static str>), Selection::first());
    }
}
