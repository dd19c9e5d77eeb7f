//! The words and signs of a file of Rust, without comments, attributes and what is compiled for tests alone.

/// A word, `::`, or one other sign each. A text in quotes is `"`; lifetimes and comments are left out.
pub(super) fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, after) = if rest.starts_with("//") {
            ("", rest.split_once('\n').map_or("", |(_, after)| after))
        } else if rest.starts_with("/*") {
            ("", after_comment(rest))
        } else if let Some(after) = after_text(rest) {
            ("\"", after)
        } else if first == '\'' {
            ("", after_quote(&rest[1..]))
        } else if rest.starts_with("::") {
            rest.split_at(2)
        } else {
            let word = rest.find(|c: char| !is_in_word(c)).unwrap_or(rest.len());
            rest.split_at(word.max(if word == 0 { first.len_utf8() } else { 0 }))
        };
        if !token.is_empty() {
            tokens.push(token);
        }
        rest = after.trim_start();
    }
    tokens
}

pub(super) fn is_in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Returns the text after a comment in `/* */`, in which others may lie.
fn after_comment(text: &str) -> &str {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return &text[at..];
            }
        } else {
            at += 1;
        }
    }
    ""
}

/// Returns the text after the literal in double quotes with which `rest` begins, raw ones and those of bytes included.
fn after_text(rest: &str) -> Option<&str> {
    let plain = rest.strip_prefix(['b', 'c']).unwrap_or(rest);
    if let Some(raw) = plain.strip_prefix('r') {
        let opening = raw.trim_start_matches('#');
        let end = format!("\"{}", &raw[..raw.len() - opening.len()]);
        let inside = opening.strip_prefix('"')?;
        return Some(inside.split_once(&end).map_or("", |(_, after)| after));
    }
    let mut chars = plain.strip_prefix('"')?.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '"' => break,
            _ => {}
        }
    }
    Some(chars.as_str())
}

/// Returns the text after a character in quotes, or a lifetime, behind the first quote.
fn after_quote(text: &str) -> &str {
    let mut chars = text.chars();
    let first = chars.next();
    let after_first = chars.as_str();
    if first == Some('\\') {
        let escaped = after_first.char_indices().nth(1).map_or(0, |(at, _)| at);
        return after_first[escaped..]
            .split_once('\'')
            .map_or("", |(_, after)| after);
    }
    after_first
        .strip_prefix('\'')
        .unwrap_or_else(|| text.trim_start_matches(is_in_word))
}

/// The code without attributes, and without the items that are compiled for tests alone.
pub(super) fn without_tests<'a>(code: &[&'a str]) -> Vec<&'a str> {
    let mut kept = Vec::with_capacity(code.len());
    let mut at = 0;
    let mut is_skipped = false;
    while at < code.len() {
        let is_inner = code[at..].starts_with(&["#", "!", "["]);
        if !is_inner && !code[at..].starts_with(&["#", "["]) {
            let end = at + if is_skipped { item(&code[at..]) } else { 1 };
            if !is_skipped {
                kept.push(code[at]);
            }
            (at, is_skipped) = (end, false);
            continue;
        }
        let open = at + 1 + usize::from(is_inner);
        let end = closing(code, open);
        let is_for_tests = match &code[open + 1..end] {
            ["cfg", condition @ ..] => needs_test(condition),
            _ => false,
        };
        if is_inner && is_for_tests {
            return Vec::new();
        }
        is_skipped |= is_for_tests;
        at = end + 1;
    }
    kept
}

/// Whether a condition, in its parentheses, holds in tests alone.
fn needs_test(condition: &[&str]) -> bool {
    let inside = condition.get(1..condition.len() - 1).unwrap_or_default();
    match inside {
        ["test"] => true,
        ["all", list @ ..] => parts(list).any(|part| needs_test(&[&["("], part, &[")"]].concat())),
        ["any", list @ ..] => parts(list).all(|part| needs_test(&[&["("], part, &[")"]].concat())),
        _ => false,
    }
}

/// The parts of a list in brackets.
pub(super) fn parts<'a, 'b>(list: &'b [&'a str]) -> impl Iterator<Item = &'b [&'a str]> {
    let inside = list.get(1..list.len().saturating_sub(1));
    let mut rest = inside.unwrap_or_default();
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut end = 0;
        while end < rest.len() && rest[end] != "," {
            end = closing(rest, end) + 1;
        }
        let part = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        Some(part)
    })
}

/// Returns the position at which the bracket at `open` is closed; a place without one is its own end.
pub(super) fn closing(code: &[&str], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in code.iter().enumerate().skip(open) {
        match *token {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    code.len().saturating_sub(1)
}

/// The length of the item, field or arm with which the code begins.
fn item(code: &[&str]) -> usize {
    const WITH_VALUES: [&str; 5] = ["use", "type", "static", "let", "const"];
    const WITH_BODIES: [&str; 8] = [
        "fn",
        "mod",
        "impl",
        "trait",
        "struct",
        "enum",
        "union",
        "macro_rules",
    ];
    let known = |word: &&&str| WITH_VALUES.contains(*word) || WITH_BODIES.contains(*word);
    let head = code
        .iter()
        .take_while(|token| !matches!(**token, ";" | "," | "{" | "=" | ":"));
    let words: Vec<_> = head.filter(known).collect();
    let has_body = words.last().is_some_and(|word| WITH_BODIES.contains(*word));
    let mut at = 0;
    while at < code.len() {
        match code[at] {
            ";" => return at + 1,
            "," if words.is_empty() => return at + 1,
            // The end of what the field or arm lies in.
            "}" | ")" | "]" => return at,
            "{" if has_body => return closing(code, at) + 1,
            _ => at = closing(code, at) + 1,
        }
    }
    code.len()
}
