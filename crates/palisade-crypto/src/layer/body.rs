//! What the headers of a message say about its body, and what they must no longer say.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::config::Form;

/// Whether, and how, the body is JSON. One content type among several is enough.
pub(super) fn form(headers: &HeaderMap) -> Option<Form> {
    headers
        .get_all(header::CONTENT_TYPE)
        .iter()
        .find_map(|value| form_of(value.as_bytes()))
}

fn form_of(content_type: &[u8]) -> Option<Form> {
    let end = content_type
        .iter()
        .position(|byte| matches!(byte, b';' | b','))
        .unwrap_or(content_type.len());
    let essence = content_type[..end].trim_ascii();
    let is = |known: &str| essence.eq_ignore_ascii_case(known.as_bytes());
    if is("application/json") || is("text/json") {
        return Some(Form::Document);
    }
    if is("application/x-ndjson") || is("application/ndjson") || is("application/jsonl") {
        return Some(Form::Lines);
    }
    let suffix = essence.len().checked_sub(5)?;
    essence[suffix..]
        .eq_ignore_ascii_case(b"+json")
        .then_some(Form::Document)
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
    for name in &ABOUT_THE_BODY {
        headers.remove(name);
    }
    headers.remove(header::CONTENT_LENGTH);
    if let Some(len) = len {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(len));
    }
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
            ("application/jsonp", None),
            ("text/html", None),
            ("json", None),
            ("", None),
        ] {
            assert_eq!(form_of(value.as_bytes()), expected, "{value}");
        }
    }
}
