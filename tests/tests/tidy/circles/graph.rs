//! The imports between files, and the ways that lead back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::module::{self, Module};

type Imports = BTreeMap<PathBuf, BTreeSet<PathBuf>>;

/// The modules under one root, each with its file, by their paths such as `["store", "memory"]`.
pub(super) struct Tree {
    modules: BTreeMap<module::Path, (PathBuf, Module)>,
}

impl Tree {
    /// Reads the root and what it declares, as the compiler does; `source` is the text of a file, if there is one.
    pub(super) fn read(root: &Path, source: &dyn Fn(&Path) -> Option<String>) -> Self {
        let mut tree = Self {
            modules: BTreeMap::new(),
        };
        let dir = root.parent().unwrap_or(root);
        let text = source(root).unwrap_or_default();
        tree.add(&[], root, dir, Module::read(&text), source);
        tree
    }

    fn add(
        &mut self,
        path: &[String],
        file: &Path,
        dir: &Path,
        mut module: Module,
        source: &dyn Fn(&Path) -> Option<String>,
    ) {
        let child = |name: &String| [path, std::slice::from_ref(name)].concat();
        for (name, inner) in std::mem::take(&mut module.inner) {
            self.add(&child(&name), file, &dir.join(&name), inner, source);
        }
        for name in &module.declared {
            let own_dir = dir.join(name);
            for file in [own_dir.with_extension("rs"), own_dir.join("mod.rs")] {
                if let Some(text) = source(&file) {
                    self.add(&child(name), &file, &own_dir, Module::read(&text), source);
                }
            }
        }
        self.modules
            .insert(path.to_vec(), (file.to_owned(), module));
    }

    /// The circles among the files.
    pub(super) fn circles(&self) -> Vec<Vec<PathBuf>> {
        let mut imports = Imports::new();
        for (path, (file, module)) in &self.modules {
            let targets = module
                .taken
                .iter()
                .filter_map(|taken| self.defining(path, taken, 0))
                .filter(|target| *target != file);
            imports
                .entry(file.clone())
                .or_default()
                .extend(targets.cloned());
        }
        let mut seen = BTreeSet::new();
        let mut circles = Vec::new();
        for start in imports.keys() {
            if !seen.contains(start)
                && let Some(circle) = way_back(&imports, start)
            {
                seen.extend(circle.iter().cloned());
                circles.push(circle);
            }
        }
        circles
    }

    /// The file that defines what `taken` names in the module `from`; `None` for what no file here defines.
    fn defining(&self, from: &[String], taken: &[String], depth: u8) -> Option<&PathBuf> {
        // Names that are handed on in a circle lead nowhere.
        if depth > 16 {
            return None;
        }
        let mut at = from.to_vec();
        for (position, word) in taken.iter().enumerate() {
            match word.as_str() {
                "crate" => at.clear(),
                "self" => {}
                "super" => drop(at.pop()?),
                name => {
                    let child = [&at[..], std::slice::from_ref(word)].concat();
                    if self.modules.contains_key(&child) {
                        at = child;
                        continue;
                    }
                    let (file, module) = self.modules.get(&at)?;
                    return match module.handed_on.get(name) {
                        // Part of the public interface.
                        Some(_) if at.is_empty() && position > 0 => None,
                        Some(path) => {
                            let whole = [&path[..], &taken[position + 1..]].concat();
                            self.defining(&at, &whole, depth + 1)
                        }
                        // Another crate, or something of this file.
                        None if position == 0 => None,
                        None if module.defined.contains(name) => Some(file),
                        None => self.through_globs(&at, module, name, depth).or(Some(file)),
                    };
                }
            }
        }
        // A module by itself: what is taken from it follows elsewhere.
        None
    }

    /// The file that defines a name which a module hands on with all names of another.
    fn through_globs(
        &self,
        at: &[String],
        module: &Module,
        name: &str,
        depth: u8,
    ) -> Option<&PathBuf> {
        module.globs.iter().find_map(|glob| {
            let taken = [glob, &[name.to_owned()][..]].concat();
            let file = self.defining(at, &taken, depth + 1)?;
            let mut modules = self.modules.values();
            let defines =
                |(path, module): &(PathBuf, Module)| path == file && module.defined.contains(name);
            modules.any(defines).then_some(file)
        })
    }
}

/// The shortest way from a file back to itself.
fn way_back(imports: &Imports, start: &PathBuf) -> Option<Vec<PathBuf>> {
    let mut ways = vec![vec![start.clone()]];
    let mut reached = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            let targets = way.last().and_then(|last| imports.get(last));
            for next in targets.into_iter().flatten() {
                if next == start {
                    return Some(way);
                }
                if reached.insert(next) {
                    longer.push([&way[..], std::slice::from_ref(next)].concat());
                }
            }
        }
        ways = longer;
    }
    None
}
