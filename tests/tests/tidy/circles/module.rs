//! The names that a file of Rust takes from elsewhere and hands on, as far as its text shows.

use std::collections::{BTreeMap, BTreeSet};

use super::tokens::{closing, is_in_word, parts, tokens, without_tests};

/// The words of a path, such as `["crate", "store", "Memory"]`.
pub(super) type Path = Vec<String>;

/// The words before a name that is defined.
const DEFINING: [&str; 8] = [
    "struct", "enum", "union", "trait", "type", "fn", "const", "static",
];

/// A module as its text shows it.
#[derive(Debug, Default)]
pub(super) struct Module {
    /// Every path by which the code takes something.
    pub(super) taken: Vec<Path>,
    /// Names that come from elsewhere, with their paths: by `pub use`, and by a `use` that others reach through.
    pub(super) handed_on: BTreeMap<String, Path>,
    /// Modules all of whose names are handed on.
    pub(super) globs: Vec<Path>,
    /// Names that the code itself defines.
    pub(super) defined: BTreeSet<String>,
    /// Modules with a file of their own.
    pub(super) declared: Vec<String>,
    /// Modules that stand within this one.
    pub(super) inner: Vec<(String, Module)>,
}

impl Module {
    pub(super) fn read(text: &str) -> Self {
        Self::of(&without_tests(&tokens(text)))
    }

    fn of(code: &[&str]) -> Self {
        let mut module = Self::default();
        let mut called = Vec::new();
        let mut at = 0;
        while at < code.len() {
            let before = at.checked_sub(1).map_or("", |before| code[before]);
            at = match &code[at..] {
                // `use<'a>` says what a type captures.
                ["use", next, ..] if *next != "<" => {
                    let end = code[at..].iter().position(|token| *token == ";");
                    let end = end.map_or(code.len(), |length| at + length);
                    // `pub use`, or `pub(crate) use`.
                    module.read_use(matches!(before, "pub" | ")"), &code[at + 1..end]);
                    end
                }
                ["mod", name, ";", ..] => {
                    module.declared.push((*name).to_owned());
                    at + 3
                }
                ["mod", name, "{", ..] => {
                    let end = closing(code, at + 2);
                    let inner = Self::of(&code[at + 3..end]);
                    module.inner.push(((*name).to_owned(), inner));
                    end
                }
                // In `const fn` the name comes later, and `*const T` defines none.
                [kind, name, ..]
                    if DEFINING.contains(kind)
                        && name.starts_with(is_in_word)
                        && *name != "fn"
                        && before != "*" =>
                {
                    module.defined.insert((*name).to_owned());
                    at + 2
                }
                ["macro_rules", "!", name, ..] => {
                    module.defined.insert((*name).to_owned());
                    at + 3
                }
                [word, ..] if word.starts_with(is_in_word) => {
                    let end = end_of_path(code, at);
                    let after_dot = before == "." && !code[..at].ends_with(&[".", "."]);
                    if !after_dot && !matches!(before, "::" | "fn") {
                        let next = code.get(end).copied().unwrap_or_default();
                        called.push((path(&code[at..end]), matches!(next, "(" | "!")));
                    }
                    end
                }
                _ => at + 1,
            };
        }
        // A name alone may be a variable or a field, unless it is written as types are, or called.
        called.retain(|(path, is_called)| {
            let is_type = path[0].starts_with(char::is_uppercase);
            path.len() > 1 || (module.handed_on.contains_key(&path[0]) && (is_type || *is_called))
        });
        module
            .taken
            .extend(called.into_iter().map(|(path, _)| path));
        module
    }

    fn read_use(&mut self, is_public: bool, tree: &[&str]) {
        for (path, name) in leaves(tree) {
            match name.as_str() {
                "*" => self.globs.push(path[..path.len() - 1].to_vec()),
                "_" => {}
                _ => drop(self.handed_on.insert(name, path.clone())),
            }
            if !is_public {
                self.taken.push(path);
            }
        }
    }
}

/// Returns the end of the path that begins at `start`.
fn end_of_path(code: &[&str], start: usize) -> usize {
    let mut end = start + 1;
    while let Some(["::", word]) = code.get(end..end + 2)
        && word.starts_with(is_in_word)
    {
        end += 2;
    }
    end
}

/// The paths of a `use`, each with the name that it brings in.
fn leaves(tree: &[&str]) -> Vec<(Path, String)> {
    if let Some(open) = tree.iter().position(|token| *token == "{") {
        let prefix = path(&tree[..open]);
        return parts(&tree[open..])
            .flat_map(leaves)
            .map(|(path, name)| {
                let own = path.strip_prefix(&["self".to_owned()][..]);
                let is_self = own.is_some_and(<[String]>::is_empty);
                let name = match prefix.last() {
                    Some(last) if is_self && name == "self" => last.clone(),
                    _ => name,
                };
                ([&prefix[..], own.unwrap_or(&path)].concat(), name)
            })
            .collect();
    }
    let (tree, alias) = match tree {
        [tree @ .., "as", alias] => (tree, Some((*alias).to_owned())),
        _ => (tree, None),
    };
    let path = path(tree);
    let Some(last) = path.last().cloned() else {
        return Vec::new();
    };
    vec![(path, alias.unwrap_or(last))]
}

fn path(tokens: &[&str]) -> Path {
    let words = tokens.iter().filter(|token| **token != "::");
    words.map(|word| (*word).to_owned()).collect()
}
