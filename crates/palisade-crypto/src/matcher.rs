//! Fields found on the way through a document.

use std::ops::Range;

use crate::fields::{Fields, Segment, Step};
use crate::lengths::Lengths;

/// The position of a walk through a document in the patterns: how many of the segments of each are behind it.
pub(crate) struct Matcher<'f> {
    fields: &'f Fields,
    has_deep_names: bool,
    lengths: Lengths,
    /// Of all levels from the root to here, the deepest last: (pattern, segments behind).
    states: Vec<(u32, u32)>,
}

/// The states of one level.
pub(crate) type Level = Range<usize>;

impl<'f> Matcher<'f> {
    pub(crate) fn new(fields: &'f Fields) -> Self {
        Self {
            fields,
            has_deep_names: fields.has_deep_names(),
            lengths: fields.lengths(),
            // Room for a few patterns over a few levels.
            states: Vec::with_capacity(fields.others().len() * 6),
        }
    }

    /// The level of the document itself, and whether it is a field.
    pub(crate) fn root(&mut self) -> (Level, bool) {
        let mut hit = false;
        for pattern in 0..self.fields.others().len() {
            hit |= self.reach(0, pattern, 0);
        }
        (0..self.states.len(), hit)
    }

    /// Whether no name of this length below `parent` is a field or leads any pattern on. `None` is a length that is not
    /// known. The level below such a name is empty; names that are looked for at any depth need no state there.
    #[inline]
    pub(crate) fn rules_out(&self, parent: &Level, len: Option<usize>) -> bool {
        (parent.is_empty() && !self.has_deep_names)
            || len.is_some_and(|len| !self.lengths.contain(len))
    }

    /// The level one step below `parent`, and whether it is a field. It replaces all levels below the parent.
    pub(crate) fn step(&mut self, parent: &Level, step: Step<'_>) -> (Level, bool) {
        let start = parent.end;
        let mut hit = matches!(step, Step::Name(name) if self.fields.is_deep_name(name));
        self.states.truncate(start);
        for at in parent.clone() {
            let (pattern, behind) = self.states[at];
            let (pattern, behind) = (pattern as usize, behind as usize);
            let next = match (self.fields.others()[pattern].get(behind), step) {
                (Some(Segment::Deep), _) => behind,
                (Some(Segment::Any), _) | (Some(Segment::Element), Step::Element) => behind + 1,
                (Some(Segment::Name(name)), Step::Name(step)) if **name == *step => behind + 1,
                _ => continue,
            };
            hit |= self.reach(start, pattern, next);
        }
        (start..self.states.len(), hit)
    }

    /// Adds a state to the level that starts at `start`, and those that `**` lets it reach without a step.
    fn reach(&mut self, start: usize, pattern: usize, mut behind: usize) -> bool {
        let segments = &self.fields.others()[pattern];
        loop {
            // Patterns and their segments are counted in usize; more than 2^32 of them do not fit into memory.
            let state = (pattern as u32, behind as u32);
            if !self.states[start..].contains(&state) {
                self.states.push(state);
            }
            match segments.get(behind) {
                None => return true,
                Some(Segment::Deep) => behind += 1,
                Some(_) => return false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether `path` is a field, where `[]` is an element and everything else a name.
    fn hits(fields: &Fields, path: &str) -> bool {
        let mut matcher = Matcher::new(fields);
        let (mut level, mut hit) = matcher.root();
        for step in path.split('/').skip(1) {
            let step = if step == "[]" {
                Step::Element
            } else {
                Step::Name(step)
            };
            (level, hit) = matcher.step(&level, step);
        }
        hit
    }

    #[test]
    fn patterns_match_as_they_are_written() {
        for (pattern, yes, no) in [
            ("/email", "/email", "/user/email"),
            ("email", "/user/email", "/user/email/x"),
            ("**/email", "/email", "/Email"),
            ("/users/[]/email", "/users/[]/email", "/users/x/email"),
            ("/users/*/email", "/users/x/email", "/users/x/y/email"),
            ("/a/**/z", "/a/b/[]/z", "/b/a/z"),
            ("/a/**/z", "/a/z", "/a/z/y"),
            ("/a/**/b/**/z", "/a/x/b/b/z", "/a/x/z"),
            ("/a/**", "/a/b/c", "/b"),
            ("", "", "/a"),
        ] {
            let fields = Fields::paths([pattern]);
            assert!(hits(&fields, yes), "{pattern} should match {yes}");
            assert!(!hits(&fields, no), "{pattern} should not match {no}");
        }
    }

    #[test]
    fn the_default_names_are_found_at_any_depth() {
        for name in [
            "password_hash",
            "email",
            "phone",
            "credit_card",
            "ssn",
            "api_key",
            "secret",
        ] {
            assert!(hits(&Fields::DEFAULT_SENSITIVE, &format!("/a/[]/{name}")));
        }
        assert!(!hits(&Fields::DEFAULT_SENSITIVE, "/emails"));
    }

    #[test]
    fn names_are_ruled_out_by_their_length_only_where_no_pattern_takes_any() {
        let long = "x".repeat(80);
        for (patterns, len, expected) in [
            (vec!["/email"], 5, false),
            (vec!["/email"], 4, true),
            (vec!["/users/[]/email"], 4, true),
            (vec!["/users/*/email"], 4, false),
            (vec!["/a/**"], 4, false),
            (vec!["ssn"], 4, true),
            (vec!["ssn", "/card"], 4, false),
            (vec!["/a~1b"], 3, false),
            (vec![&*long], 63, false),
            (vec![&*long], 1_000, false),
            (vec!["/email"], 1_000, true),
        ] {
            let fields = Fields::paths(&patterns);
            let mut matcher = Matcher::new(&fields);
            let (root, _) = matcher.root();
            let ruled_out = matcher.rules_out(&root, Some(len));
            assert_eq!(ruled_out, expected, "{patterns:?}, {len}");
            assert!(!matcher.rules_out(&root, None) || root.is_empty());
        }
    }
}
