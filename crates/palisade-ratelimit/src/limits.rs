use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{Method, header};
use palisade_core::time::{self, UnixTime};
use palisade_core::{ClientIp, Handle, Name, PathSet};

use crate::decision::{Decision, Outcome};
use crate::digest::{HashedKey, Hasher};
use crate::headers::{Headers, WallTime};
use crate::key::{Chain, Found, Key};
use crate::limit::{Limit, Rules};
use crate::policy::Refund;
use crate::select::{Choice, Route, Select, Selection};
use crate::store::{Charge, MAX_CHARGES, Memory, Table, charge};
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

/// A policy with its count.
pub(crate) struct Counted {
    pub(crate) name: Name,
    pub(crate) rules: Rules,
    pub(crate) table: Handle<Table>,
    pub(crate) chain: Option<Chain>,
    pub(crate) shadow: bool,
    pub(crate) refund: Option<Arc<Refund>>,
}

/// What has been said once in the log, and need not be said again.
#[derive(Debug, Default)]
pub(crate) struct Told {
    no_key: AtomicBool,
    unknown_policy: AtomicBool,
}

/// What is to be done with a request.
pub(crate) enum Verdict {
    /// It is not counted.
    Exempt,
    Counted(Ruling),
}

/// A decision about a request, and what is needed to give its charge back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ruling {
    pub(crate) decision: Decision,
    pub(crate) unix: UnixTime,
    pub(crate) key: HashedKey,
    pub(crate) shadow: bool,
    policy: usize,
    quota: Option<NonZeroU32>,
    cost: u64,
}

/// What a request is charged to, before anybody has decided.
struct Plan<'a> {
    policy: usize,
    found: Found,
    quota: Option<NonZeroU32>,
    cost: u64,
    view: &'a RequestView<'a>,
}

impl Limits {
    /// Decides about a request, and charges it if it may pass.
    #[inline]
    pub(crate) fn admit(&self, view: &RequestView<'_>) -> Verdict {
        if self.is_exempt(view) {
            return Verdict::Exempt;
        }
        let Some((policy, quota)) = self.policy_of(view) else {
            return Verdict::Exempt;
        };
        let counted = &self.policies[policy];
        let chain = counted.chain.as_ref().unwrap_or(&self.chain);
        let found = match chain.find(view, &self.hasher) {
            Some(found) => found,
            None => match self.without_key() {
                Some(found) => found,
                None if self.no_key == NoKey::Pass => return Verdict::Exempt,
                None => return self.no_key_ruling(policy),
            },
        };
        let cost = self.cost.as_ref().map_or(1, |cost| cost(view).into());
        self.decide(&Plan {
            policy,
            found,
            quota,
            cost,
            view,
        })
    }

    fn is_exempt(&self, view: &RequestView<'_>) -> bool {
        self.exempt_paths.contains(view.path())
            || !self.count_preflight && is_preflight(view)
            || self.exempt.as_ref().is_some_and(|exempt| exempt(view))
    }

    /// The number of the policy, and the quota of this request's key; `None` for none.
    fn policy_of(&self, view: &RequestView<'_>) -> Option<(usize, Option<NonZeroU32>)> {
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
            tracing::error!(policy = %name, "no rate limit policy has this name; the first one decides instead");
        }
        0
    }

    /// The key that requests without one share, if they do.
    fn without_key(&self) -> Option<Found> {
        if self.no_key != NoKey::Pass && !self.told.no_key.swap(true, Ordering::Relaxed) {
            tracing::error!(
                outcome = ?self.no_key,
                "a request has no key: does the server hand over the peer's address?"
            );
        }
        (self.no_key == NoKey::Share).then(|| Found {
            key: shared_key(&self.hasher),
            is_address: false,
        })
    }

    fn no_key_ruling(&self, policy: usize) -> Verdict {
        let name = self.policies[policy].name;
        Verdict::Counted(Ruling {
            decision: Decision::bare(Outcome::NoKey, name),
            unix: UnixTime::default(),
            key: shared_key(&self.hasher),
            shadow: self.policies[policy].shadow,
            policy,
            quota: None,
            cost: 0,
        })
    }

    #[inline]
    fn decide(&self, plan: &Plan<'_>) -> Verdict {
        let counted = &self.policies[plan.policy];
        let instant = time::now();
        let now = self.store.nanos(instant);
        let own = plan.quota.map(|quota| counted.rules.scaled(quota));
        let main = Charge {
            table: &counted.table,
            rules: own.as_ref().unwrap_or(&counted.rules),
            key: plan.found.key,
            cost: plan.cost,
        };
        let mut charges = [main; MAX_CHARGES];
        let mut names = [counted.name; MAX_CHARGES];
        let mut count = 1;
        if let Some(backstop) = self.backstop.as_ref().filter(|_| main.key.claimed) {
            let key = plan
                .view
                .client()
                .map(|client| self.hasher.address(client.group()));
            charges[count] = backstop.charge(key.unwrap_or_else(|| shared_key(&self.hasher)));
            names[count] = backstop.name;
            count += 1;
        }
        if let Some((site, key)) = self.site_of(plan) {
            charges[count] = site.charge(key);
            names[count] = site.name;
            count += 1;
        }
        let decision = match charge(&charges[..count], now) {
            Some((position, assessment)) => Decision::new(names[position], &assessment, now),
            // Never: there is at least one charge, and every policy has a rule.
            None => Decision::bare(Outcome::Limited, counted.name),
        };
        Verdict::Counted(Ruling {
            decision,
            unix: if self.headers == Headers::Off {
                UnixTime::default()
            } else {
                self.wall.at(now)
            },
            key: main.key,
            shadow: counted.shadow,
            policy: plan.policy,
            quota: plan.quota,
            cost: plan.cost,
        })
    }

    /// The limit of the /48 that a v6 client belongs to, where its key is an address or only claimed.
    fn site_of(&self, plan: &Plan<'_>) -> Option<(&Counted, HashedKey)> {
        let site = self.site.as_ref()?;
        if !plan.found.is_address && !plan.found.key.claimed {
            return None;
        }
        let client = plan.view.client().filter(|client| client.ip().is_ipv6())?;
        Some((site, self.hasher.address(client.group_of(SITE_PREFIX))))
    }

    /// The closure that says which responses give their charge back, if the policy has one.
    pub(crate) fn refund_of(&self, ruling: &Ruling) -> Option<Arc<Refund>> {
        let refund = self.policies.get(ruling.policy)?.refund.as_ref()?;
        ruling.decision.is_allowed().then(|| Arc::clone(refund))
    }

    /// Gives back what a request was charged by its policy. What its address was charged stays: the request did come.
    pub(crate) fn refund(&self, ruling: &Ruling) {
        let Some(counted) = self.policies.get(ruling.policy) else {
            return;
        };
        let own = ruling.quota.map(|quota| counted.rules.scaled(quota));
        let rules = own.as_ref().unwrap_or(&counted.rules);
        counted
            .table
            .refund(rules, &ruling.key, ruling.decision.at, ruling.cost);
    }
}

/// The network that providers hand to one site, by RFC 6177.
const SITE_PREFIX: u8 = 48;

impl Counted {
    fn charge(&self, key: HashedKey) -> Charge<'_> {
        Charge {
            table: &self.table,
            rules: &self.rules,
            key,
            cost: 1,
        }
    }
}

fn shared_key(hasher: &Hasher) -> HashedKey {
    Key::text("no key").hashed(hasher)
}

/// A CORS preflight, by the Fetch standard: it carries no credentials and does nothing.
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
