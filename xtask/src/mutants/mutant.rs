//! The mutants that cargo-mutants lists.

/// One change, as a line of `cargo mutants --list` describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mutant {
    /// Relative to the root of the workspace.
    pub(super) file: String,
    pub(super) line: usize,
    /// Counts characters from 1.
    pub(super) column: usize,
    pub(super) change: Change,
    /// The line without the position, which changes with everything above it.
    pub(super) name: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// The function returns this instead.
    Body(String),
    /// A binary operator becomes this one.
    Operator(String),
    /// A `!` or `-` is left out.
    Unary,
    /// An arm of a match is left out.
    Arm,
    /// The guard of an arm is this.
    Guard(bool),
    /// A field of a struct has the value of the base.
    Field,
}

impl Mutant {
    /// Reads a line such as `crates/a/src/b.rs:7:12: replace < with <= in f`.
    pub(super) fn read(line: &str) -> Option<Self> {
        let mut parts = line.splitn(4, ':');
        let file = parts.next()?;
        let row = parts.next()?.parse().ok()?;
        let column = parts.next()?.parse().ok()?;
        let what = parts.next()?;
        Some(Self {
            file: file.to_owned(),
            line: row,
            column,
            change: Change::read(what.trim_start())?,
            name: format!("{file}:{what}"),
        })
    }
}

impl Change {
    fn read(what: &str) -> Option<Self> {
        if let Some(guard) = what.strip_prefix("replace match guard ") {
            let always = guard.rfind(" with true");
            let never = guard.rfind(" with false");
            return (always.or(never).is_some()).then_some(Self::Guard(always > never));
        }
        if what.starts_with("delete match arm ") {
            return Some(Self::Arm);
        }
        if what.starts_with("delete field ") {
            return Some(Self::Field);
        }
        if what.starts_with("delete ") {
            return Some(Self::Unary);
        }
        let (old, new) = what.strip_prefix("replace ")?.split_once(" with ")?;
        if old.chars().all(|c| c.is_ascii_punctuation()) {
            let operator = new.split_once(' ').map_or(new, |(operator, _)| operator);
            return Some(Self::Operator(operator.to_owned()));
        }
        Some(Self::Body(new.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(what: &str) -> Option<Change> {
        Mutant::read(&format!("crates/a/src/b.rs:7:12: {what}")).map(|mutant| mutant.change)
    }

    #[test]
    fn a_line_of_the_list_says_where_and_what() {
        let mutant = Mutant::read("crates/a/src/b.rs:7:12: replace < with <= in f").unwrap();
        assert_eq!(mutant.file, "crates/a/src/b.rs");
        assert_eq!((mutant.line, mutant.column), (7, 12));
        assert_eq!(mutant.change, Change::Operator("<=".to_owned()));
        assert_eq!(mutant.name, "crates/a/src/b.rs: replace < with <= in f");
        assert_eq!(Mutant::read("Found 3 mutants"), None);
    }

    #[test]
    fn every_kind_of_change_is_told_apart() {
        let body = |text: &str| Some(Change::Body(text.to_owned()));
        assert_eq!(change("replace f -> bool with true"), body("true"));
        assert_eq!(
            change("replace <impl Layer<S> for A>::f with ()"),
            body("()")
        );
        assert_eq!(change("delete ! in f"), Some(Change::Unary));
        assert_eq!(
            change("delete match arm Some(\"a with b\") in f"),
            Some(Change::Arm)
        );
        assert_eq!(
            change("replace match guard x < 3 with true in f"),
            Some(Change::Guard(true))
        );
        assert_eq!(
            change("replace match guard x < 3 with false in f"),
            Some(Change::Guard(false))
        );
        assert_eq!(
            change("delete field a from struct A expression in f"),
            Some(Change::Field)
        );
    }
}
