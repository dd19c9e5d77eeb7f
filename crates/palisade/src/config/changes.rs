//! The keys in which two configurations differ.

use std::collections::BTreeMap;
use std::fmt;

use super::file::{Node, Value};
use super::model::Config;

/// A key in which two configurations differ; see [`Config::changes_to`].
///
/// Its `Display` is a line for a log or a trail: `limits.clients.mode: on -> shadow`. Numbers, flags and modes are shown, and
/// of other texts no more than that they changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    key: String,
    from: Option<String>,
    to: Option<String>,
}

impl Change {
    /// The key, in which a policy stands by its name: `limits.clients.policies.api.mode`.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The value before; `None` where the key was not set.
    #[must_use]
    pub fn from(&self) -> Option<&str> {
        self.from.as_deref()
    }

    /// The value from now on; `None` where the key is not set any more.
    #[must_use]
    pub fn to(&self) -> Option<&str> {
        self.to.as_deref()
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".to_owned());
        write!(
            f,
            "{}: {} -> {}",
            self.key,
            shown(&self.from),
            shown(&self.to)
        )
    }
}

impl Config {
    /// The keys in which `newer` differs from this one, in order; variables count as what they override.
    #[must_use]
    pub fn changes_to(&self, newer: &Self) -> Vec<Change> {
        let (old, new) = (leaves(&self.origin.root), leaves(&newer.origin.root));
        let mut changes = Vec::new();
        let added = new.keys().filter(|key| !old.contains_key(*key));
        let mut keys: Vec<&String> = old.keys().chain(added).collect();
        keys.sort_unstable();
        for key in keys {
            let (from, to) = (old.get(key), new.get(key));
            if from.map(|node| &node.value) == to.map(|node| &node.value) {
                continue;
            }
            let shown = |node: Option<&&Node>, tree: &BTreeMap<String, &Node>| match node {
                Some(node) => Some(shown(key, node)),
                // A mode that a section does not state is that of a section which is there.
                None => is_implied(key, tree).then(|| "on".to_owned()),
            };
            let (from, to) = (shown(from, &old), shown(to, &new));
            // A default that is written out changes nothing.
            if key.ends_with(".mode") && from == to {
                continue;
            }
            changes.push(Change {
                key: key.trim_end_matches('.').to_owned(),
                from,
                to,
            });
        }
        changes
    }
}

/// Whether a mode is not set, but the table is there that it would stand in.
fn is_implied(key: &str, tree: &BTreeMap<String, &Node>) -> bool {
    let table = key.strip_suffix("mode");
    table.is_some_and(|table| tree.contains_key(table))
}

/// The values that are no tables, by their keys. An empty table is a value: it switches a layer on.
fn leaves(root: &Node) -> BTreeMap<String, &Node> {
    let mut found = BTreeMap::new();
    collect(root, String::new(), &mut found);
    found
}

fn collect<'a>(node: &'a Node, key: String, found: &mut BTreeMap<String, &'a Node>) {
    match &node.value {
        Value::Table(table) => {
            // Its end with a dot is what says that the table is there.
            if !key.is_empty() {
                found.insert(format!("{key}."), &EMPTY);
            }
            for (name, node) in table {
                let key = match key.is_empty() {
                    true => name.clone(),
                    false => format!("{key}.{name}"),
                };
                collect(node, key, found);
            }
        }
        Value::List(list)
            if list
                .iter()
                .all(|node| matches!(node.value, Value::Table(_))) =>
        {
            for (index, node) in list.iter().enumerate() {
                let name = match key.ends_with(".policies") {
                    true => name_of(node),
                    false => None,
                };
                let name = name.unwrap_or_else(|| index.to_string());
                collect(node, format!("{key}.{name}"), found);
            }
        }
        _ => {
            found.insert(key, node);
        }
    }
}

/// The stand-in for every table, whose values are looked at one by one.
static EMPTY: Node = Node::new(super::file::Place::Nowhere, Value::Other("a table"));

/// The name of a policy, which stands in headers and records too.
fn name_of(node: &Node) -> Option<String> {
    let Value::Table(table) = &node.value else {
        return None;
    };
    let name = table.get("name").or_else(|| table.get("preset"))?;
    match &name.value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    }
}

fn shown(key: &str, node: &Node) -> String {
    match &node.value {
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Flag(flag) => flag.to_string(),
        Value::Text(text) if key.ends_with(".mode") => text.clone(),
        Value::List(list) => format!("{} items", list.len()),
        Value::Other(_) => "there".to_owned(),
        _ => "a text".to_owned(),
    }
}
