use std::collections::BTreeSet;

use serde::de::DeserializeOwned;

use super::deserialize::{At, Kind};
use super::document::{Node, Value};
use super::place::{Path, Step};

/// A mistake that reading found: the path of the value, and the reason.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::config) struct Found {
    pub(in crate::config) path: Path,
    pub(in crate::config) reason: String,
}

/// The most mistakes that are looked for: nobody reads more, and a hostile file could have any number.
const MOST: usize = 100;

/// Reads a tree into a model, with every mistake: what cannot be read is left out, and the rest is read again.
///
/// The model is `None` where nothing of it can be read.
pub(in crate::config) fn read<T: DeserializeOwned>(root: &Node) -> (Option<T>, Vec<Found>) {
    let mut root = root.clone();
    let mut found = Vec::new();
    let mut removed = BTreeSet::new();
    while found.len() < MOST {
        let error = match T::deserialize(At::root(&root)) {
            Ok(model) => return (Some(model), found),
            Err(error) => error,
        };
        let reason = error.to_string();
        let path = error.path.unwrap_or_default();
        // A key that was left out because of its own mistake is not missing.
        let is_consequence =
            matches!(error.kind, Kind::Missing(key) if removed.contains(&path.key(key)));
        if !is_consequence {
            found.push(Found {
                path: path.clone(),
                reason,
            });
        }
        match root.find_mut(&path) {
            Some(node) if !path.0.is_empty() && node.value != Value::Removed => {
                node.value = Value::Removed;
            }
            _ => return (None, found),
        }
        removed.insert(path);
    }
    (None, found)
}

impl Found {
    /// Whether what a layer says of a value may come of this mistake: of one around it or in it, or of a route whose
    /// policy could not be read.
    pub(in crate::config) fn touches(&self, path: &Path) -> bool {
        let (found, other) = (&self.path.0, &path.0);
        let part = |name: &str, steps: &[Step]| matches!(steps.get(2), Some(Step::Key(key)) if key == name);
        found.starts_with(other)
            || other.starts_with(found)
            || found.get(..2) == other.get(..2) && part("policies", found) && part("routes", other)
    }
}
