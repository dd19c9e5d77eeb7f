use std::borrow::Cow;

use crate::redact::signs::Signs;

/// The inside of a string, as it stands.
#[derive(Clone, Copy)]
pub(super) struct Raw<'a> {
    pub(super) text: &'a [u8],
    pub(super) is_escaped: bool,
}

impl<'a> Raw<'a> {
    /// Reads the string whose opening quote is before `at`; returns it with the place behind its closing quote.
    pub(super) fn read(body: &'a [u8], start: usize) -> Option<(Self, usize)> {
        let mut at = start;
        let mut is_escaped = false;
        loop {
            at += memchr::memchr2(b'"', b'\\', body.get(at..)?)?;
            if body[at] == b'"' {
                break;
            }
            is_escaped = true;
            at += 2;
        }
        let text = &body[start..at];
        Some((Self { text, is_escaped }, at + 1))
    }

    /// Makes sure that it is a string.
    pub(super) fn check(self) -> Option<()> {
        if self.is_escaped {
            self.unescaped().map(drop)
        } else {
            self.signs().map(drop)
        }
    }

    /// Makes sure that it is a string, of which it is known whether it is clean.
    pub(super) fn check_unless(self, is_clean: bool) -> Option<()> {
        match is_clean || self.is_escaped {
            true => Some(()),
            false => self.check(),
        }
    }

    /// Returns the text, without its escapes.
    pub(super) fn unescaped(self) -> Option<Cow<'a, [u8]>> {
        if self.is_escaped {
            let text = unescaped(self.text)?;
            Some(text.into_owned().into_bytes().into())
        } else {
            Some(self.text.into())
        }
    }

    /// The signs of a string without escapes, which has no control characters (RFC 8259, section 7).
    pub(super) fn signs(self) -> Option<Signs> {
        let signs = Signs::of(self.text);
        match signs.has_controls() {
            true => None,
            false => Some(signs),
        }
    }
}

/// The text of a string's inside.
pub(super) fn unescaped(raw: &[u8]) -> Option<Cow<'_, str>> {
    if raw.contains(&b'\\') {
        let quoted = [b"\"", raw, b"\""].concat();
        serde_json::from_slice::<String>(&quoted)
            .ok()
            .map(Cow::Owned)
    } else {
        let text = std::str::from_utf8(raw).ok()?;
        Some(text.into())
    }
}
