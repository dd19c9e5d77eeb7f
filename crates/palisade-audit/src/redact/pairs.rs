//! Names with their values inside a text: `name=value` and `"name": value`.

use std::ops::Range;

/// Longer names are none.
const MAX_NAME: usize = 128;

/// The layout of names and values in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Anywhere, with anything between them.
    Text,
    /// As in a query or a form.
    Query,
}

/// A name and its value in a text.
pub(super) struct Pair {
    pub(super) name: Range<usize>,
    pub(super) value: Range<usize>,
    /// Whether it stands where a URL has its query, or in a form.
    pub(super) in_query: bool,
}

/// Calls `found` with each pair, in order of their names; values of which it answers `true` are not looked into.
pub(super) fn find(text: &[u8], is_query: bool, mut found: impl FnMut(&Pair) -> bool) {
    find_within(text, 0..text.len(), is_query, &mut found);
}

/// Does so for pairs whose first sign lies in a part of the text.
fn find_within(
    text: &[u8],
    part: Range<usize>,
    is_query: bool,
    found: &mut dyn FnMut(&Pair) -> bool,
) {
    let mut at = part.start;
    loop {
        let rest = text.get(at..part.end).unwrap_or_default();
        let Some(next) = rest
            .iter()
            .position(|byte| matches!(byte, b'=' | b'"' | b'\''))
        else {
            return;
        };
        at += next;
        let pair = match text[at] {
            b'=' => assigned(text, at, is_query),
            _ => quoted(text, at),
        };
        at = match pair {
            Some(pair) if !pair.value.is_empty() && found(&pair) => {
                // A name in quotes may be what stands between two others, with pairs of its own.
                find_within(text, pair.name, is_query, found);
                pair.value.end
            }
            _ => at + 1,
        };
    }
}

/// `name=value`, by the place of its `=`.
fn assigned(text: &[u8], at: usize, is_query: bool) -> Option<Pair> {
    let before = &text[..at];
    let len = before
        .iter()
        .rev()
        .take_while(|byte| in_name(**byte))
        .count();
    if len == 0 || len > MAX_NAME || matches!(text.get(at + 1), Some(b'=' | b'>')) {
        return None;
    }
    let start = at - len;
    let in_query = match start.checked_sub(1) {
        Some(before) => matches!(text[before], b'?' | b'&' | b'#' | b';'),
        None => is_query,
    };
    let value = at + 1;
    let value = match text.get(value) {
        Some(quote @ (b'"' | b'\'')) => value + 1..string_end(text, value + 1, *quote),
        _ => value..value + run(text, value, |byte| !ends_value(byte)),
    };
    Some(Pair {
        name: start..at,
        value,
        in_query,
    })
}

/// `"name": value` as in JSON, or `'name' => value`, by the place of the first quote.
fn quoted(text: &[u8], at: usize) -> Option<Pair> {
    let quote = text[at];
    let name = at + 1..at + 1 + run(text, at + 1, |byte| byte != quote && byte >= b' ');
    if name.is_empty() || name.len() > MAX_NAME || text.get(name.end) != Some(&quote) {
        return None;
    }
    let space = |at: usize| at + run(text, at, |byte| byte.is_ascii_whitespace());
    let colon = space(name.end + 1);
    let value = match text.get(colon..)? {
        [b':', ..] => space(colon + 1),
        [b'=', b'>', ..] => space(colon + 2),
        _ => return None,
    };
    let value = match text.get(value)? {
        quote @ (b'"' | b'\'') => value + 1..string_end(text, value + 1, *quote),
        b'{' | b'[' => value..bracket_end(text, value),
        // Whether there is a secret is no secret.
        b't' | b'f' | b'n' => return None,
        _ => value..value + run(text, value, |byte| !ends_scalar(byte)),
    };
    Some(Pair {
        name,
        value,
        in_query: false,
    })
}

/// Counts the bytes from `at` on that satisfy `fits`.
pub(super) fn run(text: &[u8], at: usize, fits: impl Fn(u8) -> bool) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    rest.iter().take_while(|byte| fits(**byte)).count()
}

const fn in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || byte >= 0x80
        || matches!(byte, b'_' | b'-' | b'.' | b'[' | b']' | b'$')
}

const fn ends_value(byte: u8) -> bool {
    byte <= b' ' || byte == 0x7f || matches!(byte, b'&' | b'"' | b'<' | b'>' | b'#')
}

const fn ends_scalar(byte: u8) -> bool {
    byte <= b' ' || matches!(byte, b',' | b'}' | b']' | b'&' | b'"')
}

/// Returns the end of a string that begins at `at`, behind its quote; the end of the text if it is open.
fn string_end(text: &[u8], mut at: usize, quote: u8) -> usize {
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' => at += 2,
            byte if *byte == quote => return at,
            _ => at += 1,
        }
    }
    text.len()
}

/// Returns the end of an object or array.
fn bracket_end(text: &[u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => at = string_end(text, at + 1, b'"'),
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of all pairs, each of which is taken out.
    fn values(text: &str) -> Vec<&str> {
        let mut values = Vec::new();
        find(text.as_bytes(), false, |pair| {
            values.push(&text[pair.value.clone()]);
            true
        });
        values
    }

    #[test]
    fn a_pair_in_the_name_of_another_is_found() {
        // The quotes that enclose a name may be the end of one string and the start of the next.
        assert_eq!(
            values(r#"": a session=kJ8sLq2mWx7Z ": b,"#),
            ["b", "kJ8sLq2mWx7Z"]
        );
        assert_eq!(values(r#"" 'pin': '1234' ": b"#), ["b", "1234"]);
        assert_eq!(values(r#"' "pin" : "1234" ' => b"#), ["b", "1234"]);
    }

    #[test]
    fn a_value_that_is_taken_out_is_not_looked_into() {
        assert_eq!(values(r#"a="b=c" d=e"#), ["b=c", "e"]);
        assert_eq!(
            values(r#"{"a": {"b": "c"}, "d": "e"}"#),
            [r#"{"b": "c"}"#, "e"]
        );
    }
}
