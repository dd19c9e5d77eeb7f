//! The lines of one crate's listing.

mod items;

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use syn::Item;

use super::paths::{Paths, foreign, path_of};
use super::print;
use super::tree::{Place, Target, Tree, bindings};

pub(crate) struct Listing {
    pub(crate) lines: BTreeSet<String>,
    /// The other crates that signatures name, with a line that does.
    pub(crate) foreign: BTreeSet<(String, String)>,
}

impl Listing {
    pub(crate) fn of(tree: &Tree, name: &str) -> Self {
        let mut walk = Walk {
            tree,
            listing: Self {
                lines: BTreeSet::new(),
                foreign: BTreeSet::new(),
            },
            entered: BTreeSet::new(),
            names: HashMap::new(),
        };
        walk.module(&Vec::new(), name, &[]);
        walk.implementations();
        walk.listing
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// A public name, and the conditions under which it is there.
type Named = (String, Vec<String>);

struct Walk<'a> {
    tree: &'a Tree,
    listing: Listing,
    /// The modules that were entered, by their public names.
    entered: BTreeSet<(Place, String)>,
    /// The public names of each listed type, with the conditions of each.
    names: HashMap<(Place, String), Vec<Named>>,
}

impl Walk<'_> {
    fn module(&mut self, place: &Place, public: &str, conditions: &[String]) {
        if !self.entered.insert((place.clone(), public.to_owned())) {
            return;
        }
        for item in self.tree.items(place) {
            if print::left_out(print::attrs(item)) {
                continue;
            }
            let conditions = join(conditions, print::conditions(print::attrs(item)));
            if let Some(made) = invocation(item, "pub") {
                self.line(format!("{made} in {public}"), &conditions);
            }
            if !print::is_public(item) {
                continue;
            }
            for binding in bindings(item) {
                self.binding(place, &binding.name, &binding.path, public, &conditions);
            }
            let Some(name) = print::name(item).map(ToString::to_string) else {
                continue;
            };
            let named = format!("{public}::{name}");
            let target = if matches!(item, Item::Mod(_)) {
                Target::Module(join(place, vec![name]))
            } else {
                Target::Item(place.clone(), name)
            };
            self.target(target, &named, &conditions);
        }
    }

    fn binding(
        &mut self,
        place: &Place,
        name: &str,
        path: &[String],
        public: &str,
        conditions: &[String],
    ) {
        let target = self.tree.resolve(place, path);
        match (name, target) {
            // A trait that is in scope without a name is no part of the interface.
            ("_", _) => {}
            ("*", Target::Module(module)) => self.module(&module, public, conditions),
            ("*", _) => self.line(
                format!("pub use {}::* in {public}", path.join("::")),
                conditions,
            ),
            (_, Target::Unknown) => {
                self.made_by_a_macro(place, path, &format!("{public}::{name}"), conditions);
            }
            (_, target) => self.target(target, &format!("{public}::{name}"), conditions),
        }
    }

    fn target(&mut self, target: Target, public: &str, conditions: &[String]) {
        match target {
            Target::Module(module) => self.module(&module, public, conditions),
            Target::Foreign(path) => self.line(
                format!("pub use {} as {public}", path.join("::")),
                conditions,
            ),
            Target::Item(place, name) => {
                let known = self.names.entry((place.clone(), name.clone())).or_default();
                if known.iter().any(|(known, _)| known == public) {
                    return;
                }
                known.push((public.to_owned(), conditions.to_vec()));
                let items = self.tree.items(&place);
                for item in items
                    .iter()
                    .filter(|item| print::name(item).is_some_and(|own| *own == name))
                {
                    let conditions = join(conditions, print::conditions(print::attrs(item)));
                    self.item(item, &place, public, &conditions);
                }
            }
            Target::Unknown => {}
        }
    }

    /// The implementations of the types that were listed, wherever they stand.
    fn implementations(&mut self) {
        let tree = self.tree;
        for place in tree.places() {
            for item in tree.items(place) {
                let Item::Impl(item) = item else { continue };
                if print::left_out(&item.attrs) {
                    continue;
                }
                let Some(path) = path_of(&item.self_ty) else {
                    continue;
                };
                let Target::Item(module, name) = tree.resolve(place, &path) else {
                    continue;
                };
                for (public, conditions) in
                    self.names.get(&(module, name)).cloned().unwrap_or_default()
                {
                    let conditions = join(&conditions, tree.conditions(place).to_vec());
                    let conditions = join(&conditions, print::conditions(&item.attrs));
                    self.implementation(item, place, &public, &conditions);
                }
            }
        }
    }

    /// The invocation that makes what `path` names, or the path itself where none is found.
    fn made_by_a_macro(
        &mut self,
        place: &Place,
        path: &[String],
        public: &str,
        conditions: &[String],
    ) {
        let Some((name, module)) = path.split_last() else {
            return;
        };
        let tree = self.tree;
        let mut made = Vec::new();
        if let Target::Module(module) = tree.resolve(place, module) {
            let items = tree.items(&module).iter();
            made.extend(items.filter_map(|item| invocation(item, name)));
        }
        if made.is_empty() {
            made.push(path.join("::"));
        }
        for made in made {
            self.line(format!("pub use {made} as {public}"), conditions);
        }
    }

    /// A line whose types count among those that stand in signatures.
    fn signed<T: Paths + ?Sized>(
        &mut self,
        place: &Place,
        signature: &T,
        line: String,
        conditions: &[String],
    ) {
        for name in foreign(self.tree, place, signature) {
            self.listing.foreign.insert((name, line.clone()));
        }
        self.line(line, conditions);
    }

    fn line(&mut self, line: String, conditions: &[String]) {
        let suffix = if conditions.is_empty() {
            String::new()
        } else {
            format!(" [{}]", conditions.join(", "))
        };
        self.listing.lines.insert(line + &suffix);
    }
}

/// An invocation that makes items of its own and holds this word.
fn invocation(item: &Item, word: &str) -> Option<String> {
    let Item::Macro(item) = item else { return None };
    let tokens = print::undocumented(&print::tokens(&item.mac.tokens));
    let mut words = tokens.split(|c: char| !c.is_alphanumeric() && c != '_');
    let found = item.ident.is_none() && words.any(|found| found == word);
    found.then(|| format!("{}! {{ {tokens} }}", print::tokens(&item.mac.path)))
}

fn join(outer: &[String], inner: Vec<String>) -> Vec<String> {
    let mut all = outer.to_vec();
    let new: Vec<String> = inner
        .into_iter()
        .filter(|condition| !all.contains(condition))
        .collect();
    all.extend(new);
    all
}
