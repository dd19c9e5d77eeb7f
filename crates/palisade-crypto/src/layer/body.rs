//! The headers that describe a body, and those that no longer hold once it was rewritten.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::config::Form;

/// Whether, and how, the body is JSON. One content type among several is enough.
pub(super) fn form(headers: &HeaderMap) -> Option<Form> {
    let form = headers
        .get_all(header::CONTENT_TYPE)
        .iter()
        .find_map(|value| form_of(value.as_bytes()))?;
    // A part of a document may be JSON by chance, such as one string of it.
    if headers
        .get_all(header::CONTENT_RANGE)
        .iter()
        .any(|range| is_of_a_part(range.as_bytes()))
    {
        return Some(Form::Unreadable);
    }
    Some(form)
}

/// Whether a `Content-Range` names the part that the body is. In `bytes */42`, which goes with 416, it names none (RFC
/// 9110, section 14.4), and the body is a whole one that says what is wrong.
fn is_of_a_part(range: &[u8]) -> bool {
    let range = range.trim_ascii();
    let unit = range.iter().position(u8::is_ascii_whitespace);
    !unit.is_some_and(|end| range[end..].trim_ascii_start().starts_with(b"*/"))
}

fn form_of(content_type: &[u8]) -> Option<Form> {
    let end = content_type
        .iter()
        .position(|byte| matches!(byte, b';' | b','))
        .unwrap_or(content_type.len());
    let essence = content_type[..end].trim_ascii();
    // Longer than any type with a name (RFC 6838, section 4.2), unless somebody hides one.
    let mut lower = [0; 256];
    let Some(lower) = lower.get_mut(..essence.len()) else {
        return Some(Form::Unreadable);
    };
    lower.copy_from_slice(essence);
    lower.make_ascii_lowercase();
    let essence: &[u8] = lower;
    if essence == b"multipart/byteranges" {
        return Some(Form::Unreadable);
    }
    let subtype = essence.splitn(2, |byte| *byte == b'/').nth(1)?;
    match subtype.strip_prefix(b"x-").unwrap_or(subtype) {
        b"ndjson" | b"jsonl" | b"jsonlines" | b"json-lines" | b"ldjson" | b"stream+json" => {
            Some(Form::Lines)
        }
        b"json-seq" => Some(Form::Sequence),
        // AWS names the version of its protocol there.
        b"json" | b"amz-json-1.0" | b"amz-json-1.1" => Some(Form::Document),
        other if other.ends_with(b"+json") => Some(Form::Document),
        other if other.ends_with(b"+json-seq") => Some(Form::Sequence),
        // Such as application/jsonp or application/json5.
        other if other.windows(4).any(|window| window == b"json") => Some(Form::Unreadable),
        _ => None,
    }
}

/// Whether the body is compressed or otherwise encoded.
pub(super) fn is_encoded(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|value| {
            let value = value.as_bytes().trim_ascii();
            !(value.is_empty() || value.eq_ignore_ascii_case(b"identity"))
        })
}

const ABOUT_THE_BODY: [HeaderName; 8] = [
    header::ETAG,
    header::ACCEPT_RANGES,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];

/// Drops what the headers say of the body as it was; `len` is its length now, if there is one to tell.
pub(super) fn restate(headers: &mut HeaderMap, len: Option<usize>) {
    // Most have none of them, and to compare the few that are there costs less than to look for each.
    if headers.keys().any(|name| ABOUT_THE_BODY.contains(name)) {
        for name in &ABOUT_THE_BODY {
            headers.remove(name);
        }
    }
    match len {
        Some(len) => {
            headers.insert(header::CONTENT_LENGTH, number(len));
        }
        None => {
            headers.remove(header::CONTENT_LENGTH);
        }
    }
}

/// The conversion of `http` allocates twice.
fn number(len: usize) -> HeaderValue {
    let mut digits = itoa::Buffer::new();
    HeaderValue::from_str(digits.format(len)).unwrap_or_else(|_| HeaderValue::from(len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_known_by_its_type_alone() {
        for (value, expected) in [
            ("application/json", Some(Form::Document)),
            ("Application/JSON; charset=utf-8", Some(Form::Document)),
            ("application/problem+json", Some(Form::Document)),
            ("application/vnd.api+JSON ;v=1", Some(Form::Document)),
            ("text/json", Some(Form::Document)),
            ("application/x-ndjson", Some(Form::Lines)),
            ("application/jsonl", Some(Form::Lines)),
            ("application/jsonlines", Some(Form::Lines)),
            ("application/x-jsonlines; charset=utf-8", Some(Form::Lines)),
            ("application/x-ldjson", Some(Form::Lines)),
            ("text/x-ndjson", Some(Form::Lines)),
            ("application/stream+json", Some(Form::Lines)),
            ("application/x-json", Some(Form::Document)),
            ("text/x-json", Some(Form::Document)),
            ("application/x-amz-json-1.1", Some(Form::Document)),
            ("application/json-seq", Some(Form::Sequence)),
            ("application/geo+json-seq", Some(Form::Sequence)),
            ("application/json5", Some(Form::Unreadable)),
            ("application/xjson", Some(Form::Unreadable)),
            ("application/jsonp", Some(Form::Unreadable)),
            ("multipart/byteranges; boundary=x", Some(Form::Unreadable)),
            (&*"a/".repeat(200), Some(Form::Unreadable)),
            ("application/javascript", None),
            ("text/html", None),
            ("", None),
        ] {
            assert_eq!(form_of(value.as_bytes()), expected, "{value}");
        }
    }

    #[test]
    fn a_range_that_names_no_part_is_told_from_one_that_does() {
        for (range, is_part) in [
            ("bytes */42", false),
            ("bytes  */42", false),
            ("items */*", false),
            ("bytes 0-4/42", true),
            ("bytes 0-4/*", true),
            // Not well formed, so that nobody knows.
            ("*/42", true),
            ("", true),
        ] {
            assert_eq!(is_of_a_part(range.as_bytes()), is_part, "{range}");
        }
    }
}
