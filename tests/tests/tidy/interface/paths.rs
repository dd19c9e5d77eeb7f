//! The paths that stand in a signature, and the crates that they lead to.

use std::collections::BTreeSet;

use syn::visit::Visit;

use super::tree::{Place, Target, Tree};

/// The other crates, without the standard library, whose names a signature in the module at `place` uses.
pub(crate) fn foreign<T: Paths + ?Sized>(
    tree: &Tree,
    place: &Place,
    signature: &T,
) -> BTreeSet<String> {
    let mut found = Found::default();
    signature.visited(&mut found);
    let crates = found
        .0
        .iter()
        .filter_map(|path| match tree.resolve(place, path) {
            Target::Foreign(path) => path.first().cloned(),
            _ => None,
        });
    crates
        .filter(|name| !["std", "core", "alloc"].contains(&name.as_str()))
        .collect()
}

pub(crate) fn path_of(of: &syn::Type) -> Option<Vec<String>> {
    match of {
        syn::Type::Path(path) => Some(segments(&path.path)),
        _ => None,
    }
}

fn segments(path: &syn::Path) -> Vec<String> {
    let root = path.leading_colon.iter().map(|_| "::".to_owned());
    let names = path
        .segments
        .iter()
        .map(|segment| segment.ident.to_string());
    root.chain(names).collect()
}

/// The paths that stand in a piece of syntax.
#[derive(Default)]
pub(crate) struct Found(Vec<Vec<String>>);

impl<'ast> Visit<'ast> for Found {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.0.push(segments(path));
        syn::visit::visit_path(self, path);
    }
}

pub(crate) trait Paths {
    fn visited(&self, found: &mut Found);
}

macro_rules! visited {
    ($($kind:ty => $visit:ident),*) => {
        $(impl Paths for $kind {
            fn visited(&self, found: &mut Found) {
                found.$visit(self);
            }
        })*
    };
}

visited!(syn::Type => visit_type, syn::Signature => visit_signature, syn::Fields => visit_fields, syn::Path => visit_path);
