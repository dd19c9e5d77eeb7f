//! Texts of a record as JSON strings, with what is sensitive taken out.

use std::ops::Range;

use super::action::Action;
use super::cleaner::Cleaner;
use super::layers::{self, Layer};
use super::pairs::{self, Kind};
use super::query::{self, decoded};
use super::replacements::Replacement;
use super::signs::Signs;
use super::values;
use crate::format::json;

/// Nothing can be found in a shorter text: `a=b` is the shortest pair.
const SHORTEST: usize = 3;

/// A text, or as much of it as was kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept<'a> {
    pub(crate) text: &'a [u8],
    /// The length of the whole, in bytes.
    pub(crate) whole: usize,
}

impl<'a> Kept<'a> {
    pub(crate) const fn whole(text: &'a [u8]) -> Self {
        let whole = text.len();
        Self { text, whole }
    }
}

impl Cleaner {
    /// Appends a text that has no name, as a JSON string.
    pub(crate) fn text(&mut self, out: &mut Vec<u8>, text: &[u8]) {
        out.push(b'"');
        self.inside(out, text);
        out.push(b'"');
    }

    /// Appends a text as a JSON string, with a mark where its rest was cut off.
    pub(crate) fn kept(&mut self, out: &mut Vec<u8>, kept: Kept<'_>) {
        self.cut_or_whole(out, kept, Kind::Text);
    }

    /// Appends a value by its name; a dropped one leaves an empty string, because its name already stands there.
    pub(crate) fn named(&mut self, out: &mut Vec<u8>, name: &str, value: &[u8]) {
        self.named_kept(out, name, Kept::whole(value));
    }

    /// Appends a value by its name, with a mark where its rest was cut off.
    pub(crate) fn named_kept(&mut self, out: &mut Vec<u8>, name: &str, kept: Kept<'_>) {
        match self.decide(name.as_bytes()) {
            None | Some(Action::Keep) => self.kept(out, kept),
            Some(action) => {
                out.push(b'"');
                self.replace(out, action, kept.text);
                out.push(b'"');
            }
        }
    }

    /// Appends a query string, or a form, with a mark where its rest was cut off.
    pub(crate) fn query(&mut self, out: &mut Vec<u8>, kept: Kept<'_>) {
        self.cut_or_whole(out, kept, Kind::Query);
    }

    fn cut_or_whole(&mut self, out: &mut Vec<u8>, kept: Kept<'_>, kind: Kind) {
        let is_cut = kept.whole > kept.text.len();
        out.push(b'"');
        self.put(out, kept.text, Signs::of(kept.text), kind, is_cut);
        if is_cut {
            out.extend_from_slice(b"[cut: ");
            json::number(out, kept.text.len() as u64);
            out.extend_from_slice(b" of ");
            json::number(out, kept.whole as u64);
            out.extend_from_slice(b" bytes]");
        }
        out.push(b'"');
    }

    /// Appends the inside of a JSON string.
    pub(super) fn inside(&mut self, out: &mut Vec<u8>, text: &[u8]) {
        self.inside_of(out, text, Signs::of(text));
    }

    /// Appends the inside of a JSON string whose signs are known.
    pub(super) fn inside_of(&mut self, out: &mut Vec<u8>, text: &[u8], signs: Signs) {
        self.put(out, text, signs, Kind::Text, false);
    }

    fn put(&mut self, out: &mut Vec<u8>, text: &[u8], signs: Signs, kind: Kind, is_cut: bool) {
        self.look(text, signs, kind, is_cut);
        if signs.is_plain() && self.replacements.is_empty() {
            out.extend_from_slice(text);
        } else {
            self.replacements.write(out, text, true);
        }
    }

    /// Finds what is to be taken out, in the text as it is and under every layer of encoding.
    pub(super) fn look(&mut self, text: &[u8], signs: Signs, kind: Kind, is_cut: bool) {
        self.replacements.clear();
        if text.len() < SHORTEST || !self.looks_at_texts() {
            return;
        }
        if kind == Kind::Query && signs.may_have_pairs() {
            query::look(self, text);
        }
        self.look_at_layer(text, signs, None, kind, is_cut);
        if signs.may_be_encoded() {
            self.look_under(text, kind, is_cut);
        }
        self.replacements.settle();
    }

    fn look_under(&mut self, text: &[u8], kind: Kind, is_cut: bool) {
        let mut under = std::mem::take(&mut self.layers);
        let [layer, next] = &mut under;
        let mut encoded = layers::undo(text, None, layer);
        let mut depth = 1;
        while encoded {
            if depth > layers::DEEPEST {
                self.replacements.add(0..text.len(), Replacement::Mask);
                break;
            }
            let signs = Signs::of(&layer.text);
            self.look_at_layer(&layer.text, signs, Some(layer), kind, is_cut);
            encoded = signs.may_be_encoded() && layers::undo(&layer.text, Some(layer), next);
            std::mem::swap(layer, next);
            depth += 1;
        }
        self.layers = under;
    }

    fn look_at_layer(
        &mut self,
        text: &[u8],
        signs: Signs,
        layer: Option<&Layer>,
        kind: Kind,
        is_cut: bool,
    ) {
        let place = |part: Range<usize>| match layer {
            Some(layer) => layer.place(part),
            None => part,
        };
        if self.finds_values() {
            let replacements = &mut self.replacements;
            values::find(text, signs, is_cut, |secret| {
                replacements.add(place(secret), Replacement::Mask);
            });
        }
        if !signs.may_have_pairs() {
            return;
        }
        pairs::find(text, kind == Kind::Query, |pair| {
            let name = &text[pair.name.clone()];
            let action = match pair.in_query {
                true => query::decide(self, name),
                false => self.decide(&decoded(name)),
            };
            let value = pair.value.clone();
            let (part, put) = match action {
                None | Some(Action::Keep) => return false,
                Some(Action::Drop) if pair.in_query => {
                    let separator = usize::from(text.get(value.end) == Some(&b'&'));
                    (pair.name.start..value.end + separator, Replacement::Nothing)
                }
                Some(Action::Tokenize) => {
                    let put = self.token(&decoded(&text[value.clone()]));
                    (value, put)
                }
                Some(_) => (value, Replacement::Mask),
            };
            self.replacements.add(place(part), put);
            true
        });
    }
}
