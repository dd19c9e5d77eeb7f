//! From a request to its policy and its key.

use std::num::NonZeroU32;

use http::{Method, header};
use palisade_core::Handle;
use palisade_core::time::Instant;

use crate::charge::Plan;
use crate::decision::{Decision, Outcome};
use crate::filter::admission::Admission;
use crate::filter::view::RequestView;
use crate::limits::{Limits, NoKey};
use crate::policy::key::{Chain, Found};
use crate::policy::select::{Choice, Selection};

impl Limits {
    /// Decides about a request, and charges it if it may pass.
    #[inline]
    pub(crate) fn admit(handle: &Handle<Self>, view: &RequestView<'_>, now: Instant) -> Admission {
        let limits = &**handle;
        if limits.is_exempt(view) {
            return Admission::Pass;
        }
        let Some((policy, quota)) = limits.policy_of(view) else {
            return Admission::Pass;
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
    ) -> Admission {
        let found = chain.find(view, &handle.hasher);
        match found.or_else(|| handle.without_key()) {
            Some(found) => Self::count(handle, policy, quota, found, view, now),
            None => handle.without_key_admission(policy, view, now),
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
    ) -> Admission {
        let limits = &**handle;
        let now = limits.store.nanos(now);
        let cost = limits.cost.as_ref().map_or(1, |cost| cost(view).into());
        let plan = Plan {
            policy,
            key: found.key,
            quota,
            cost,
            now,
            date: limits.date(policy, now),
        };
        if let Some(decision) = limits.policies[policy].blocked(&plan) {
            return limits.over(decision, plan, view);
        }
        Self::decide(handle, &plan, found.is_address, view)
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
        let chosen = if self.routes.is_empty() && self.select.is_none() {
            Some((0, None))
        } else {
            self.chosen_policy(view)
        };
        chosen.filter(|(policy, _)| !self.policies[*policy].off)
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
            Choice::First => Some((0, self.roomy(0, quota))),
            Choice::Named(name) => {
                let policy = self.named(name).unwrap_or_else(|| self.unknown(name));
                Some((policy, self.roomy(policy, quota)))
            }
        }
    }

    /// The quota, with a word in the log where the policy has to bring it down.
    fn roomy(&self, policy: usize, quota: Option<NonZeroU32>) -> Option<NonZeroU32> {
        let counted = &self.policies[policy];
        if let Some(quota) = quota
            && quota.get() > counted.room
        {
            self.logged.cut(counted.name, quota, counted.room);
        }
        quota
    }

    fn without_key_admission(
        &self,
        policy: usize,
        view: &RequestView<'_>,
        now: Instant,
    ) -> Admission {
        if self.no_key == NoKey::Pass {
            return Admission::Pass;
        }
        let decision = Decision::bare(Outcome::NoKey, self.policies[policy].name);
        let now = self.store.nanos(now);
        let plan = Plan {
            policy,
            key: self.shared_key(),
            quota: None,
            cost: 0,
            now,
            date: self.date(policy, now),
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
