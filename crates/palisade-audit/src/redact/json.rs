//! JSON as it was sent, on one line, with what is sensitive taken out.

mod number;
mod string;

use self::number::is_number;
use self::string::{Raw, unescaped};
use super::action::{Action, MASK};
use super::cleaner::Cleaner;
use super::path::Censor;

/// The deepest nesting of a body; readers of the trail have limits, too.
const MAX_DEPTH: usize = 64;

/// The body is no JSON, or nested too deep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no JSON that could be redacted")]
pub struct Unreadable;

impl Cleaner {
    /// Appends a JSON body on one line, with sensitive values replaced at any depth.
    ///
    /// # Errors
    ///
    /// Refuses what is no JSON (RFC 8259) or nested deeper than 64; `out` is as it was before then.
    pub fn json(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), Unreadable> {
        let before = out.len();
        write(self, body, out).inspect_err(|_| out.truncate(before))
    }
}

/// Appends the body without white space and with the values of sensitive names replaced, at any depth.
///
/// Names may be repeated or written with escapes; all are looked at. On an error `out` holds a part that must not be
/// used.
fn write(cleaner: &mut Cleaner, body: &[u8], out: &mut Vec<u8>) -> Result<(), Unreadable> {
    cleaner.at_the_root();
    let mut reader = Reader {
        body,
        at: 0,
        skips: false,
        cleaner,
        out,
    };
    reader.value(0)?;
    reader.space();
    if reader.at == body.len() {
        Ok(())
    } else {
        Err(Unreadable)
    }
}

struct Reader<'a> {
    body: &'a [u8],
    at: usize,
    /// Whether what is read is only checked, and not looked into.
    skips: bool,
    cleaner: &'a mut Cleaner,
    out: &'a mut Vec<u8>,
}

impl<'a> Reader<'a> {
    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.body.get(self.at) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Result<(), Unreadable> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(Unreadable)
        }
    }

    fn value(&mut self, depth: usize) -> Result<(), Unreadable> {
        self.space();
        match self.peek().ok_or(Unreadable)? {
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.text(),
            _ => {
                let scalar = self.scalar()?;
                if !self.skips {
                    self.cleaner.number(self.out, scalar);
                }
                Ok(())
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), Unreadable> {
        if depth >= MAX_DEPTH {
            return Err(Unreadable);
        }
        self.at += 1;
        self.out.push(b'{');
        let mut first = true;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            self.out.push(b'}');
            return Ok(());
        }
        loop {
            self.space();
            first &= !self.member(depth + 1, first)?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(Unreadable),
            }
        }
        self.at += 1;
        self.out.push(b'}');
        Ok(())
    }

    /// Reads a member; answers whether it stays.
    fn member(&mut self, depth: usize, is_first: bool) -> Result<bool, Unreadable> {
        let name = self.string()?;
        self.space();
        self.expect(b':')?;
        self.space();
        if self.skips {
            name.check().ok_or(Unreadable)?;
            return self.value(depth).map(|()| true);
        }
        let raw = name;
        let name = raw.unescaped().ok_or(Unreadable)?;
        let known = self.cleaner.know(&name);
        raw.check_unless(known.is_clean).ok_or(Unreadable)?;
        self.cleaner.enter_member(&name);
        let action = known.action;
        let censor = self.cleaner.censor();
        let stays = matches!(self.peek(), Some(b't' | b'f' | b'n'));
        let is_dropped = match &censor {
            Some(censor) => censor.is_drop(),
            None => action == Some(Action::Drop),
        };
        if is_dropped {
            self.skip(depth)?;
        } else {
            if !is_first {
                self.out.push(b',');
            }
            self.out.push(b'"');
            if known.is_clean {
                self.out.extend_from_slice(&name);
            } else {
                self.cleaner.inside(self.out, &name);
            }
            self.out.extend_from_slice(b"\":");
            match (censor, action) {
                (Some(censor), _) => self.censor(&censor, depth)?,
                (None, Some(action)) if action != Action::Keep && !stays => {
                    self.replace(action, depth)?;
                }
                _ => self.value(depth)?,
            }
        }
        self.cleaner.leave();
        Ok(!is_dropped)
    }

    fn array(&mut self, depth: usize) -> Result<(), Unreadable> {
        if depth >= MAX_DEPTH {
            return Err(Unreadable);
        }
        self.at += 1;
        self.out.push(b'[');
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            self.out.push(b']');
            return Ok(());
        }
        for nth in 0.. {
            self.item(nth, depth + 1)?;
            self.space();
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.out.push(b',');
                }
                Some(b']') => break,
                _ => return Err(Unreadable),
            }
        }
        self.at += 1;
        self.out.push(b']');
        Ok(())
    }

    fn item(&mut self, nth: usize, depth: usize) -> Result<(), Unreadable> {
        if self.skips {
            return self.value(depth);
        }
        self.cleaner.enter_item(nth);
        match self.cleaner.censor() {
            Some(censor) => self.censor(&censor, depth)?,
            None => self.value(depth)?,
        }
        self.cleaner.leave();
        Ok(())
    }

    /// Puts what a censor makes of it in the place of the value that comes next.
    fn censor(&mut self, censor: &Censor, depth: usize) -> Result<(), Unreadable> {
        let raw = self.skipped(depth)?;
        let is_scalar = !matches!(raw.first(), Some(b'{' | b'['));
        let text = match raw {
            [b'"', inside @ .., b'"'] => unescaped(inside).ok_or(Unreadable)?,
            _ => String::from_utf8_lossy(raw),
        };
        self.cleaner.censored(self.out, censor, &text, is_scalar);
        Ok(())
    }

    /// Puts something else in the place of the value that comes next.
    fn replace(&mut self, action: Action, depth: usize) -> Result<(), Unreadable> {
        let raw = self.skipped(depth)?;
        self.out.push(b'"');
        match raw {
            [b'"', inside @ .., b'"'] => {
                let text = unescaped(inside).ok_or(Unreadable)?;
                self.cleaner.replace(self.out, action, text.as_bytes());
            }
            [b'{' | b'[', ..] => self.out.extend_from_slice(MASK.as_bytes()),
            _ => self.cleaner.replace(self.out, action, raw),
        }
        self.out.push(b'"');
        Ok(())
    }

    /// The value that comes next, as it stands.
    fn skipped(&mut self, depth: usize) -> Result<&'a [u8], Unreadable> {
        self.space();
        let start = self.at;
        self.skip(depth)?;
        Ok(&self.body[start..self.at])
    }

    /// Goes past a value, which must be one all the same.
    fn skip(&mut self, depth: usize) -> Result<(), Unreadable> {
        let kept = self.out.len();
        let skips = std::mem::replace(&mut self.skips, true);
        self.value(depth)?;
        self.skips = skips;
        self.out.truncate(kept);
        Ok(())
    }

    /// Goes past a string.
    fn string(&mut self) -> Result<Raw<'a>, Unreadable> {
        self.expect(b'"')?;
        let (raw, end) = Raw::read(self.body, self.at).ok_or(Unreadable)?;
        self.at = end;
        Ok(raw)
    }

    /// Checks a string that is a value, and copies it, cleaned, unless it is skipped.
    fn text(&mut self) -> Result<(), Unreadable> {
        let raw = self.string()?;
        if self.skips {
            return raw.check().ok_or(Unreadable);
        }
        self.out.push(b'"');
        if raw.is_escaped {
            let text = raw.unescaped().ok_or(Unreadable)?;
            self.cleaner.inside(self.out, &text);
        } else {
            let signs = raw.signs().ok_or(Unreadable)?;
            self.cleaner.inside_of(self.out, raw.text, signs);
        }
        self.out.push(b'"');
        Ok(())
    }

    /// A number, `true`, `false` or `null`.
    fn scalar(&mut self) -> Result<&'a [u8], Unreadable> {
        let rest = &self.body[self.at..];
        let len = rest
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
            .count();
        let scalar = &rest[..len];
        if !matches!(scalar, b"true" | b"false" | b"null") && !is_number(scalar) {
            return Err(Unreadable);
        }
        self.at += len;
        Ok(scalar)
    }
}

#[cfg(test)]
mod tests;
