//! The tokens of JSON (RFC 8259), each validated.

use std::ops::Range;

/// The text is not JSON at the place where the scanner is.
///
/// An error of its own, because a [`crate::Error`] is too big for a register, and every token has a result.
pub(super) struct Invalid;

/// Counts the bytes at the start of `text` that neither end nor escape a string and are allowed in one.
///
/// Most strings are short and end within the first words. A long one is read in blocks, of which each costs a few vector
/// instructions, since all that is asked is whether anything is in it.
#[inline]
fn plain_len(text: &[u8]) -> usize {
    const SHORT: usize = 32;
    let (start, rest) = text.split_at(text.len().min(SHORT));
    match plain_words(start) {
        SHORT => SHORT + plain_blocks(rest),
        shorter => shorter,
    }
}

fn plain_blocks(text: &[u8]) -> usize {
    let (blocks, _) = text.as_chunks::<32>();
    let read = blocks.iter().take_while(|block| is_plain(block)).count() * 32;
    read + plain_words(&text[read..])
}

/// Whether no byte of a block is special. Of each kind of special byte another term is 0, and of no other byte any is:
/// the form that compilers make vector instructions of.
#[inline]
fn is_plain(block: &[u8; 32]) -> bool {
    let least = block.iter().fold(u8::MAX, |least, byte| {
        least
            .min(byte.saturating_sub(0x1f))
            .min(byte ^ b'"')
            .min(byte ^ b'\\')
    });
    least != 0
}

const fn is_special(byte: u8) -> bool {
    matches!(byte, 0..0x20 | b'"' | b'\\')
}

/// The same, eight bytes at a time, as one number. Subtracting a byte of it from another may borrow from the next one up,
/// so that what is found above the lowest hit may be wrong, but never the lowest.
#[inline]
fn plain_words(text: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = ONES << 7;
    let below = |word: u64, least: u8| word.wrapping_sub(ONES * u64::from(least)) & !word & HIGHS;
    let equal = |word: u64, byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    let (words, rest) = text.as_chunks::<8>();
    for (position, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let hits = below(word, 0x20) | equal(word, b'"') | equal(word, b'\\');
        if hits != 0 {
            return position * 8 + hits.trailing_zeros() as usize / 8;
        }
    }
    let plain = rest.iter().position(|byte| is_special(*byte));
    words.len() * 8 + plain.unwrap_or(rest.len())
}

pub(super) struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

/// A string with its quotes.
pub(super) struct Text {
    pub(super) span: Range<usize>,
    pub(super) escaped: bool,
}

impl<'a> Scanner<'a> {
    pub(super) const fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    pub(super) const fn at(&self) -> usize {
        self.at
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    #[inline]
    pub(super) fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Steps over `byte` if it is next.
    #[inline]
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let next = self.peek() == Some(byte);
        self.at += usize::from(next);
        next
    }

    #[inline]
    pub(super) fn expect(&mut self, byte: u8) -> Result<(), Invalid> {
        if self.take(byte) {
            Ok(())
        } else {
            Err(Invalid)
        }
    }

    /// A string, number, `true`, `false` or `null`.
    pub(super) fn scalar(&mut self) -> Result<(), Invalid> {
        match self.peek() {
            Some(b'"') => self.string().map(drop),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal(b"true"),
            Some(b'f') => self.literal(b"false"),
            Some(b'n') => self.literal(b"null"),
            _ => Err(Invalid),
        }
    }

    pub(super) fn string(&mut self) -> Result<Text, Invalid> {
        let start = self.at;
        self.expect(b'"')?;
        let mut escaped = false;
        loop {
            self.at += plain_len(&self.text[self.at..]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Text {
                        span: start..self.at,
                        escaped,
                    });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return Err(Invalid),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Invalid> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return Err(Invalid);
                    }
                    self.at += 1;
                }
            }
            _ => return Err(Invalid),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Invalid> {
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits()?;
        }
        Ok(())
    }

    /// At least one.
    fn digits(&mut self) -> Result<(), Invalid> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start {
            return Err(Invalid);
        }
        Ok(())
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), Invalid> {
        if self.text[self.at..].starts_with(word) {
            self.at += word.len();
            Ok(())
        } else {
            Err(Invalid)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_byte_is_plain_or_not_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            let special = byte < 0x20 || byte == b'"' || byte == b'\\';
            for at in 0..110 {
                let mut text = [b'x'; 110];
                text[at] = byte;
                let expected = if special { at } else { 110 };
                assert_eq!(plain_len(&text), expected, "{byte} at {at}");
            }
        }
    }

    proptest! {
        #[test]
        fn blocks_and_words_are_read_as_single_bytes(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
            let expected = text.iter().position(special).unwrap_or(text.len());
            prop_assert_eq!(plain_len(&text), expected);
        }
    }

    // RFC 8259, sections 3, 6 and 7.
    #[test]
    fn a_scalar_is_read_to_its_end_and_another_text_is_none() {
        let end = |text: &str| {
            let mut scanner = Scanner {
                text: text.as_bytes(),
                at: 0,
            };
            scanner.scalar().is_ok().then_some(scanner.at)
        };
        for text in [
            "0",
            "-0",
            "7",
            "10",
            "-12.50",
            "1e5",
            "1E+5",
            "0.1e-10",
            "true",
            "false",
            "null",
            r#""""#,
            r#""a\"b""#,
            r#""\\\/\b\f\n\r\t""#,
            r#""\u00e9x""#,
            r#""\uD83D\uDE00""#,
        ] {
            assert_eq!(end(text), Some(text.len()), "{text}");
            assert_eq!(
                end(&format!("{text},")),
                Some(text.len()),
                "{text} and a comma"
            );
        }
        for text in [
            "",
            "-",
            "+1",
            ".5",
            "1.",
            "1e",
            "1e+",
            "-a",
            "tru",
            "nul",
            "'a'",
            r#"""#,
            r#""a"#,
            r#""\"#,
            r#""\x""#,
            r#""\u12g4""#,
            r#""\u123""#,
            "\"a\nb\"",
        ] {
            assert_eq!(end(text), None, "{text}");
        }
        // A zero in front ends the number.
        assert_eq!(end("01"), Some(1));
    }
}
