//! One pass over the bytes of a text, which says what detectors have to look at it.

use super::marks::{MARKS, Mark, SHORTEST_JWT};
use super::values::card::SHORTEST as SHORTEST_CARD;

/// The bytes of a text that the detectors depend on.
///
/// A detector whose bytes are missing finds nothing, so it need not run: most texts of a record are copied after this one
/// pass. What is said here is necessary for a find and never sufficient.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signs {
    /// Fields of eight bits, as in [`COUNTED`]; a field that is not zero was seen.
    seen: u64,
    digits: usize,
    gaps: usize,
}

const DIGIT: u64 = 1;
/// `/` and `-`, of which `//` and `-----BEGIN` consist.
const GAP: u64 = 1 << 8;
/// Control characters below U+0020.
const CONTROL: u64 = 1 << 16;
/// Bytes that are not copied as they are into a JSON string: all but visible ASCII, the quote and the backslash.
const ESCAPED: u64 = 1 << 24;
/// Separators of a name and its value: `=` and quotes.
const PAIR: u64 = 1 << 32;
/// `%` and the backslash.
const ENCODED: u64 = 1 << 40;
const AT: u64 = 1 << 48;
/// The first letter of `bearer`, `basic` and `BEGIN`.
const LETTER_B: u64 = 1 << 56;

/// The widest value of a field.
const FIELD: u64 = 0xff;

/// Bytes of which each field can count all.
const CHUNK: usize = FIELD as usize;

/// The number that is added for each byte.
const COUNTED: [u64; 256] = {
    let mut counted = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut of = match byte as u8 {
            b'0'..=b'9' => DIGIT,
            b'/' | b'-' => GAP,
            b'"' => PAIR | ESCAPED,
            b'=' | b'\'' => PAIR,
            b'\\' => ENCODED | ESCAPED,
            b'%' => ENCODED,
            b'@' => AT,
            b'b' | b'B' => LETTER_B,
            0x7f.. => ESCAPED,
            _ => 0,
        };
        if byte < 0x20 {
            of |= CONTROL | ESCAPED;
        }
        counted[byte] = of;
        byte += 1;
    }
    counted
};

impl Signs {
    /// Every sign: all detectors run.
    #[cfg(test)]
    pub(super) const ALL: Self = Self {
        seen: u64::MAX,
        digits: usize::MAX,
        gaps: usize::MAX,
    };

    pub(super) fn of(text: &[u8]) -> Self {
        let mut signs = Self {
            seen: 0,
            digits: 0,
            gaps: 0,
        };
        for chunk in text.chunks(CHUNK) {
            let counts = chunk
                .iter()
                .fold(0, |sum, byte| sum + COUNTED[usize::from(*byte)]);
            signs.seen |= counts;
            // A field is a byte.
            signs.digits += (counts & FIELD) as usize;
            signs.gaps += ((counts / GAP) & FIELD) as usize;
        }
        signs
    }

    const fn has(self, sign: u64) -> bool {
        self.seen & (sign * FIELD) != 0
    }

    /// Whether the text is its own form inside a JSON string.
    pub(super) const fn is_plain(self) -> bool {
        !self.has(ESCAPED)
    }

    /// Whether there are characters that a JSON string must not have (RFC 8259, section 7).
    pub(super) const fn has_controls(self) -> bool {
        self.has(CONTROL)
    }

    /// Whether a name can stand beside its value.
    pub(super) const fn may_have_pairs(self) -> bool {
        self.has(PAIR)
    }

    /// Whether there may be a layer of encoding: `%xx` (RFC 3986, section 2.1) or the escapes of JSON (RFC 8259, section
    /// 7).
    pub(super) const fn may_be_encoded(self) -> bool {
        self.has(ENCODED)
    }

    /// Whether there are digits enough for the number of a card.
    pub(super) const fn may_have_cards(self) -> bool {
        self.digits >= SHORTEST_CARD
    }

    /// Whether anything of a known form can be in the text.
    pub(super) fn may_have_secrets(self, text: &[u8], is_cut: bool) -> bool {
        let has_user_info = self.gaps >= 2 && (self.has(AT) || is_cut);
        self.may_have_cards()
            || has_user_info
            || (self.has(LETTER_B) && (self.gaps >= 5 || names_a_scheme(text)))
            || has_long_word(text)
    }

    /// Whether the text stays as it is, whatever the detectors look for, and is plain.
    pub(super) fn is_clean(self, text: &[u8]) -> bool {
        !self.has(PAIR | ENCODED | ESCAPED) && !self.may_have_secrets(text, false)
    }
}

/// Whether `bearer` or `basic` is in the text, in any case.
fn names_a_scheme(text: &[u8]) -> bool {
    memchr::memchr2_iter(b'b', b'B', text).any(|at| {
        let rest = text.get(at..).unwrap_or_default();
        [b"bearer".as_slice(), b"basic"].iter().any(|name| {
            rest.get(..name.len())
                .is_some_and(|begin| begin.eq_ignore_ascii_case(name))
        })
    })
}

/// Whether there are as many characters of tokens in a row as the shortest token has that is known by its form. Words of
/// prose are shorter.
fn has_long_word(text: &[u8]) -> bool {
    let mut start = 0;
    while let Some(window) = text.get(start..start + SHORTEST_TOKEN) {
        match window.iter().rposition(|byte| !is_of_tokens(*byte)) {
            Some(gap) => start += gap + 1,
            None => return true,
        }
    }
    false
}

/// The characters of tokens and of their marks.
const fn is_of_tokens(byte: u8) -> bool {
    const OF_TOKENS: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 256 {
            let found = byte as u8;
            table[byte] = found.is_ascii_alphanumeric()
                || matches!(found, b'-' | b'_' | b'.' | b'+' | b'/' | b'=' | b'~');
            byte += 1;
        }
        table
    };
    OF_TOKENS[byte as usize]
}

/// The length of the shortest token that is known by its form.
const SHORTEST_TOKEN: usize = {
    let mut shortest = SHORTEST_JWT;
    let mut nth = 0;
    while nth < MARKS.len() {
        let (mark, least): Mark = MARKS[nth];
        let mut at = 0;
        while at < mark.len() {
            assert!(is_of_tokens(mark[at]));
            at += 1;
        }
        if mark.len() + least < shortest {
            shortest = mark.len() + least;
        }
        nth += 1;
    }
    shortest
};

#[cfg(test)]
mod tests;
