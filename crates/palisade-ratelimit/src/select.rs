use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use http::Method;
use palisade_core::{Name, Problems, covers_method};

use crate::view::RequestView;

/// Which policy decides about a request; what a [`select`](crate::RateLimitBuilder::select) closure answers.
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
    /// At least 1, brought into range. An [exact log](crate::Limit::exact) cannot grow beyond the number that it was
    /// built for.
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

impl fmt::Debug for Select {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Select")
    }
}

/// A method and a path, or the beginning of one, with the number of its policy.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    method: Option<Method>,
    path: Box<str>,
    below: bool,
    pub(crate) policy: usize,
}

impl Route {
    /// Reads `POST /auth/token`, `/auth/token` or `GET /files/*`.
    pub(crate) fn parse(text: &str, policy: usize) -> Result<Self, Problems> {
        let (method, path) = match text.trim().split_once(' ') {
            Some((method, path)) => (Some(method), path.trim()),
            None => (None, text.trim()),
        };
        let bad = |reason: &str| Problems::one(format!("route {text:?}"), reason);
        if !path.starts_with('/') {
            return Err(bad(
                "must be a path, or a method and a path, such as `POST /auth/token`",
            ));
        }
        let Ok(method) = method.map(str::parse).transpose() else {
            return Err(bad("does not begin with a method"));
        };
        let (path, below) = match path.strip_suffix("/*") {
            Some(parent) => (parent, true),
            None => (path, false),
        };
        if path.contains('*') {
            return Err(bad("may have a `*` only as its last segment"));
        }
        Ok(Self {
            method,
            path: path.into(),
            below,
            policy,
        })
    }

    #[inline]
    pub(crate) fn matches(&self, view: &RequestView<'_>) -> bool {
        self.method
            .as_ref()
            .is_none_or(|method| covers_method(method, view.method()))
            && self.matches_path(view.path())
    }

    fn matches_path(&self, path: &str) -> bool {
        match path.strip_prefix(&*self.path) {
            Some("") => true,
            Some(rest) => self.below && rest.starts_with('/'),
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(route: &str, path: &str) -> bool {
        Route::parse(route, 0).unwrap().matches_path(path)
    }

    #[test]
    fn a_route_is_a_whole_path_or_what_lies_below() {
        assert!(matches("/auth/token", "/auth/token"));
        assert!(!matches("/auth/token", "/auth/token/"));
        assert!(!matches("/auth/token", "/auth/tokens"));
        assert!(matches("/files/*", "/files/a/b"));
        assert!(matches("/files/*", "/files"));
        assert!(!matches("/files/*", "/filesystem"));
    }

    #[test]
    fn what_is_not_a_route_is_named() {
        for text in ["", "auth", "POST auth", "P@ST /auth", "/a/*/b", "/a*"] {
            let problems = Route::parse(text, 0).unwrap_err();
            assert!(
                problems.to_string().contains(&format!("{text:?}")),
                "{problems}"
            );
        }
    }

    #[test]
    fn no_quota_is_zero() {
        assert_eq!(Selection::policy("user").quota(0).quota, NonZeroU32::new(1));
        assert_eq!(Selection::from(None::<&'static str>), Selection::first());
    }
}
