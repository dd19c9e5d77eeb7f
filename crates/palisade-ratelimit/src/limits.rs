use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use palisade_core::{ClientIp, Name, PathSet};

use crate::filter::headers::{Headers, WallTime};
use crate::filter::view::RequestView;
use crate::limit::{Date, Limit, Rules};
use crate::policy::block::Block;
use crate::policy::counted::Counted;
use crate::policy::key::{Chain, Found, Key};
use crate::policy::route::Route;
use crate::policy::select::Select;
use crate::store::digest::{HashedKey, Hasher};
use crate::store::{Memory, Table};

/// The outcome of a request that has no key, mostly because the server does not say who the peer is.
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
    /// Whether the header fields list every limit.
    pub(crate) lists: bool,
    pub(crate) hasher: Hasher,
    pub(crate) store: Memory,
    pub(crate) wall: WallTime,
    pub(crate) logged: LoggedOnce,
}

/// Messages that stand in the log once and need not be repeated.
#[derive(Debug, Default)]
pub(crate) struct LoggedOnce {
    no_key: AtomicBool,
    unknown_policy: AtomicBool,
    cut: AtomicBool,
    twice: AtomicBool,
}

impl LoggedOnce {
    /// A quota is larger than the policy has room for.
    #[cold]
    pub(crate) fn cut(&self, policy: Name, quota: NonZeroU32, room: u32) {
        if !self.cut.swap(true, Ordering::Relaxed) {
            tracing::error!(target: "palisade_ratelimit", policy = %policy, quota, room, "a request's own quota is more than its policy has room for, and is brought down; see `Policy::quotas_up_to`");
        }
    }

    /// A request was counted by a policy of one name before.
    #[cold]
    pub(crate) fn twice(&self, policy: Name) {
        if !self.twice.swap(true, Ordering::Relaxed) {
            tracing::warn!(target: "palisade_ratelimit", policy = %policy, "a request was counted twice by policies of one name: is the layer in the stack twice?");
        }
    }
}

impl Limits {
    pub(crate) fn named(&self, name: Name) -> Option<usize> {
        self.policies.iter().position(|policy| policy.name == name)
    }

    /// Every count, with those that the layer adds by itself.
    pub(crate) fn counts(&self) -> impl Iterator<Item = &Counted> {
        let own = self.backstop.iter().chain(&self.site);
        self.policies.iter().chain(own)
    }

    /// Every table, with the rules by which it is counted in.
    pub(crate) fn tables(&self) -> impl Iterator<Item = (&Arc<Table>, &Rules)> {
        self.counts().flat_map(|counted| {
            let own = [(&counted.table, &counted.rules)];
            let block = counted.block.as_deref().map(Block::tables);
            let block = block.into_iter().flatten();
            own.into_iter()
                .chain(block.map(|kept| (&kept.table, &kept.rules)))
        })
    }

    /// Whether one of them is this.
    pub(crate) fn counts_in(&self, table: &Arc<Table>) -> bool {
        self.tables().any(|(kept, _)| Arc::ptr_eq(kept, table))
    }

    /// The date for a request of this policy at this time of the store, where it needs one.
    #[inline]
    pub(crate) fn date(&self, policy: usize, now: u64) -> Date {
        #[cfg(feature = "calendar")]
        if self.policies[policy].rules.need_date() {
            return Date::new(self.wall.at(now).as_duration().as_nanos(), now);
        }
        let _ = (policy, now);
        Date::default()
    }

    #[cold]
    pub(crate) fn unknown(&self, name: Name) -> usize {
        if !self.logged.unknown_policy.swap(true, Ordering::Relaxed) {
            tracing::error!(target: "palisade_ratelimit", policy = %name, "no rate limit policy has this name; the first one decides instead");
        }
        0
    }

    /// The key that requests without one share, if they do.
    #[cold]
    pub(crate) fn without_key(&self) -> Option<Found> {
        if self.no_key != NoKey::Pass && !self.logged.no_key.swap(true, Ordering::Relaxed) {
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
}

/// The default of [`RateLimitBuilder::ip_backstop`](crate::RateLimitBuilder::ip_backstop).
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
