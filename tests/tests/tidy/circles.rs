//! No two files of a package import each other, directly or through others.
//!
//! A file imports another if its code names something that is defined there: in a `use`, or by a path that begins at
//! `crate`, `self`, `super`, a child or an imported name. A name is followed through the modules that hand it on to the
//! file that defines it, so a module that declares and re-exports its children imports none of them, unless its own code
//! uses them. A name that the root of the crate hands on is one of its public interface, where builders and what they
//! build name each other, and is not followed. What is compiled for tests alone and documentation do not count.

mod graph;
mod module;
mod tokens;

use std::fs;
use std::path::{Path, PathBuf};

use crate::{files, none_of, packages, shown};
use graph::Tree;

#[test]
fn no_files_import_each_other_in_a_circle() {
    let mut problems = Vec::new();
    for package in packages() {
        for root in roots(&package.dir.join("src")) {
            let tree = Tree::read(&root, &|file| fs::read_to_string(file).ok());
            let circles = tree.circles().into_iter().map(|circle| {
                let names: Vec<String> = circle.iter().map(|file| shown(file)).collect();
                names.join(" -> ")
            });
            problems.extend(circles);
        }
    }
    none_of(&problems);
}

/// The library, and each program: roots of their own, even if they lie side by side.
fn roots(src: &Path) -> Vec<PathBuf> {
    let bin = src.join("bin");
    let programs = files(&bin, ".rs").into_iter().filter(|file| {
        let dir = file.parent();
        let has_own_dir = file.ends_with("main.rs") && dir.and_then(Path::parent) == Some(&bin);
        dir == Some(&bin) || has_own_dir
    });
    let beside = ["lib.rs", "main.rs"].map(|name| src.join(name));
    let beside = beside.into_iter().filter(|file| file.is_file());
    beside.chain(programs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_circles(sources: &[(&str, &str)], circles: &[&[&str]]) {
        let source = |file: &Path| {
            let known = sources.iter().find(|(name, _)| Path::new(name) == file);
            known.map(|(_, text)| (*text).to_owned())
        };
        let found = Tree::read(Path::new(sources[0].0), &source).circles();
        let expected: Vec<Vec<PathBuf>> = circles
            .iter()
            .map(|circle| circle.iter().map(PathBuf::from).collect())
            .collect();
        assert_eq!(found, expected);
    }

    const LIB: (&str, &str) = ("lib.rs", "mod a; mod b; pub use a::A; pub use b::B;");
    const B: (&str, &str) = ("b.rs", "pub struct B(Option<Box<crate::a::A>>);");

    #[test]
    fn two_files_that_need_each_other_are_a_circle() {
        let a = ("a.rs", "use crate::b::B; pub struct A(B);");
        assert_circles(&[LIB, a, B], &[&["a.rs", "b.rs"]]);
    }

    #[test]
    fn a_longer_way_back_is_one_too() {
        let sources = [
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", "use super::b::{B, self}; pub fn a() {}"),
            ("b.rs", "use crate::c::*; pub struct B;"),
            ("c.rs", "pub fn c() { crate::a::a() }"),
        ];
        assert_circles(&sources, &[&["a.rs", "b.rs", "c.rs"]]);
    }

    #[test]
    fn a_path_from_an_imported_module_is_followed() {
        let pointer = ("a.rs", "pub struct A; type P = *const crate::b::B;");
        assert_circles(&[LIB, pointer, B], &[&["a.rs", "b.rs"]]);
        for import in ["super::b", "crate::{b}", "crate::b::{self}"] {
            let text = format!("use {import}; pub struct A; fn a() {{ b::b() }}");
            assert_circles(&[LIB, ("a.rs", &text), B], &[&["a.rs", "b.rs"]]);
        }
        let renamed = ("a.rs", "use crate::b as other; struct A(other::B);");
        assert_circles(&[LIB, renamed, B], &[&["a.rs", "b.rs"]]);
        let unused = ("a.rs", "use crate::b; pub struct A;");
        assert_circles(&[LIB, unused, B], &[]);
    }

    #[test]
    fn a_path_from_a_child_is_followed() {
        let child = ("a/child.rs", "use super::A; pub fn child(_: A) {}");
        for used in ["child::child", "self::child::child"] {
            let text = format!("mod child; pub struct A; fn a() {{ {used}(A) }}");
            let sources = [("lib.rs", "mod a;"), ("a.rs", &*text), child];
            assert_circles(&sources, &[&["a/child.rs", "a.rs"]]);
        }
    }

    #[test]
    fn declaring_and_handing_on_is_no_import() {
        let sources = [
            ("lib.rs", "mod a; pub use a::{A, child::B};"),
            (
                "a/mod.rs",
                "pub mod child; pub use self::child::B as Handed; pub(crate) use child::limit; pub struct A { limit: u8 }",
            ),
            ("a/child.rs", "use super::A; pub struct B(A);"),
        ];
        assert_circles(&sources, &[]);
    }

    #[test]
    fn using_what_one_hands_on_is_an_import() {
        let child = (
            "a/child.rs",
            "use super::A; pub struct B(A); pub fn limit() {}",
        );
        for (handed_on, used) in [
            ("B", "B"),
            ("B as Other", "Other"),
            ("limit", "[limit(); 1]"),
        ] {
            let text =
                format!("mod child; pub use child::{handed_on}; pub struct A; type C = {used};");
            let sources = [("lib.rs", "mod a;"), ("a/mod.rs", &*text), child];
            assert_circles(&sources, &[&["a/child.rs", "a/mod.rs"]]);
        }
    }

    #[test]
    fn a_name_is_followed_to_the_file_that_defines_it() {
        let sources = [
            ("lib.rs", "mod a; mod b; mod hand;"),
            ("hand.rs", "pub use crate::a::A;"),
            ("a.rs", "pub struct A; fn a(_: crate::b::B) {}"),
            ("b.rs", "use crate::hand; pub struct B(hand::A);"),
        ];
        assert_circles(&sources, &[&["a.rs", "b.rs"]]);
    }

    #[test]
    fn files_that_reach_each_other_through_their_parent_are_a_circle() {
        let x = ("a/x.rs", "use super::y::Y; pub struct X(Y);");
        for handed_on in [
            "pub use self::x::X;",
            "pub(crate) use x::{X, self};",
            "use x::X;",
            "pub use x::*;",
            "pub use self::{x::*, y::Y};",
            "pub use self::again::*; mod again { pub use super::x::*; }",
        ] {
            let parent = format!("mod x; mod y; {handed_on} pub struct A;");
            for taken in ["use super::X; fn y(_: X) {}", "fn y(_: super::X) {}"] {
                let y = format!("{taken} pub struct Y;");
                let sources = [
                    ("lib.rs", "mod a;"),
                    ("a/mod.rs", &*parent),
                    x,
                    ("a/y.rs", &*y),
                ];
                assert_circles(&sources, &[&["a/x.rs", "a/y.rs"]]);
            }
        }
    }

    #[test]
    fn a_parent_defines_its_own_names_beside_those_that_it_hands_on() {
        for own in [
            "pub struct A;",
            "pub const A: u8 = 1;",
            "pub const fn A() {}",
            "macro_rules! A { () => {} }",
        ] {
            let parent = format!("mod x; mod y; pub use x::*; {own}");
            let sources = [
                ("lib.rs", "mod a;"),
                ("a/mod.rs", &*parent),
                ("a/x.rs", "use super::y::Y; pub struct X(Y);"),
                ("a/y.rs", "use super::A; pub struct Y;"),
            ];
            assert_circles(&sources, &[]);
        }
    }

    #[test]
    fn what_the_root_hands_on_is_public() {
        let a = ("a.rs", "pub struct A; fn a(_: crate::B) {}");
        assert_circles(&[LIB, a, B], &[]);
        let root = ("lib.rs", "mod a; pub use a::A; pub struct Own(A);");
        let a = ("a.rs", "pub struct A; fn a(_: crate::Own) {}");
        assert_circles(&[root, a], &[&["a.rs", "lib.rs"]]);
    }

    #[test]
    fn a_module_within_a_file_is_part_of_it() {
        let a = (
            "a.rs",
            "pub struct A; mod inner { use super::A; use super::super::b::B; }",
        );
        assert_circles(&[LIB, a, B], &[&["a.rs", "b.rs"]]);
        let own = ("a.rs", "pub struct A; mod b { use super::A; struct B(A); }");
        assert_circles(&[LIB, own, B], &[]);
    }

    #[test]
    fn a_program_beside_a_library_is_a_root_of_its_own() {
        let a = ("a.rs", "pub fn a() { crate::main_only() }");
        let library = ("lib.rs", "mod a; pub fn lib() { a::a() }");
        let program = ("main.rs", "fn main() { package::lib() }");
        assert_circles(&[library, program, a], &[&["a.rs", "lib.rs"]]);
        assert_circles(&[program, library, a], &[]);
    }

    #[test]
    fn what_is_compiled_for_tests_alone_does_not_count() {
        for item in [
            "#[cfg(test)] mod tests { use crate::b::B; }",
            "#[cfg(test)] #[allow(dead_code)] use crate::b::{B, self};",
            "#[cfg(all(test, not(loom)))] pub(crate) fn f(_: [u8; 3], b: crate::b::B) -> u8 { 1 }",
            "struct C { #[cfg(test)] b: crate::b::B, c: u8 }",
            "struct C { #[cfg(any(test, all(test, unix)))] b: Vec<crate::b::B> }",
            "#[cfg(test)] const C: crate::b::B = crate::b::B { b: 1 };",
            "#[cfg(test)] mod b;",
        ] {
            let text = format!("pub struct A; {item}");
            assert_circles(&[LIB, ("a.rs", &text), B], &[]);
            let followed = format!("{text} fn b() {{ crate::b::b() }}");
            assert_circles(&[LIB, ("a.rs", &followed), B], &[&["a.rs", "b.rs"]]);
        }
        let whole = ("a.rs", "#![cfg(test)] use crate::b::B; pub struct A(B);");
        assert_circles(&[LIB, whole, B], &[]);
    }

    #[test]
    fn what_is_compiled_elsewhere_too_does_count() {
        for condition in ["not(test)", "any(test, unix)", "all(unix, not(test))"] {
            let text = format!("pub struct A; #[cfg({condition})] use crate::b::B;");
            assert_circles(&[LIB, ("a.rs", &text), B], &[&["a.rs", "b.rs"]]);
        }
    }

    #[test]
    fn comments_and_texts_are_no_code() {
        for text in [
            "/// See [`crate::b::B`].\npub struct A; // crate::b::B",
            "pub struct A; /* /* */ crate::b::B */",
            r##"const A: &str = "\" crate::b::B"; const B: &str = r#"" crate::b::B"#;"##,
            "#[doc = \"b\"] fn a<'a>(c: &'a str) { c.b::<u8>() == '\"' }",
        ] {
            assert_circles(&[LIB, ("a.rs", text), B], &[]);
        }
        for before in ["'\"'", "'\\''", "b'\\\\'", "&'a u8", "\"//\""] {
            let text = format!("const A: u8 = {before}; use crate::b::B;");
            assert_circles(&[LIB, ("a.rs", &text), B], &[&["a.rs", "b.rs"]]);
        }
    }
}
