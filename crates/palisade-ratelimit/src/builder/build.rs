use palisade_core::{Handle, Name, Problems};

use super::RateLimitBuilder;
use crate::error::Error;
use crate::filter::headers::WallTime;
use crate::layer::RateLimitLayer;
use crate::limit::Limit;
use crate::limits::Limits;
use crate::policy::Policy;
use crate::policy::assembly::Assembly;
use crate::policy::counted::Counted;
use crate::policy::key::Chain;
use crate::policy::route;

impl RateLimitBuilder {
    /// The layer.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] with every problem: names that are not allowed or used twice, limits that cannot work, routes
    /// to policies that do not exist, and policies that share a store with others of their name but not their limits.
    pub fn build(mut self) -> Result<RateLimitLayer, Error> {
        let mut problems = Problems::none();
        if self.policies.is_empty() {
            self.policies.push(Policy::clients());
        }
        let chosen = self.store.take().unwrap_or_default();
        let store = chosen.memory();
        let hasher = chosen.hasher();
        chosen.check(&mut problems);
        let assembly = Assembly {
            store: &store,
            hasher: hasher.as_ref(),
            #[cfg(feature = "redis")]
            chosen: &chosen,
            mode: self.mode,
            replaced: &self.replaced,
        };
        self.check_names(&mut problems);
        let policies = self
            .policies
            .iter()
            .filter_map(|policy| assembly.count_by_engine(policy, &mut problems));
        let policies: Box<[Counted]> = policies.collect();
        let internal = |name, limit: Option<Limit>, problems: &mut Problems| {
            let limit = limit?;
            if limit.is_calendar() {
                problems.push(name, "cannot be a window of the calendar");
                return None;
            }
            let policy = Policy::new(Name::from_static(name)).limit(limit);
            assembly.count(&policy, problems)
        };
        let chain = self
            .key
            .compile()
            .map_err(|part| problems.append("", part))
            .ok();
        let own_chains = policies.iter().filter_map(|policy| policy.chain.as_ref());
        let has_claims = chain.iter().chain(own_chains).any(Chain::has_claims);
        let backstop = internal(
            "ip-backstop",
            self.backstop.filter(|_| has_claims),
            &mut problems,
        );
        let site = internal("v6-site", self.site, &mut problems);
        let position = |name| {
            let mut policies = self.policies.iter();
            policies.position(|policy| policy.name() == name)
        };
        let routes = route::compile(&self.routes, position, &mut problems);
        match (problems.into_result(()), hasher, chain) {
            (Ok(()), Some(hasher), Some(chain)) => {
                chosen.check_soon();
                Ok(RateLimitLayer::new(Handle::new(adopted(Limits {
                    policies,
                    backstop,
                    site,
                    routes,
                    select: self.select,
                    chain,
                    client_ip: self.client_ip,
                    cost: self.cost,
                    exempt_paths: self.exempt_paths,
                    exempt: self.exempt,
                    count_preflight: self.count_preflight,
                    no_key: self.no_key,
                    headers: self.headers,
                    lists: self.lists && self.headers.rate_limit(),
                    hasher,
                    store,
                    wall: WallTime::new(self.wall_clock),
                    logged: crate::limits::LoggedOnce::default(),
                }))))
            }
            (Err(problems), ..) => Err(problems.into()),
            (Ok(()), ..) => Err(Problems::one("key", "cannot be used").into()),
        }
    }

    fn check_names(&self, problems: &mut Problems) {
        for (position, policy) in self.policies.iter().enumerate() {
            let name = policy.name();
            if self.policies[..position]
                .iter()
                .any(|earlier| earlier.name() == name)
            {
                problems.push(
                    format!("policies.{name}"),
                    "there are two policies of this name",
                );
            }
            if ["ip-backstop", "v6-site"].contains(&name.as_str()) {
                problems.push(
                    format!("policies.{name}"),
                    "this name is taken by the layer itself",
                );
            }
        }
    }
}

/// Notes the numbers of a layer that could be built: from now on others on its store must have them.
fn adopted(limits: Limits) -> Limits {
    for (table, rules) in limits.tables() {
        limits.store.adopt(table, rules);
    }
    limits
}
