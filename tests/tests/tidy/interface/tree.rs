//! The modules of a crate, and what a path in one of them names.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use syn::{Item, UseTree};

use super::print;

/// The path of a module from the root of its crate.
pub(crate) type Place = Vec<String>;

/// The items of each module, as they are written.
#[derive(Default)]
pub(crate) struct Tree {
    modules: HashMap<Place, Vec<Item>>,
    bindings: HashMap<Place, Vec<Binding>>,
    /// The conditions under which each module is there.
    conditions: HashMap<Place, Vec<String>>,
}

/// One name that a `use` binds.
pub(crate) struct Binding {
    pub(crate) name: String,
    pub(crate) path: Vec<String>,
}

/// The target of a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Module(Place),
    /// An item of the crate: its module and its name there.
    Item(Place, String),
    /// A path that begins with the name of another crate.
    Foreign(Vec<String>),
    /// A type parameter, a primitive, or a name of the prelude.
    Unknown,
}

impl Tree {
    pub(crate) fn read(lib: &Path, source: &dyn Fn(&Path) -> Option<String>) -> Self {
        let mut tree = Self::default();
        let dir = lib.parent().unwrap_or(lib).to_owned();
        tree.add_file(Vec::new(), lib, &dir, source);
        tree
    }

    fn add_file(
        &mut self,
        place: Place,
        file: &Path,
        dir: &Path,
        source: &dyn Fn(&Path) -> Option<String>,
    ) {
        let Some(text) = source(file) else { return };
        let parsed =
            syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.add_items(place, parsed.items, dir, source);
    }

    fn add_items(
        &mut self,
        place: Place,
        items: Vec<Item>,
        dir: &Path,
        source: &dyn Fn(&Path) -> Option<String>,
    ) {
        let items: Vec<Item> = items.into_iter().flat_map(print::unwrapped).collect();
        for item in &items {
            let Item::Mod(module) = item else { continue };
            if print::left_out(&module.attrs) {
                continue;
            }
            let name = module.ident.to_string();
            let below = dir.join(&name);
            let mut inner = place.clone();
            inner.push(name.clone());
            let mut conditions = self.conditions(&place).to_vec();
            conditions.extend(print::conditions(&module.attrs));
            self.conditions.insert(inner.clone(), conditions);
            if let Some((_, content)) = &module.content {
                self.add_items(inner, content.clone(), &below, source);
                continue;
            }
            let candidates: [PathBuf; 2] = [dir.join(format!("{name}.rs")), below.join("mod.rs")];
            if let Some(file) = candidates.iter().find(|file| source(file).is_some()) {
                self.add_file(inner, file, &below, source);
            }
        }
        let bound = items.iter().flat_map(bindings).collect();
        self.bindings.insert(place.clone(), bound);
        self.modules.insert(place, items);
    }

    pub(crate) fn items(&self, place: &[String]) -> &[Item] {
        self.modules.get(place).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn conditions(&self, place: &[String]) -> &[String] {
        self.conditions.get(place).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn places(&self) -> impl Iterator<Item = &Place> {
        self.modules.keys()
    }

    /// Resolves `path` in the module at `place`.
    pub(crate) fn resolve(&self, place: &[String], path: &[String]) -> Target {
        self.resolve_within(place, path, 0)
    }

    fn resolve_within(&self, place: &[String], path: &[String], depth: usize) -> Target {
        let Some((first, rest)) = path.split_first() else {
            return Target::Module(place.to_vec());
        };
        // Re-exports that name each other end somewhere.
        if depth > 16 {
            return Target::Unknown;
        }
        match first.as_str() {
            "::" => return Target::Foreign(rest.to_vec()),
            "crate" => return self.resolve_within(&[], rest, depth + 1),
            "self" => return self.resolve_within(place, rest, depth + 1),
            "super" => {
                let parent = &place[..place.len().saturating_sub(1)];
                return self.resolve_within(parent, rest, depth + 1);
            }
            _ => {}
        }
        match self.named(place, first, depth) {
            Target::Module(module) => self.resolve_within(&module, rest, depth + 1),
            Target::Foreign(mut foreign) => {
                foreign.extend(rest.iter().cloned());
                Target::Foreign(foreign)
            }
            Target::Unknown
                if !rest.is_empty()
                    && first
                        .chars()
                        .all(|c| c.is_lowercase() || c == '_' || c.is_ascii_digit()) =>
            {
                Target::Foreign(path.to_vec())
            }
            found => found,
        }
    }

    fn named(&self, place: &[String], name: &str, depth: usize) -> Target {
        let here = self.items(place);
        if here
            .iter()
            .any(|item| print::name(item).is_some_and(|own| own == name))
        {
            let mut module = place.to_vec();
            module.push(name.to_owned());
            return if self.modules.contains_key(&module) {
                Target::Module(module)
            } else {
                Target::Item(place.to_vec(), name.to_owned())
            };
        }
        let bindings = self.bindings.get(place).map_or(&[][..], Vec::as_slice);
        if let Some(binding) = bindings.iter().find(|binding| binding.name == name) {
            // `use http;` names the crate.
            return if binding.path == [name] {
                Target::Foreign(binding.path.clone())
            } else {
                self.resolve_within(place, &binding.path, depth + 1)
            };
        }
        let globs = bindings.iter().filter(|binding| binding.name == "*");
        for glob in globs {
            if let Target::Module(module) = self.resolve_within(place, &glob.path, depth + 1) {
                let found = self.named(&module, name, depth + 1);
                if found != Target::Unknown {
                    return found;
                }
            }
        }
        Target::Unknown
    }
}

/// The names that an item binds, if it is a `use`; `*` for a glob.
pub(crate) fn bindings(item: &Item) -> Vec<Binding> {
    let Item::Use(item) = item else {
        return Vec::new();
    };
    let mut names = Vec::new();
    let mut prefix: Vec<String> = item.leading_colon.iter().map(|_| "::".to_owned()).collect();
    flatten(&item.tree, &mut prefix, &mut names);
    let bound = names.into_iter().map(|(name, path)| Binding { name, path });
    bound.collect()
}

fn flatten(tree: &UseTree, prefix: &mut Vec<String>, found: &mut Vec<(String, Vec<String>)>) {
    let with = |prefix: &[String], last: &syn::Ident| {
        let mut path = prefix.to_vec();
        if last != "self" {
            path.push(last.to_string());
        }
        path
    };
    match tree {
        UseTree::Path(path) => {
            prefix.push(path.ident.to_string());
            flatten(&path.tree, prefix, found);
            prefix.pop();
        }
        UseTree::Name(name) => {
            let path = with(prefix, &name.ident);
            found.push((path.last().cloned().unwrap_or_default(), path));
        }
        UseTree::Rename(name) => found.push((name.rename.to_string(), with(prefix, &name.ident))),
        UseTree::Glob(_) => found.push(("*".to_owned(), prefix.clone())),
        UseTree::Group(group) => group
            .items
            .iter()
            .for_each(|tree| flatten(tree, prefix, found)),
    }
}
