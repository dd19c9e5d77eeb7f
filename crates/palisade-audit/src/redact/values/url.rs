use std::ops::Range;

use crate::redact::pairs::run;

/// User and password of a URL, behind its `//` and before `@` (RFC 3986, section 3.2.1).
///
/// A password may hold `/`, `?` or `#` as they are, as people paste them: where a colon comes before these, and no port
/// behind it, all to the last `@` is taken.
pub(super) fn user_info(text: &[u8], at: usize, is_cut: bool) -> Option<Range<usize>> {
    let len = run(text, at, |byte| {
        byte > b' ' && byte != 0x7f && !matches!(byte, b'"' | b'<' | b'>')
    });
    let url = &text[at..at + len];
    let ends_authority = |byte: &u8| matches!(byte, b'/' | b'?' | b'#');
    let authority = url.iter().position(ends_authority).unwrap_or(len);
    let last_at = |part: &[u8]| part.iter().rposition(|byte| *byte == b'@');
    let end = match has_password(url) {
        true => last_at(url).or((is_cut && at + len == text.len()).then_some(len)),
        false => last_at(&url[..authority]),
    }?;
    (end > 0).then_some(at..at + end)
}

/// Whether what follows the first colon, if that comes before `/`, `?`, `#` and `@`, is no port.
fn has_password(url: &[u8]) -> bool {
    let stop = url
        .iter()
        .position(|byte| matches!(byte, b':' | b'/' | b'?' | b'#' | b'@' | b'['));
    let Some(colon) = stop.filter(|stop| url[*stop] == b':') else {
        return false;
    };
    let digits = run(url, colon + 1, |byte| byte.is_ascii_digit());
    let ends = matches!(url.get(colon + 1 + digits), None | Some(b'/' | b'?' | b'#'));
    !(ends && (1..=5).contains(&digits))
}
