use std::ops::Range;

use super::action::MASK;
use crate::format::json;

/// The replacement for a part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replacement {
    Mask,
    Token([u8; 26]),
    /// It goes with its name.
    Nothing,
}

/// The parts of a text that are replaced.
#[derive(Debug, Default)]
pub(super) struct Replacements(Vec<(Range<usize>, Replacement)>);

impl Replacements {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(&mut self, place: Range<usize>, replacement: Replacement) {
        if !place.is_empty() {
            self.0.push((place, replacement));
        }
    }

    /// Puts what was found in order. Of places that overlap one remains: the one around the others, or else all of them,
    /// masked.
    pub(super) fn settle(&mut self) {
        // Of equal places the first that was found stays first.
        self.0
            .sort_by_key(|(place, _)| (place.start, std::cmp::Reverse(place.end)));
        self.0.dedup_by(|(next, _), (place, replacement)| {
            if next.start >= place.end {
                return false;
            }
            if next.end > place.end {
                place.end = next.end;
                *replacement = Replacement::Mask;
            }
            true
        });
    }

    /// Appends the text without what was found; as the inside of a JSON string, or as it is.
    pub(super) fn write(&self, out: &mut Vec<u8>, text: &[u8], is_json: bool) {
        let copy = |out: &mut Vec<u8>, part: Option<&[u8]>| {
            let part = part.unwrap_or_default();
            if is_json {
                json::escaped(out, part);
            } else {
                out.extend_from_slice(part);
            }
        };
        let begin = out.len();
        let mut done = 0;
        for (place, replacement) in &self.0 {
            copy(out, text.get(done..place.start));
            match replacement {
                Replacement::Mask => out.extend_from_slice(MASK.as_bytes()),
                Replacement::Token(token) => out.extend_from_slice(token),
                // The separator before the last pair goes with it.
                Replacement::Nothing if place.end == text.len() && out.len() > begin => {
                    if out.last() == Some(&b'&') {
                        out.pop();
                    }
                }
                Replacement::Nothing => {}
            }
            done = place.end;
        }
        copy(out, text.get(done..));
    }
}
