use std::borrow::Cow;

use super::{Reader, Unreadable};
use crate::redact::signs::Signs;

/// The inside of a string, as it stands.
#[derive(Clone, Copy)]
pub(super) struct Raw<'a> {
    text: &'a [u8],
    is_escaped: bool,
}

impl<'a> Reader<'a> {
    /// Goes past a string.
    pub(super) fn string(&mut self) -> Result<Raw<'a>, Unreadable> {
        self.expect(b'"')?;
        let start = self.at;
        let mut is_escaped = false;
        loop {
            let rest = self.body.get(self.at..).ok_or(Unreadable)?;
            self.at += memchr::memchr2(b'"', b'\\', rest).ok_or(Unreadable)?;
            if self.body[self.at] == b'"' {
                break;
            }
            is_escaped = true;
            self.at += 2;
        }
        let text = &self.body[start..self.at];
        self.at += 1;
        Ok(Raw { text, is_escaped })
    }
}

impl<'a> Raw<'a> {
    /// Makes sure that it is a string, and copies it, cleaned, unless the reader skips it.
    pub(super) fn check_or_copy(self, reader: &mut Reader<'_>) -> Result<(), Unreadable> {
        if reader.skips {
            return self.check();
        }
        reader.out.push(b'"');
        if self.is_escaped {
            let text = self.unescaped()?;
            reader.cleaner.inside(reader.out, &text);
        } else {
            let signs = self.signs()?;
            reader.cleaner.inside_of(reader.out, self.text, signs);
        }
        reader.out.push(b'"');
        Ok(())
    }

    /// Makes sure that it is a string.
    pub(super) fn check(self) -> Result<(), Unreadable> {
        if self.is_escaped {
            self.unescaped().map(drop)
        } else {
            self.signs().map(drop)
        }
    }

    /// Makes sure that it is a string, of which it is known whether it is clean.
    pub(super) fn check_unless(self, is_clean: bool) -> Result<(), Unreadable> {
        match is_clean || self.is_escaped {
            true => Ok(()),
            false => self.check(),
        }
    }

    /// Returns the text, without its escapes.
    pub(super) fn unescaped(self) -> Result<Cow<'a, [u8]>, Unreadable> {
        if self.is_escaped {
            let text = unescaped(self.text)?;
            Ok(text.into_owned().into_bytes().into())
        } else {
            Ok(self.text.into())
        }
    }

    /// The signs of a string without escapes, which has no control characters (RFC 8259, section 7).
    fn signs(self) -> Result<Signs, Unreadable> {
        let signs = Signs::of(self.text);
        match signs.has_controls() {
            true => Err(Unreadable),
            false => Ok(signs),
        }
    }
}

/// The text of a string's inside.
pub(super) fn unescaped(raw: &[u8]) -> Result<Cow<'_, str>, Unreadable> {
    if raw.contains(&b'\\') {
        let quoted = [b"\"", raw, b"\""].concat();
        serde_json::from_slice::<String>(&quoted)
            .map(Cow::Owned)
            .map_err(|_| Unreadable)
    } else {
        let text = std::str::from_utf8(raw).map_err(|_| Unreadable)?;
        Ok(text.into())
    }
}
