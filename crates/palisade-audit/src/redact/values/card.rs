//! Numbers of payment cards.

use std::ops::Range;

use crate::redact::pairs::run;

/// The shortest number of a card, in digits.
pub(in crate::redact) const SHORTEST: usize = 13;

/// The longest number of a card, in digits (ISO/IEC 7812-1).
const LONGEST: usize = 19;

/// The longest number of a card that begins with the group of digits at `at`: whole groups of digits, of a length and
/// with a beginning that issuers use, and with the right check digit (ISO/IEC 7812-1, annex B).
pub(super) fn find(text: &[u8], at: usize) -> Option<Range<usize>> {
    let mut digits = [0_u8; LONGEST];
    let (mut count, mut shortest_group, mut end) = (0, usize::MAX, at);
    let mut best = None;
    let mut is_unusual = false;
    let is_fraction = matches!(text.get(..at), Some([.., b'0'..=b'9', b'.']));
    loop {
        let group = run(text, end, |byte| byte.is_ascii_digit());
        let Some(room) = digits.get_mut(count..count + group) else {
            return best;
        };
        for (digit, byte) in room.iter_mut().zip(&text[end..]) {
            *digit = byte - b'0';
        }
        count += group;
        end += group;
        shortest_group = shortest_group.min(group);
        if text.get(end).is_some_and(u8::is_ascii_alphabetic) {
            return best;
        }
        let known = digits.get(..count).unwrap_or_default();
        // Short groups between dots and the like are dates, versions and addresses.
        let is_number = is_issued_length(known) && luhn(known);
        // What is written in one group is as well a fraction behind its point, or, with 13 digits, the number of an article,
        // an order or a time; no card has been issued with so few for decades.
        let is_else = end - at == count && (is_fraction || count == 13);
        if is_number && !is_else && !(is_unusual && shortest_group < 3) {
            best = Some(at..end);
        }
        let gap = run(text, end, separates);
        // Without a separator there is no digit either: the group ended before something else.
        if gap > 4 || !text.get(end + gap).is_some_and(u8::is_ascii_digit) {
            return best;
        }
        is_unusual |= text[end..end + gap]
            .iter()
            .any(|byte| !matches!(byte, b' ' | b'-'));
        end += gap;
    }
}

/// Separators between groups of digits; the two last are a no-break space in UTF-8.
const fn separates(byte: u8) -> bool {
    matches!(
        byte,
        b' ' | b'-' | b'+' | b'\t' | b'.' | b'_' | b'/' | 0xc2 | 0xa0
    )
}

/// Whether a number in any notation of JSON is a card's.
pub(in crate::redact) fn is_card(number: &[u8]) -> bool {
    let number = number.strip_prefix(b"-").unwrap_or(number);
    let whole = run(number, 0, |byte| byte.is_ascii_digit());
    let (digits, rest) = number.split_at(whole);
    if rest.contains(&b'e') || rest.contains(&b'E') {
        let plain = std::str::from_utf8(number)
            .ok()
            .and_then(|text| text.parse().ok());
        // What has more digits is no card's, and what has a fraction ends with it.
        return plain.is_some_and(|plain: f64| {
            (1e12..1e19).contains(&plain) && is_card(format!("{plain:.0}").as_bytes())
        });
    }
    let is_whole = rest.iter().skip(1).all(|digit| *digit == b'0');
    is_whole && find(digits, 0) == Some(0..whole)
}

fn is_issued_length(digits: &[u8]) -> bool {
    let lead = |count: usize| {
        digits
            .iter()
            .take(count)
            .fold(0_u32, |sum, digit| sum * 10 + u32::from(*digit))
    };
    let len = digits.len();
    match digits.first() {
        Some(4) => matches!(len, 13 | 16 | 19),
        Some(5) => len == 16,
        Some(2) => len == 16 && (2221..=2720).contains(&lead(4)),
        Some(3) => match lead(2) {
            34 | 37 => len == 15,
            30 | 36 | 38 | 39 => len == 14,
            35 => (16..=19).contains(&len),
            _ => false,
        },
        // Discover, UnionPay, Maestro, RuPay and smaller ones; nobody has 61, 640 to 643, 66, 68 and 69.
        Some(6) => (16..=19).contains(&len) && has_issuer_of_six(lead(2), lead(3)),
        _ => false,
    }
}

fn has_issuer_of_six(two: u32, three: u32) -> bool {
    matches!(two, 60 | 62 | 63 | 65 | 67) || (644..=649).contains(&three)
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(nth, digit)| match (nth % 2, u32::from(*digit)) {
            (0, digit) => digit,
            (_, digit @ ..5) => digit * 2,
            // The sum of the digits of the double.
            (_, digit) => digit * 2 - 9,
        })
        .sum();
    sum.is_multiple_of(10)
}
