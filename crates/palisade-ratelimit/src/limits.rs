use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{Method, header};
use palisade_core::time::Instant;
use palisade_core::{ClientIp, Handle, Name, PathSet};

use crate::counted::Counted;
use crate::decide::{Plan, Verdict};
use crate::decision::{Decision, Outcome};
use crate::digest::{HashedKey, Hasher};
use crate::headers::{Headers, WallTime};
use crate::key::{Chain, Found, Key};
use crate::limit::Limit;
use crate::select::{Choice, Route, Select, Selection};
use crate::store::Memory;
use crate::view::RequestView;

/// What happens to a request whose key nobody can tell, mostly because the server does not say who the peer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum NoKey {
    /// All such requests share one key, and an error in the log says so once. The default: the limits hold, and a
    /// server that forgot to hand over the peer's address still answers.
    #[default]
    Share,
    /// They are refused with 503, and an error in the log says so once.
    Refuse,
    /// They pass uncounted. Right only for a layer that counts principals inside one that counts everybody.
    Pass,
}

/// A closure that gives the cost of a request.
pub(crate) type Cost = dyn Fn(&RequestView<'_>) -> u32 + Send + Sync;
/// A closure that exempts a request.
pub(crate) type Exempt = dyn Fn(&RequestView<'_>) -> bool + Send + Sync;

/// Everything that a layer and its clones share.
pub(crate) struct Limits {
    /// At least one; the first is for requests that nothing else is chosen for.
    pub(crate) policies: Box<[Counted]>,
    pub(crate) backstop: Option<Counted>,
    pub(crate) site: Option<Counted>,
    pub(crate) routes: Box<[Route]>,
    pub(crate) select: Option<Select>,
    pub(crate) chain: Chain,
    pub(crate) client_ip: ClientIp,
    pub(crate) cost: Option<Arc<Cost>>,
    pub(crate) exempt_paths: PathSet,
    pub(crate) exempt: Option<Arc<Exempt>>,
    pub(crate) count_preflight: bool,
    pub(crate) no_key: NoKey,
    pub(crate) headers: Headers,
    pub(crate) hasher: Hasher,
    pub(crate) store: Memory,
    pub(crate) wall: WallTime,
    pub(crate) told: Told,
}

/// What has been said once in the log, and need not be said again.
#[derive(Debug, Default)]
pub(crate) struct Told {
    no_key: AtomicBool,
    unknown_policy: AtomicBool,
}

impl Limits {
    /// Decides about a request, and charges it if it may pass.
    #[inline]
    pub(crate) fn admit(handle: &Handle<Self>, view: &RequestView<'_>, now: Instant) -> Verdict {
        let limits = &**handle;
        if limits.is_exempt(view) {
            return Verdict::Pass;
        }
        let Some((policy, quota)) = limits.policy_of(view) else {
            return Verdict::Pass;
        };
        let chain = limits.policies[policy]
            .chain
            .as_ref()
            .unwrap_or(&limits.chain);
        match chain.address(view, &limits.hasher) {
            Some(found) => Self::count(handle, policy, quota, found, view, now),
            None => Self::admit_by(chain, handle, policy, quota, view, now),
        }
    }

    /// The same by whatever key the chain finds.
    #[inline(never)]
    fn admit_by(
        chain: &Chain,
        handle: &Handle<Self>,
        policy: usize,
        quota: Option<NonZeroU32>,
        view: &RequestView<'_>,
        now: Instant,
    ) -> Verdict {
        let found = chain.find(view, &handle.hasher);
        match found.or_else(|| handle.without_key()) {
            Some(found) => Self::count(handle, policy, quota, found, view, now),
            None => handle.no_key_verdict(policy, view, now),
        }
    }

    #[inline]
    fn count(
        handle: &Handle<Self>,
        policy: usize,
        quota: Option<NonZeroU32>,
        found: Found,
        view: &RequestView<'_>,
        now: Instant,
    ) -> Verdict {
        let limits = &**handle;
        let cost = limits.cost.as_ref().map_or(1, |cost| cost(view).into());
        let plan = Plan {
            policy,
            key: found.key,
            quota,
            cost,
            now: limits.store.nanos(now),
        };
        Self::decide(handle, plan, found.is_address, view)
    }

    #[inline]
    fn is_exempt(&self, view: &RequestView<'_>) -> bool {
        self.exempt_paths.contains(view.path())
            || !self.count_preflight && is_preflight(view)
            || self.exempt.as_ref().is_some_and(|exempt| exempt(view))
    }

    /// The number of the policy, and the quota of this request's key; `None` for none.
    #[inline]
    fn policy_of(&self, view: &RequestView<'_>) -> Option<(usize, Option<NonZeroU32>)> {
        if self.routes.is_empty() && self.select.is_none() {
            return Some((0, None));
        }
        self.chosen_policy(view)
    }

    fn chosen_policy(&self, view: &RequestView<'_>) -> Option<(usize, Option<NonZeroU32>)> {
        if let Some(route) = self.routes.iter().find(|route| route.matches(view)) {
            return Some((route.policy, None));
        }
        let Some(select) = &self.select else {
            return Some((0, None));
        };
        let Selection { choice, quota } = select.choose(view);
        match choice {
            Choice::Exempt => None,
            Choice::First => Some((0, quota)),
            Choice::Named(name) => Some((
                self.named(name).unwrap_or_else(|| self.unknown(name)),
                quota,
            )),
        }
    }

    pub(crate) fn named(&self, name: Name) -> Option<usize> {
        self.policies.iter().position(|policy| policy.name == name)
    }

    #[cold]
    fn unknown(&self, name: Name) -> usize {
        if !self.told.unknown_policy.swap(true, Ordering::Relaxed) {
            tracing::error!(target: "palisade_ratelimit", policy = %name, "no rate limit policy has this name; the first one decides instead");
        }
        0
    }

    /// The key that requests without one share, if they do.
    #[cold]
    fn without_key(&self) -> Option<Found> {
        if self.no_key != NoKey::Pass && !self.told.no_key.swap(true, Ordering::Relaxed) {
            tracing::error!(target: "palisade_ratelimit",
                outcome = ?self.no_key,
                "a request has no key: does the server hand over the peer's address?"
            );
        }
        (self.no_key == NoKey::Share).then(|| Found {
            key: self.shared_key(),
            is_address: false,
        })
    }

    pub(crate) fn shared_key(&self) -> HashedKey {
        Key::text("no key").hashed(&self.hasher)
    }

    fn no_key_verdict(&self, policy: usize, view: &RequestView<'_>, now: Instant) -> Verdict {
        if self.no_key == NoKey::Pass {
            return Verdict::Pass;
        }
        let decision = Decision::bare(Outcome::NoKey, self.policies[policy].name);
        let now = self.store.nanos(now);
        let plan = Plan {
            policy,
            key: self.shared_key(),
            quota: None,
            cost: 0,
            now,
        };
        self.over(decision, plan, view)
    }
}

/// A CORS preflight, by the Fetch standard: it carries no credentials and does nothing.
#[inline]
fn is_preflight(view: &RequestView<'_>) -> bool {
    *view.method() == Method::OPTIONS
        && view.headers().contains_key(header::ORIGIN)
        && view
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// What [`RateLimitBuilder::ip_backstop`](crate::RateLimitBuilder::ip_backstop) is unless told otherwise.
pub(crate) const DEFAULT_BACKSTOP: Limit =
    Limit::token_bucket(crate::limit::per_second(200), crate::limit::burst(400));

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.policies.iter().map(|policy| policy.name);
        f.debug_struct("Limits")
            .field("policies", &names.collect::<Vec<_>>())
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}
