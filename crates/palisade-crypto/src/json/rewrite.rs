use std::borrow::Cow;

use super::MAX_DEPTH;
use super::scan::{Invalid, Scanner, Text};
use crate::fields::{Step, push_step};
use crate::matcher::{Level, Matcher};
use crate::{Error, Fields};

/// Replaces every field of a document by what `edit` appends for it, given its path and its text.
///
/// Every other byte stays. `None` when there is no field at all. The document is validated to its end, within fields
/// too. Time and space grow linearly with the document; nesting is limited, and nothing recurses.
pub(crate) fn rewrite(
    text: &[u8],
    fields: &Fields,
    path: &str,
    edit: impl FnMut(&str, &str, &mut Vec<u8>) -> Result<(), Error>,
) -> Result<Option<Vec<u8>>, Error> {
    let text = std::str::from_utf8(text).map_err(|error| Error::InvalidJson {
        offset: error.valid_up_to(),
    })?;
    let mut walk = Walk {
        text,
        scanner: Scanner::new(text.as_bytes()),
        matcher: Matcher::new(fields),
        containers: Vec::with_capacity(8),
        field: None,
        path_before: path,
        path: String::new(),
        splice: Splice {
            text: text.as_bytes(),
            copied: 0,
            out: None,
        },
        edit,
    };
    walk.document()?;
    Ok(walk.splice.finish())
}

struct Walk<'a, 'f, E> {
    text: &'a str,
    scanner: Scanner<'a>,
    matcher: Matcher<'f>,
    containers: Vec<Container>,
    /// A field that is an array or an object, from its start until it is closed.
    field: Option<Field>,
    path_before: &'a str,
    /// Of the latest field; kept for its memory.
    path: String,
    splice: Splice<'a>,
    edit: E,
}

struct Container {
    is_object: bool,
    /// Whether nothing in it has been read yet.
    fresh: bool,
    level: Level,
    /// The name or position by which the container was reached; nothing for the document itself.
    step: Option<Reached>,
}

/// A step into the document, by its place in the text, so that paths are written for fields alone.
enum Reached {
    Name(Text),
    Element,
}

struct Field {
    start: usize,
    /// The number of containers around it.
    depth: usize,
}

impl<'a, E> Walk<'a, '_, E>
where
    E: FnMut(&str, &str, &mut Vec<u8>) -> Result<(), Error>,
{
    fn document(&mut self) -> Result<(), Error> {
        let (level, hit) = self.matcher.root();
        self.scanner.skip_space();
        self.value(None, level, hit)?;
        while let Some(container) = self.containers.last_mut() {
            let is_object = container.is_object;
            let fresh = std::mem::take(&mut container.fresh);
            self.scanner.skip_space();
            if self.scanner.take(if is_object { b'}' } else { b']' }) {
                self.close()?;
                continue;
            }
            if !fresh {
                self.expect(b',')?;
                self.scanner.skip_space();
            }
            self.child(is_object)?;
        }
        self.scanner.skip_space();
        match self.scanner.peek() {
            None => Ok(()),
            Some(_) => Err(self.invalid(Invalid)),
        }
    }

    fn invalid(&self, Invalid: Invalid) -> Error {
        Error::InvalidJson {
            offset: self.scanner.at(),
        }
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), Error> {
        match self.scanner.expect(byte) {
            Ok(()) => Ok(()),
            Err(invalid) => Err(self.invalid(invalid)),
        }
    }

    /// A member or an element of the innermost container.
    fn child(&mut self, is_object: bool) -> Result<(), Error> {
        let parent = self
            .containers
            .last()
            .map_or(0..0, |container| container.level.clone());
        if !is_object {
            let (level, hit) = match parent.is_empty() {
                true => (parent, false),
                false => self.matcher.step(&parent, Step::Element),
            };
            return self.value(Some(Reached::Element), level, hit);
        }
        let name = match self.scanner.string() {
            Ok(name) => name,
            Err(invalid) => return Err(self.invalid(invalid)),
        };
        self.scanner.skip_space();
        self.expect(b':')?;
        self.scanner.skip_space();
        let ruled_out = self.field.is_some() || self.rules_out(&parent, &name);
        let (level, hit) = if ruled_out {
            // Inside a field, and below what no pattern leads through, nothing is looked for.
            (parent.end..parent.end, false)
        } else {
            let step = name_of(self.text, &name);
            match &step {
                Some(step) => self.matcher.step(&parent, Step::Name(step)),
                None => self.matcher.step(&parent, Step::Name(NO_NAME)),
            }
        };
        self.value(Some(Reached::Name(name)), level, hit)
    }

    /// Whether the length of a name, or where it stands, tells that nothing matches it or anything below it.
    #[inline]
    fn rules_out(&self, parent: &Level, name: &Text) -> bool {
        // Two of the bytes are the quotes; how long an escaped name is nobody knows yet.
        let len = name.span.len() - 2;
        self.matcher
            .rules_out(parent, (!name.escaped).then_some(len))
    }

    /// A scalar, or the start of a container.
    fn value(&mut self, step: Option<Reached>, level: Level, hit: bool) -> Result<(), Error> {
        let start = self.scanner.at();
        let hit = hit && self.field.is_none();
        let is_object = match self.scanner.peek() {
            Some(b'{') => true,
            Some(b'[') => false,
            _ => {
                if let Err(invalid) = self.scanner.scalar() {
                    return Err(self.invalid(invalid));
                }
                return if hit {
                    self.replace(start, step.as_ref())
                } else {
                    Ok(())
                };
            }
        };
        let depth = self.containers.len();
        if depth >= MAX_DEPTH {
            return Err(Error::TooDeep { limit: MAX_DEPTH });
        }
        if hit {
            self.field = Some(Field { start, depth });
        }
        self.containers.push(Container {
            is_object,
            fresh: true,
            level,
            step,
        });
        self.expect(if is_object { b'{' } else { b'[' })
    }

    /// The innermost container has ended.
    fn close(&mut self) -> Result<(), Error> {
        let Some(container) = self.containers.pop() else {
            return Ok(());
        };
        let depth = self.containers.len();
        match self.field.take_if(|field| field.depth == depth) {
            Some(field) => self.replace(field.start, container.step.as_ref()),
            None => Ok(()),
        }
    }

    /// Replaces what stands from `start` to here.
    fn replace(&mut self, start: usize, step: Option<&Reached>) -> Result<(), Error> {
        self.path.clear();
        self.path.reserve(self.path_before.len() + 64);
        self.path.push_str(self.path_before);
        let around = self
            .containers
            .iter()
            .map(|container| container.step.as_ref());
        for reached in around.chain([step]).flatten() {
            match reached {
                Reached::Element => push_step(&mut self.path, Step::Element),
                Reached::Name(name) => {
                    let name = name_of(self.text, name);
                    push_step(
                        &mut self.path,
                        Step::Name(name.as_deref().unwrap_or(NO_NAME)),
                    );
                }
            }
        }
        let raw = &self.text[start..self.scanner.at()];
        let out = self.splice.up_to(start);
        (self.edit)(&self.path, raw, out).map_err(|error| error.at(&self.path))?;
        self.splice.copied = self.scanner.at();
        Ok(())
    }
}

/// Stands for every name that no Rust string can hold, in patterns and in paths.
const NO_NAME: &str = "\u{fffd}";

/// Decodes a name, unless it holds half of a surrogate pair.
fn name_of<'a>(text: &'a str, name: &Text) -> Option<Cow<'a, str>> {
    let quoted = &text[name.span.clone()];
    if name.escaped {
        return serde_json::from_str(quoted).ok().map(Cow::Owned);
    }
    quoted.get(1..quoted.len() - 1).map(Cow::Borrowed)
}

/// The document as it will be, copied as far as it is known.
struct Splice<'a> {
    text: &'a [u8],
    copied: usize,
    out: Option<Vec<u8>>,
}

impl Splice<'_> {
    /// Copies everything before `start` that is not copied yet.
    fn up_to(&mut self, start: usize) -> &mut Vec<u8> {
        let out = self
            .out
            // Room for a few fields; each grows by about 70 bytes and a third.
            .get_or_insert_with(|| Vec::with_capacity(self.text.len() + 512));
        out.extend_from_slice(&self.text[self.copied..start]);
        out
    }

    fn finish(self) -> Option<Vec<u8>> {
        let mut out = self.out?;
        out.extend_from_slice(&self.text[self.copied..]);
        Some(out)
    }
}
