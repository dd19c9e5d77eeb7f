//! What the headers of a message say about its body, and what they must no longer say.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::config::Form;

/// Whether, and how, the body is JSON. One content type among several is enough.
pub(super) fn form(headers: &HeaderMap) -> Option<Form> {
    let form = headers
        .get_all(header::CONTENT_TYPE)
        .iter()
        .find_map(|value| form_of(value.as_bytes()))?;
    // A part of a document may be JSON by chance, such as one string of it.
    if headers.contains_key(header::CONTENT_RANGE) {
        return Some(Form::Unreadable);
    }
    Some(form)
}

fn form_of(content_type: &[u8]) -> Option<Form> {
    let end = content_type
        .iter()
        .position(|byte| matches!(byte, b';' | b','))
        .unwrap_or(content_type.len());
    let essence = content_type[..end].trim_ascii().to_ascii_lowercase();
    match essence.as_slice() {
        b"application/json" | b"text/json" => Some(Form::Document),
        b"application/x-ndjson" | b"application/ndjson" | b"application/jsonl" => Some(Form::Lines),
        suffixed if suffixed.ends_with(b"+json") => Some(Form::Document),
        // Such as application/json-seq (RFC 7464), or parts of a document that were asked for by Range.
        other if other.windows(4).any(|window| window == b"json") => Some(Form::Unreadable),
        b"multipart/byteranges" => Some(Form::Unreadable),
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
            ("application/json-seq", Some(Form::Unreadable)),
            ("application/jsonp", Some(Form::Unreadable)),
            ("multipart/byteranges; boundary=x", Some(Form::Unreadable)),
            ("application/javascript", None),
            ("text/html", None),
            ("", None),
        ] {
            assert_eq!(form_of(value.as_bytes()), expected, "{value}");
        }
    }
}
