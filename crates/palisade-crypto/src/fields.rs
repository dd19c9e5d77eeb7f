use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use palisade_core::Problems;

use crate::Error;
use crate::lengths::Lengths;

/// The fields of a document that are sealed.
///
/// A pattern is a path with a slash before each step. A step is the name of a member, `[]` for any element of an
/// array, `*` for any one step, or `**` for any number of steps. A pattern without a slash at its start is looked for
/// at any depth: `email` means `**/email`. Names match exactly, case included. In a name `~0` stands for `~`, `~1` for
/// `/`, `~2` for `[` and `~3` for `*`. The empty pattern is the document as a whole.
///
/// A field that matches is sealed whole, be it a text, a number, `null`, an array or an object.
///
/// # Example
///
/// ```
/// use palisade_crypto::Fields;
///
/// let fields = Fields::paths(["/users/[]/email", "**/ssn"]);
/// assert_eq!(fields, Fields::try_paths(["/users/[]/email", "ssn"])?);
/// assert!(Fields::try_paths(["users[].email"]).is_err());
/// # Ok::<(), palisade_crypto::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Fields(Kind);

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    Names(&'static [&'static str]),
    Patterns(Arc<Patterns>),
}

#[derive(PartialEq, Eq)]
struct Patterns {
    /// Of the patterns `**/name`, which need no state.
    names: Vec<Box<str>>,
    others: Vec<Vec<Segment>>,
    lengths: Lengths,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    Name(Box<str>),
    Element,
    Any,
    Deep,
}

impl Segment {
    /// Returns the lengths of the names that it takes.
    fn lengths(&self) -> Lengths {
        match self {
            Self::Name(name) => Lengths::of(name),
            Self::Element => Lengths::NONE,
            Self::Any | Self::Deep => Lengths::ANY,
        }
    }
}

/// One step into a document.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step<'a> {
    Name(&'a str),
    Element,
}

impl Fields {
    /// At any depth: `password_hash`, `email`, `phone`, `credit_card`, `ssn`, `api_key`, `secret`.
    pub const DEFAULT_SENSITIVE: Self = Self(Kind::Names(&[
        "password_hash",
        "email",
        "phone",
        "credit_card",
        "ssn",
        "api_key",
        "secret",
    ]));

    /// The fields that match any of these patterns, which are taken as they stand.
    ///
    /// For patterns that an operator wrote use [`try_paths`](Self::try_paths), which refuses mistakes.
    #[must_use]
    pub fn paths<P: AsRef<str>>(patterns: impl IntoIterator<Item = P>) -> Self {
        let mut names = Vec::new();
        let mut others = Vec::new();
        for pattern in patterns {
            let mut segments = parse(pattern.as_ref());
            match segments.as_mut_slice() {
                [Segment::Deep, Segment::Name(name)] => names.push(std::mem::take(name)),
                _ => others.push(segments),
            }
        }
        let of_segments = others.iter().flatten().map(Segment::lengths);
        let of_names = names.iter().map(|name| Lengths::of(name));
        let lengths = of_names.chain(of_segments).fold(Lengths::NONE, Lengths::or);
        Self(Kind::Patterns(Arc::new(Patterns {
            names,
            others,
            lengths,
        })))
    }

    /// The fields that match any of these patterns.
    ///
    /// # Errors
    ///
    /// [`Error::Configuration`] with every pattern that is probably a mistake: an empty step, or a name with a dot,
    /// a bracket or a star in it, or with an unknown escape.
    pub fn try_paths<P: AsRef<str>>(patterns: impl IntoIterator<Item = P>) -> Result<Self, Error> {
        let patterns: Vec<P> = patterns.into_iter().collect();
        let mut problems = Problems::none();
        if patterns.is_empty() {
            problems.push("fields", "is empty");
        }
        for (position, pattern) in patterns.iter().enumerate() {
            if let Some(mistake) = mistake_in(pattern.as_ref()) {
                problems.push(format!("fields[{position}]"), mistake);
            }
        }
        Ok(problems.into_result(Self::paths(patterns))?)
    }

    pub(crate) fn is_deep_name(&self, name: &str) -> bool {
        match &self.0 {
            Kind::Names(names) => names.contains(&name),
            Kind::Patterns(patterns) => patterns.names.iter().any(|known| **known == *name),
        }
    }

    pub(crate) fn has_deep_names(&self) -> bool {
        match &self.0 {
            Kind::Names(names) => !names.is_empty(),
            Kind::Patterns(patterns) => !patterns.names.is_empty(),
        }
    }

    pub(crate) fn lengths(&self) -> Lengths {
        match &self.0 {
            Kind::Names(names) => names
                .iter()
                .map(|name| Lengths::of(name))
                .fold(Lengths::NONE, Lengths::or),
            Kind::Patterns(patterns) => patterns.lengths,
        }
    }

    pub(crate) fn others(&self) -> &[Vec<Segment>] {
        match &self.0 {
            Kind::Names(_) => &[],
            Kind::Patterns(patterns) => &patterns.others,
        }
    }
}

fn parse(pattern: &str) -> Vec<Segment> {
    let mut segments = Vec::new();
    if pattern.is_empty() {
        return segments;
    }
    let steps = match pattern.strip_prefix('/') {
        Some(steps) => steps,
        None => {
            segments.push(Segment::Deep);
            pattern
        }
    };
    for step in steps.split('/') {
        let segment = match step {
            "[]" => Segment::Element,
            "*" => Segment::Any,
            // Two in a row say no more than one.
            "**" if segments.last() == Some(&Segment::Deep) => continue,
            "**" => Segment::Deep,
            name => Segment::Name(unescaped(name).into()),
        };
        segments.push(segment);
    }
    segments
}

fn mistake_in(pattern: &str) -> Option<&'static str> {
    let steps = pattern.strip_prefix('/').unwrap_or(pattern);
    steps.split('/').find_map(|step| match step {
        "" => Some("has an empty step"),
        "[]" | "*" | "**" => None,
        name if name.contains(['[', ']', '*']) => Some(
            "has a bracket or a star inside a name; `[]`, `*` and `**` stand alone between slashes",
        ),
        name if name.contains('.') => {
            Some("has a dot inside a name; steps are separated by slashes")
        }
        name if name
            .split('~')
            .skip(1)
            .any(|rest| !rest.starts_with(['0', '1', '2', '3'])) =>
        {
            Some("has a `~` that is not one of `~0`, `~1`, `~2`, `~3`")
        }
        _ => None,
    })
}

fn unescaped(name: &str) -> Cow<'_, str> {
    if !name.contains('~') {
        return Cow::Borrowed(name);
    }
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('~') {
        out.push_str(before);
        let (character, len) = match after.as_bytes().first() {
            Some(b'0') => ('~', 1),
            Some(b'1') => ('/', 1),
            Some(b'2') => ('[', 1),
            Some(b'3') => ('*', 1),
            _ => ('~', 0),
        };
        out.push(character);
        rest = &after[len..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Appends a step to a path, in the form to which values are bound.
pub(crate) fn push_step(path: &mut String, step: Step<'_>) {
    path.push('/');
    match step {
        Step::Element => path.push_str("[]"),
        Step::Name(name) => {
            // Mostly there is nothing to escape.
            let escaped = |byte: u8| matches!(byte, b'~' | b'/' | b'[' | b'*');
            if !name.bytes().any(escaped) {
                return path.push_str(name);
            }
            for character in name.chars() {
                match character {
                    '~' => path.push_str("~0"),
                    '/' => path.push_str("~1"),
                    '[' => path.push_str("~2"),
                    '*' => path.push_str("~3"),
                    other => path.push(other),
                }
            }
        }
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Names(names) => f.debug_tuple("Fields").field(names).finish(),
            Kind::Patterns(patterns) => f
                .debug_tuple("Fields")
                .field(&patterns.names)
                .field(&patterns.others)
                .finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matcher::Matcher;

    #[test]
    fn escapes_stand_for_the_characters_of_the_syntax() {
        let fields = Fields::paths(["/a~1b~0~2]~3"]);
        let mut matcher = Matcher::new(&fields);
        let (root, _) = matcher.root();
        assert!(matcher.step(&root, Step::Name("a/b~[]*")).1);
        let mut path = String::new();
        push_step(&mut path, Step::Name("a/b~[]*"));
        assert_eq!(path, "/a~1b~0~2]~3");
    }

    #[test]
    fn an_element_and_a_name_of_brackets_have_different_paths() {
        let (mut element, mut name) = (String::new(), String::new());
        push_step(&mut element, Step::Element);
        push_step(&mut name, Step::Name("[]"));
        assert_ne!(element, name);
    }

    #[test]
    fn probable_mistakes_are_refused_all_at_once() {
        let Err(Error::Configuration(problems)) =
            Fields::try_paths(["users[].email", "/ok", "//x", "user.email", "a~9", "**/ok"])
        else {
            panic!("accepted");
        };
        let fields: Vec<_> = problems.iter().map(|problem| &problem.field).collect();
        assert_eq!(fields, ["fields[0]", "fields[2]", "fields[3]", "fields[4]"]);
    }
}
