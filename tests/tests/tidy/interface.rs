//! The public interface of each crate is written down, so that a change of it is seen in review.
//!
//! The listing is read off the sources by `syn`, because rustdoc writes its JSON on nightly alone. It follows public
//! modules and re-exports from the root of a crate, and has a line for each item, field, variant, method and
//! implementation that a user can name, with its signature as it is written. It does not expand macros: the invocation
//! of one that makes items stands in the listing instead. It knows nothing of auto traits.

mod listing;
mod paths;
mod print;
mod tree;

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::{Package, crates, none_of, read, root};
use listing::Listing;
use tree::Tree;

/// Crates whose types may stand in public signatures, besides those of the family and the standard library.
const FOREIGN: [&str; 8] = [
    "bytes",
    "http",
    "http_body",
    "serde",
    "serde_json",
    "tokio",
    "tower_layer",
    "tower_service",
];

/// Further ones, with the crate whose signatures name them, and why.
const FURTHER: &[(&str, &str, &str)] = &[
    ("palisade", "axum", "feature axum"),
    ("palisade", "tokio_rustls", "feature tls"),
    ("palisade-auth", "axum", "the routes of a sign-in"),
    ("palisade-auth", "axum_core", "feature axum"),
    ("palisade-auth", "jsonwebtoken", "the names of algorithms"),
    ("palisade-auth", "redis", "feature redis"),
    ("palisade-breaker", "redis", "feature redis"),
    ("palisade-breaker", "reqwest", "feature reqwest"),
    (
        "palisade-breaker",
        "tower",
        "feature retry, whose policy is tower's",
    ),
    ("palisade-core", "axum_core", "feature axum"),
    ("palisade-core", "tracing", "the span of a request"),
    ("palisade-crypto", "aws_sdk_kms", "feature aws-kms"),
    (
        "palisade-crypto",
        "zeroize",
        "text of a key, which is wiped",
    ),
    ("palisade-headers", "axum_core", "feature axum"),
    ("palisade-ratelimit", "governor", "feature governor"),
    ("palisade-ratelimit", "redis", "feature redis"),
    ("palisade-secrets", "aws_sdk_secretsmanager", "feature aws"),
    ("palisade-secrets", "reqwest", "feature reqwest"),
    (
        "palisade-secrets",
        "secrecy",
        "the type of secrets that other crates take",
    ),
];

/// Set by `cargo xtask api`.
const WRITE: &str = "PALISADE_WRITE_API";

#[test]
fn the_public_interface_of_each_crate_is_written_down() {
    let write = std::env::var_os(WRITE).is_some();
    let mut problems = Vec::new();
    for package in crates() {
        let path = written(&package);
        let now = listing(&package).to_string();
        if write {
            fs::write(&path, &now).expect("docs/api can be written");
        }
        let before = fs::read_to_string(&path).unwrap_or_default();
        problems.extend(differences(&before, &now));
    }
    if !problems.is_empty() {
        problems.push(
            "`cargo xtask api` writes docs/api anew; a line with - is a breaking change".to_owned(),
        );
    }
    none_of(&problems);
}

#[test]
fn public_signatures_name_the_types_of_few_other_crates() {
    let ours: BTreeSet<String> = crates()
        .iter()
        .map(|package| package.name.replace('-', "_"))
        .collect();
    let mut problems = Vec::new();
    let mut needed = BTreeSet::new();
    for package in crates() {
        for (foreign, line) in &listing(&package).foreign {
            let further = FURTHER
                .iter()
                .find(|(user, name, _)| *user == package.name && name == foreign);
            if let Some(further) = further {
                needed.insert(*further);
            } else if !FOREIGN.contains(&foreign.as_str()) && !ours.contains(foreign) {
                problems.push(format!("{}: {foreign} in `{line}`", package.name));
            }
        }
    }
    let stale = FURTHER.iter().filter(|further| !needed.contains(*further));
    problems.extend(stale.map(|(user, name, _)| format!("{user} no longer names {name}")));
    none_of(&problems);
}

fn written(package: &Package) -> PathBuf {
    root()
        .join("docs/api")
        .join(format!("{}.txt", package.name))
}

/// The listing of a crate, made once for all tests.
fn listing(package: &Package) -> &'static Listing {
    static LISTINGS: OnceLock<HashMap<String, Listing>> = OnceLock::new();
    let listings = LISTINGS.get_or_init(|| {
        let made = crates().into_iter().map(|package| {
            let lib = package.dir.join("src/lib.rs");
            let tree = Tree::read(&lib, &|path| path.is_file().then(|| read(path)));
            let listing = Listing::of(&tree, &package.name.replace('-', "_"));
            (package.name, listing)
        });
        made.collect()
    });
    &listings[&package.name]
}

/// The lines that only one of the two has.
fn differences(before: &str, now: &str) -> Vec<String> {
    let (old, new): (BTreeSet<&str>, BTreeSet<&str>) =
        (before.lines().collect(), now.lines().collect());
    let gone = old.difference(&new).map(|line| format!("- {line}"));
    let come = new.difference(&old).map(|line| format!("+ {line}"));
    gone.chain(come).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(files: &[(&str, &str)]) -> Vec<String> {
        let tree = Tree::read(Path::new("lib.rs"), &|path| {
            let found = files.iter().find(|(name, _)| path == Path::new(name));
            found.map(|(_, text)| (*text).to_owned())
        });
        Listing::of(&tree, "x").lines.into_iter().collect()
    }

    #[test]
    fn what_a_private_module_hands_on_is_listed_under_its_public_name() {
        let lib = "mod a; pub use a::{Limit as Bound, Hidden as _}; pub use http::Method; use a::Private;";
        let a = "/// Docs.\n#[derive(Clone)] pub struct Limit { pub most: u32, left: u32 }\n\
                 impl Limit { pub fn new(most: u32) -> Self { Self { most, left: 0 } } fn own(&self) {} }\n\
                 pub struct Private; pub trait Hidden {}";
        let expected = [
            "impl Clone for x::Bound",
            "pub field x::Bound::most: u32",
            "pub fn x::Bound::new(most: u32) -> Self",
            "pub struct x::Bound { .. }",
            "pub use http::Method as x::Method",
        ];
        assert_eq!(listed(&[("lib.rs", lib), ("a.rs", a)]), expected);
    }

    #[test]
    fn globs_nested_modules_and_features_are_followed() {
        let lib = "pub mod b; mod c; pub use c::*;";
        let b = "#[cfg(feature = \"redis\")] pub fn f<T: Into<u8>>(t: &mut T) where T: Copy {}\n\
                 #[cfg(test)] mod tests { pub fn no() {} } #[doc(hidden)] pub fn no() {} pub(crate) fn no2() {}";
        let c = "#[non_exhaustive] pub enum E { A, B(u8), C { at: u64 } } pub trait T: Send { const N: usize; fn g(&self) {} fn h(); }\n\
                 impl<'a> From<&'a str> for E { fn from(_: &'a str) -> E { E::A } }";
        let expected = [
            "#[non_exhaustive] pub enum x::E",
            "impl<'a> From<&'a str> for x::E",
            "pub fn x::b::f<T: Into<u8>>(t: &mut T) where T: Copy [feature = \"redis\"]",
            "pub trait x::T: Send",
            "trait const x::T::N: usize",
            "trait fn x::T::g(&self) provided",
            "trait fn x::T::h()",
            "variant x::E::A",
            "variant x::E::B(u8)",
            "variant x::E::C { at: u64 }",
        ];
        assert_eq!(
            listed(&[("lib.rs", lib), ("b.rs", b), ("c.rs", c)]),
            expected
        );
    }

    #[test]
    fn a_foreign_type_in_a_signature_is_found_under_the_name_of_its_crate() {
        let lib = "use http::Method as M; use std::time::Duration;\n\
                   pub fn f(m: M, d: Duration) -> Option<bytes::Bytes> { None } fn g(_: serde_json::Value) {}";
        let tree = Tree::read(Path::new("lib.rs"), &|_| Some(lib.to_owned()));
        let foreign = Listing::of(&tree, "x").foreign;
        let names: Vec<&str> = foreign.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["bytes", "http"]);
    }

    #[test]
    fn documentation_among_the_tokens_of_a_macro_is_no_interface() {
        let lib = "mod a; pub use a::Word;";
        let a = "words! { /// One \"word\" [of many].\n Word { First } }";
        assert_eq!(
            listed(&[("lib.rs", lib), ("a.rs", a)]),
            ["pub use words! { Word { First } } as x::Word"]
        );
    }

    #[test]
    fn a_changed_signature_is_one_line_gone_and_one_come() {
        assert_eq!(
            differences("a\nb(u8)\n", "a\nb(u16)\n"),
            ["- b(u8)", "+ b(u16)"]
        );
    }
}
