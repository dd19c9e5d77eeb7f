//! One item for each limit that a request was decided by, in `RateLimit-Policy` and `RateLimit`.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use palisade_core::{LimitDecision, Name};

use super::seconds::{ONE_SECOND, quota_in_whole_seconds};
use super::shown::{Fixed, Numbers};
use crate::decision::Decision;
#[cfg(feature = "redis")]
use crate::limit::Assessment;
use crate::limit::{Check, MAX_RULES, Rule, Rules, Word};

pub(super) const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
pub(super) const QUOTA: HeaderName = HeaderName::from_static("ratelimit");

/// The most items of one layer: the limits of a policy, the backstop and the limit of the site.
const MOST: usize = MAX_RULES + 2;
/// The most lines of each field: as many layers as write lists into one response.
const MOST_LINES: usize = 4;

/// The states of all limits that a request was decided by.
#[derive(Debug, Default)]
pub(crate) struct Items {
    items: [Item; MOST],
    len: usize,
    /// The limit that is closest to refusing, where its values were made before.
    pub(crate) closest: Option<(&'static Fixed, Numbers)>,
}

/// The state of one limit.
#[derive(Debug, Clone, Copy)]
struct Item {
    policy: Name,
    /// The number among the limits of its policy, from 1; 0 where there is no other.
    number: usize,
    quota: u64,
    /// Nanoseconds, as is the next.
    window: u64,
    reset: u64,
    remaining: u64,
}

impl Default for Item {
    fn default() -> Self {
        Self {
            policy: Name::from_static(""),
            number: 0,
            quota: 0,
            window: 0,
            reset: 0,
            remaining: 0,
        }
    }
}

impl Items {
    /// Adds every limit of a policy, by the state of a key after the decision.
    pub(crate) fn add_states(&mut self, policy: Name, rules: &Rules, state: &[Word], now: u64) {
        let mut number = 0;
        rules.each_check(state, now, |rule, check| {
            number += 1;
            self.add_check(policy, rules, number, rule, check);
        });
    }

    /// Adds every limit of a policy, by what is left of it and the time until it is full.
    #[cfg(feature = "redis")]
    pub(crate) fn add_each(&mut self, policy: Name, rules: &Rules, each: &[(u64, u64)]) {
        for ((number, rule), (remaining, reset)) in (1..).zip(rules.iter()).zip(each) {
            let check = Check {
                fit: crate::limit::Fit::Fits,
                remaining: *remaining,
                reset: *reset,
            };
            self.add_check(policy, rules, number, rule, check);
        }
    }

    fn add_check(&mut self, policy: Name, rules: &Rules, number: usize, rule: &Rule, check: Check) {
        self.add(Item {
            policy,
            number: if rules.iter().nth(1).is_some() {
                number
            } else {
                0
            },
            quota: rule.quota().into(),
            window: rule.window(),
            reset: check.reset,
            remaining: check.remaining,
        });
    }

    /// Adds the one limit of a policy that was looked at.
    #[cfg(feature = "redis")]
    pub(crate) fn add_one(&mut self, policy: Name, rules: &Rules, rule: usize, one: &Assessment) {
        self.add(Item {
            policy,
            number: if rules.iter().nth(1).is_some() {
                rule + 1
            } else {
                0
            },
            quota: one.quota.into(),
            window: one.window,
            reset: one.reset,
            remaining: one.remaining,
        });
    }

    /// Adds the limit of an engine that is not ours.
    #[cfg(feature = "governor")]
    pub(crate) fn add_decision(&mut self, decision: &Decision) {
        let nanos = |time: std::time::Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.add(Item {
            policy: decision.policy,
            number: 0,
            quota: decision.limit,
            window: nanos(decision.window),
            reset: nanos(decision.reset_after),
            remaining: decision.remaining,
        });
    }

    fn add(&mut self, item: Item) {
        if item.quota > 0
            && let Some(free) = self.items.get_mut(self.len)
        {
            *free = item;
            self.len += 1;
        }
    }

    fn iter(&self) -> impl Iterator<Item = &Item> + Clone {
        self.items[..self.len].iter()
    }

    /// The name of the item that a refusal speaks of.
    pub(crate) fn refused(&self, decision: &Decision) -> Option<Name> {
        let shared = LimitDecision::from(*decision);
        let window = shared.window.as_nanos();
        let mut items = self.iter();
        let item = items.find(|item| {
            item.policy == shared.policy
                && item.quota == shared.limit
                && u128::from(item.window) == window
        })?;
        Some(match item.number {
            0 => item.policy,
            number => Name::new(&format!("{}/{number}", item.policy)),
        })
    }

    /// Adds a line to both fields, with the items whose names no line has yet.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        if headers.get_all(POLICY).iter().count() >= MOST_LINES {
            return;
        }
        let mut fresh = [false; MOST];
        for (fresh, item) in fresh.iter_mut().zip(self.iter()) {
            *fresh = !item.is_in(headers);
        }
        let items = self.iter().zip(fresh).filter(|(_, fresh)| *fresh);
        let items = items.map(|(item, _)| item);
        append(headers, POLICY, &items, |item| {
            let (quota, window) = quota_in_whole_seconds(item.quota, item.window);
            [(";q=", quota), (";w=", window)]
        });
        append(headers, QUOTA, &items, |item| {
            let left = item.reset.div_ceil(ONE_SECOND);
            [(";r=", item.remaining), (";t=", left)]
        });
    }
}

impl Item {
    /// Whether a line has an item of this name.
    fn is_in(&self, headers: &HeaderMap) -> bool {
        let mut lines = headers.get_all(POLICY).iter();
        lines.any(|line| {
            let line = line.to_str().unwrap_or_default();
            line.split('"').any(|name| {
                let rest = name.strip_prefix(self.policy.as_str());
                match rest.map(|rest| rest.strip_prefix('/')) {
                    Some(Some(number)) => number.parse() == Ok(self.number),
                    Some(None) => self.number == 0 && name.len() == self.policy.as_str().len(),
                    None => false,
                }
            })
        })
    }

    /// Shows the parts of the item's text: its name, as a string of a structured field, and its parameters.
    fn parts(&self, parameters: [(&str, u64); 2], mut see: impl FnMut(&str)) {
        see("\"");
        see(self.policy.as_str());
        let mut buffer = itoa::Buffer::new();
        if self.number > 0 {
            see("/");
            see(buffer.format(self.number));
        }
        see("\"");
        for (name, value) in parameters {
            see(name);
            see(buffer.format(value));
        }
    }
}

/// Adds one line, with one allocation: the text is measured before it is written.
fn append<'a>(
    headers: &mut HeaderMap,
    field: HeaderName,
    items: &(impl Iterator<Item = &'a Item> + Clone),
    parameters: impl Fn(&Item) -> [(&'static str, u64); 2],
) {
    let each = |see: &mut dyn FnMut(&str)| {
        for (position, item) in items.clone().enumerate() {
            if position > 0 {
                see(", ");
            }
            item.parts(parameters(item), &mut *see);
        }
    };
    let mut len = 0;
    each(&mut |part| len += part.len());
    if len == 0 {
        return;
    }
    let mut text = Vec::with_capacity(len);
    each(&mut |part| text.extend_from_slice(part.as_bytes()));
    if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(text)) {
        let _ = headers.try_append(field, value);
    }
}
