use std::sync::Arc;

use palisade_core::{Handle, Name, Problems};

use crate::filter::headers::Fixed;
use crate::limit::Rules;
use crate::limits::Limits;
use crate::policy::block::{Block, Kept};
use crate::policy::counted::{Counted, Engine};
use crate::policy::counters::Counters;
use crate::policy::key::KeyChain;
use crate::policy::{Mode, Policy};
use crate::store::digest::Hasher;
use crate::store::{Memory, Table};
#[cfg(feature = "redis")]
use crate::store::{RedisPolicy, Store};

const OTHER_LIMITS: &str = "another layer on the same store has a policy of this name with other limits; say `replacing` if this one is to \
                            take its place";

/// The parts of a layer that a policy needs in order to be counted.
pub(crate) struct Assembly<'a> {
    pub(crate) store: &'a Memory,
    pub(crate) hasher: Option<&'a Hasher>,
    #[cfg(feature = "redis")]
    pub(crate) chosen: &'a Store,
    pub(crate) mode: Mode,
    /// The layers whose counts this one may take over with other numbers.
    pub(crate) replaced: &'a [Handle<Limits>],
}

impl Assembly<'_> {
    pub(crate) fn count(&self, policy: &Policy, problems: &mut Problems) -> Option<Counted> {
        let name = policy.name();
        let prefix = format!("policies.{name}.");
        let rules = policy
            .compile()
            .map_err(|part| problems.append(&prefix, part))
            .ok();
        let chain = policy.key.as_ref().map(KeyChain::compile).transpose();
        let chain = chain.map_err(|part| problems.append(&prefix, part)).ok()?;
        let rules = rules?;
        let table = self.table(name, &rules);
        let block = self.block(policy, problems)?;
        let Some((table, rules)) = table else {
            problems.push(format!("policies.{name}"), OTHER_LIMITS);
            return None;
        };
        let mode = self.mode.max(policy.mode);
        Some(Counted {
            name,
            rules,
            room: rules.room(),
            table,
            chain,
            shadow: mode == Mode::Shadow,
            off: mode == Mode::Off,
            refund: policy.refund.clone(),
            engine: Engine::Local,
            counters: Counters::new(name),
            block: block.map(Box::new),
            #[cfg(feature = "wait")]
            queue: policy
                .wait
                .map(|(_, most)| crate::policy::queue::Queue::new(most)),
            fixed: rules
                .iter()
                .flat_map(|rule| {
                    let fixed = |window| Fixed::of(name, rule.quota().into(), window);
                    rule.windows().into_iter().map(fixed)
                })
                .collect(),
        })
    }
}

impl Assembly<'_> {
    /// The table of a name, and the rules as they read its states.
    fn table(&self, name: Name, rules: &Rules) -> Option<(Arc<Table>, Rules)> {
        let replaced = |table: &Arc<Table>| {
            let mut replaced = self.replaced.iter();
            replaced.any(|limits| limits.counts_in(table))
        };
        self.store
            .table(name, rules, self.hasher?.slot_hasher(), replaced)
    }

    /// The tables of refusals and of what is blocked, where the policy blocks; `None` where that cannot be.
    fn block(&self, policy: &Policy, problems: &mut Problems) -> Option<Option<Block>> {
        let name = policy.name();
        let compiled = policy
            .compile_block()
            .map_err(|part| problems.append(&format!("policies.{name}."), part));
        let Some([refusals, blocked]) = compiled.ok()? else {
            return Some(None);
        };
        // No policy of a user's has a space in its name.
        let mut kept = |suffix: &str, rules: &Rules| {
            let table = self.table(Name::new(&format!("{name} {suffix}")), rules);
            if table.is_none() {
                problems.push(format!("policies.{name}.block_after"), OTHER_LIMITS);
            }
            table.map(|(table, rules)| Kept { table, rules })
        };
        let refusals = kept("refusals", &refusals);
        let blocked = kept("blocked", &blocked);
        Some(Some(Block {
            refusals: refusals?,
            blocked: blocked?,
        }))
    }

    /// The policy as its engine counts it; what the layer adds by itself is always counted in this process.
    pub(crate) fn count_by_engine(
        &self,
        policy: &Policy,
        problems: &mut Problems,
    ) -> Option<Counted> {
        let counted = self.count(policy, problems)?;
        #[cfg(feature = "governor")]
        if let Some(governor) = &policy.governor {
            return Some(Counted {
                engine: Engine::Governor(Arc::clone(governor)),
                ..counted
            });
        }
        #[cfg(feature = "redis")]
        if let Some(redis) = self.chosen.redis() {
            let engine =
                RedisPolicy::new(redis, policy, &counted.rules, self.hasher?.slot_hasher());
            return Some(Counted {
                engine: Engine::Redis(Box::new(engine)),
                ..counted
            });
        }
        Some(counted)
    }
}
