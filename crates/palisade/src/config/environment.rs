//! The variables that the crates name, laid over the tree of the file.

use std::collections::BTreeMap;

use super::file::{Node, Path, Place, Step, Value};
use super::variables::Variables;

const PROXIES: &str = "TRUSTED_PROXIES";
const CORS: [(&str, &str); 3] = [
    ("CORS_ORIGINS", "origins"),
    ("CORS_METHODS", "methods"),
    ("CORS_HEADERS", "headers"),
];
const RATE: &str = "RATE_LIMIT_REQUESTS_PER_SECOND";
const RATE_TOO: &str = "RATE_LIMIT_PER_SECOND";
const BURST: &str = "RATE_LIMIT_BURST";
const THRESHOLD: &str = "CIRCUIT_BREAKER_THRESHOLD";
const TIMEOUT: &str = "CIRCUIT_BREAKER_TIMEOUT_SEC";

const A_COUNT: &str = "must be a whole number from 1 to 4294967295";

/// Lays variables over a tree, and collects what is wrong with them.
pub(super) struct Overlay<'a> {
    pub(super) root: &'a mut Node,
    pub(super) variables: &'a Variables,
    pub(super) mistakes: Vec<(&'static str, String)>,
}

impl Overlay<'_> {
    pub(super) fn proxies(&mut self) {
        if let Some(text) = self.variables.get(PROXIES) {
            self.set(&Path::of("scope"), "trusted_proxies", PROXIES, list(&text));
        }
    }

    /// A list that is set and names nothing is kept, and refused by the policy: nobody listed must not let everybody in.
    pub(super) fn cors(&mut self) {
        for (name, key) in CORS {
            if let Some(text) = self.variables.set(name) {
                self.set(&Path::of("cors"), key, name, list(&text));
            }
        }
    }

    pub(super) fn breakers(&mut self, declared: &[String]) {
        for (name, key) in [(THRESHOLD, "failure_threshold"), (TIMEOUT, "open_for")] {
            let Some(number) = self.count(name) else {
                continue;
            };
            let mut breakers: Vec<String> = declared.to_vec();
            if let Some(Value::Table(table)) = self
                .root
                .find(&Path::of("breakers"))
                .map(|node| &node.value)
            {
                breakers.extend(table.keys().cloned());
            }
            for breaker in breakers {
                let path = Path::of("breakers").key(&breaker);
                self.set(&path, key, name, Value::Integer(number.into()));
            }
        }
    }

    /// Rate and burst of the first policy of these limits.
    pub(super) fn limit(&mut self, limits: &str) {
        let rates = [RATE, RATE_TOO].map(|name| (name, self.count(name)));
        if let [(_, Some(first)), (second_name, Some(second))] = rates
            && first != second
        {
            let reason = format!("says something else than {RATE}");
            self.mistakes.push((second_name, reason));
            return;
        }
        let rate = rates
            .into_iter()
            .find_map(|(name, rate)| rate.map(|rate| (name, rate)));
        let burst = self.count(BURST);
        if rate.is_none() && burst.is_none() {
            return;
        }
        let place = Place::Variable(rate.map_or(BURST, |(name, _)| name));
        let path = Path::of("limits").key(limits);
        if rate.is_none() && !has_bucket(self.root, &path) {
            let reason = format!("is set, but {RATE} is not, and the file has no rate there");
            self.mistakes.push((BURST, reason));
            return;
        }
        let Some(table) = self.root.table_at(&path, place) else {
            return;
        };
        let no_policy = || Node::new(place, Value::List(Vec::new()));
        let policies = table.entry("policies".to_owned()).or_insert_with(no_policy);
        let Value::List(policies) = &mut policies.value else {
            return;
        };
        if policies.is_empty() {
            let name = Value::Text(limits.to_owned());
            let policy = BTreeMap::from([("name".to_owned(), Node::new(place, name))]);
            policies.push(Node::new(place, Value::Table(policy)));
        }
        let Some(Value::Table(policy)) = policies.first_mut().map(|node| &mut node.value) else {
            return;
        };
        set_bucket(policy, rate, burst);
    }

    /// A whole number from 1, if the variable is set.
    fn count(&mut self, name: &'static str) -> Option<u32> {
        let text = self.variables.get(name)?;
        let number = text.trim().parse().ok().filter(|number| *number > 0);
        if number.is_none() {
            self.mistakes.push((name, A_COUNT.to_owned()));
        }
        number
    }

    fn set(&mut self, section: &Path, key: &str, name: &'static str, value: Value) {
        let place = Place::Variable(name);
        if let Some(table) = self.root.table_at(section, place) {
            table.insert(key.to_owned(), Node::new(place, value));
        }
    }
}

/// Whether the first policy of these limits begins with a bucket.
fn has_bucket(root: &Node, limits: &Path) -> bool {
    let policy = limits.key("policies").join(Step::Index(0));
    let bucket = policy.key("limits").join(Step::Index(0));
    root.find(&bucket.key("rate")).is_some()
}

/// Sets the bucket that is a policy's first limit; a limit of another kind gives way to a rate.
fn set_bucket(
    policy: &mut BTreeMap<String, Node>,
    rate: Option<(&'static str, u32)>,
    burst: Option<u32>,
) {
    let place = Place::Variable(rate.map_or(BURST, |(name, _)| name));
    let bucket = match policy.get_mut("limits").map(|limits| &mut limits.value) {
        Some(Value::List(limits)) => match limits.first_mut().map(|node| &mut node.value) {
            Some(Value::Table(bucket)) if bucket.contains_key("rate") => Some(bucket),
            _ => None,
        },
        _ => None,
    };
    let number =
        |name, number: u32| Node::new(Place::Variable(name), Value::Integer(number.into()));
    if let Some(bucket) = bucket {
        if let Some((name, rate)) = rate {
            bucket.insert("rate".to_owned(), number(name, rate));
            bucket.remove("per");
        }
        if let Some(burst) = burst {
            bucket.insert("burst".to_owned(), number(BURST, burst));
        }
        return;
    }
    let Some((name, rate)) = rate else {
        return;
    };
    // A shipped policy has its own limits: with another one it keeps its name alone.
    if let Some(preset) = policy.remove("preset") {
        policy.entry("name".to_owned()).or_insert(preset);
    }
    let mut bucket = BTreeMap::from([("rate".to_owned(), number(name, rate))]);
    if let Some(burst) = burst {
        bucket.insert("burst".to_owned(), number(BURST, burst));
    }
    let bucket = Node::new(place, Value::Table(bucket));
    policy.insert(
        "limits".to_owned(),
        Node::new(place, Value::List(vec![bucket])),
    );
}

/// The items between commas; a list without any has an empty one, which nothing takes.
fn list(text: &str) -> Value {
    let items = text.split(',').map(str::trim);
    let mut items: Vec<&str> = items.filter(|item| !item.is_empty()).collect();
    if items.is_empty() {
        items.push("");
    }
    let node = |item: &str| Node::new(Place::Nowhere, Value::Text(item.to_owned()));
    Value::List(items.into_iter().map(node).collect())
}
