//! Secrets that are known by their form, whatever they are called.

pub(super) mod card;
mod url;

use std::ops::Range;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::marks;
use super::pairs::run;
use super::signs::Signs;

pub(super) use self::card::{SHORTEST as SHORTEST_CARD, is_card};

/// Calls `found` with the place of each secret in `text`, in the order of their beginnings; places may overlap.
///
/// The rest of a text that `is_cut` is not there, and what may have begun to be a secret counts as one.
pub(super) fn find(text: &[u8], signs: Signs, is_cut: bool, mut found: impl FnMut(Range<usize>)) {
    if !signs.may_have_secrets(text, is_cut) {
        return;
    }
    let may_have_cards = signs.may_have_cards();
    let mut at = 0;
    while at < text.len() {
        let byte = text[at];
        let secret = match START[usize::from(byte)] {
            Start::Other => {
                at += 1;
                continue;
            }
            Start::Gap => gap(text, at, is_cut),
            Start::Digit => {
                if may_have_cards && let Some(number) = card::find(text, at) {
                    found(number);
                }
                // Another number may begin at each group of digits.
                issued(text, at)
            }
            Start::Word => word(text, at),
            Start::Plain => None,
        };
        at = match secret {
            Some(secret) => {
                let end = secret.end;
                found(secret);
                end
            }
            // A secret begins where a word does, so the rest of this one is passed over.
            None => at + run(text, at, |byte| byte.is_ascii_alphanumeric()).max(1),
        };
    }
}

/// The kind of secret that may begin at a byte.
#[derive(Clone, Copy)]
enum Start {
    /// Nothing, and it belongs to no word.
    Other,
    /// `//` or `-----BEGIN`.
    Gap,
    /// A number, which may be a card's.
    Digit,
    /// A word that may be a secret, or announce one.
    Word,
    /// A word that cannot.
    Plain,
}

const START: [Start; 256] = {
    let mut table = [Start::Other; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'/' | b'-' => Start::Gap,
            b'0'..=b'9' => Start::Digit,
            b'b' | b'B' | b'e' => Start::Word,
            other if marks::begins(other) => Start::Word,
            other if other.is_ascii_alphanumeric() => Start::Plain,
            _ => Start::Other,
        };
        byte += 1;
    }
    table
};

fn gap(text: &[u8], at: usize, is_cut: bool) -> Option<Range<usize>> {
    match &text[at..] {
        [b'/', b'/', ..] => url::user_info(text, at + 2, is_cut),
        [b'-', b'-', b'-', b'-', b'-', b'B', ..] => private_key(text, at),
        _ => None,
    }
}

fn word(text: &[u8], at: usize) -> Option<Range<usize>> {
    let announced = match text[at] {
        b'b' | b'B' => bearer(text, at).or_else(|| basic(text, at)),
        b'e' => token(text, at),
        _ => None,
    };
    announced.or_else(|| issued(text, at))
}

const fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// Finds the credential behind the name of a scheme (RFC 9110, section 11.4); `+` is a space in forms.
fn behind_scheme(text: &[u8], at: usize, name: &[u8]) -> Option<Range<usize>> {
    if !text.get(at..at + name.len())?.eq_ignore_ascii_case(name) {
        return None;
    }
    let gap = run(text, at + name.len(), |byte| {
        matches!(byte, b' ' | b'\t' | b'+')
    });
    let start = at + name.len() + gap;
    let len = run(text, start, |byte| {
        byte > b' ' && byte < 0x7f && !b"\"'`,;<>&(){}[]\\".contains(&byte)
    });
    let names_a_parameter = text.get((start + len).checked_sub(1)?) == Some(&b'=')
        && text.get(start + len) == Some(&b'"');
    (gap > 0 && len > 0 && !names_a_parameter).then_some(start..start + len)
}

/// The token behind `Bearer` (RFC 6750, section 2.1).
fn bearer(text: &[u8], at: usize) -> Option<Range<usize>> {
    let place = behind_scheme(text, at, b"bearer")?;
    // Prose has words behind `bearer`; a token is long or mixed, or the text has nothing else.
    let token = &text[place.clone()];
    let is_all = at == 0 && text[0] == b'B' && place.end == text.len();
    (is_all || token.len() >= 20 || (token.len() >= 6 && is_mixed(token))).then_some(place)
}

/// The user and password behind `Basic` (RFC 7617, section 2).
fn basic(text: &[u8], at: usize) -> Option<Range<usize>> {
    let place = behind_scheme(text, at, b"basic")?;
    let credential = &text[place.clone()];
    (holds_user_and_password(credential) || (credential.len() >= 16 && is_mixed(credential)))
        .then_some(place)
}

/// Returns whether a word has digits, or capitals behind small letters, or what only encodings have.
fn is_mixed(word: &[u8]) -> bool {
    let has_inner_capital = word
        .windows(2)
        .any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
    has_inner_capital
        || word
            .iter()
            .any(|byte| byte.is_ascii_digit() || matches!(byte, b'=' | b'_' | b'~' | b'|'))
}

/// Returns whether it is base64, of either alphabet and however padded, of a text with a colon.
fn holds_user_and_password(credential: &[u8]) -> bool {
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const ALPHABETS: [GeneralPurpose; 2] = [
        GeneralPurpose::new(&alphabet::STANDARD, LENIENT),
        GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT),
    ];
    let is_pair = |plain: &[u8]| {
        plain.contains(&b':')
            && std::str::from_utf8(plain).is_ok_and(|text| !text.chars().any(char::is_control))
    };
    // Longer ones are credentials by their length.
    let mut plain = [0; 384];
    let Some(credential) = credential.get(..credential.len().min(500)) else {
        return false;
    };
    ALPHABETS.iter().any(|alphabet| {
        let len = alphabet.decode_slice(credential, &mut plain);
        len.is_ok_and(|len| plain.get(..len).is_some_and(is_pair))
    })
}

/// A signed or encrypted JSON Web Token in compact form (RFC 7515, section 3.1; RFC 7516, section 3.1).
///
/// Its header begins with `{` and a quote or white space, in base64url. A part may be empty: the signature, or an
/// encrypted token's key.
fn token(text: &[u8], at: usize) -> Option<Range<usize>> {
    let begins = [b"eyJ", b"eyA", b"ewo", b"ew0", b"ewk"];
    let start = text.get(at..at + 3)?;
    if !begins.iter().any(|begin| start == *begin) {
        return None;
    }
    let header = run(text, at, is_base64url);
    let rest = run(text, at + header, |byte| is_base64url(byte) || byte == b'.');
    // The header ends at the first dot, with which the rest begins.
    let is_token = header >= 8 && rest > 8;
    is_token.then_some(at..at + header + rest)
}

fn issued(text: &[u8], at: usize) -> Option<Range<usize>> {
    let (mark, least) = marks::of(text.get(at..)?)?;
    let len = run(text, at + mark.len(), |byte| {
        is_base64url(byte) || matches!(byte, b'.' | b'+' | b'/' | b'=')
    });
    (len >= *least).then_some(at..at + mark.len() + len)
}

/// A private key in PEM form, to its end or the text's.
fn private_key(text: &[u8], at: usize) -> Option<Range<usize>> {
    text.get(at..)?.strip_prefix(b"-----BEGIN ")?;
    let head = text.get(at..text.len().min(at + 64))?;
    let marker = b"PRIVATE KEY";
    head.windows(marker.len()).position(|part| part == marker)?;
    let close = b"-----END";
    let rest = &text[at..];
    let end = rest.windows(close.len()).position(|part| part == close);
    Some(at..end.map_or(text.len(), |end| at + end))
}

#[cfg(test)]
mod tests;
