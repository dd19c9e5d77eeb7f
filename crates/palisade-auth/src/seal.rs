//! Seals for data that lies where others may write: a MAC, so that only data that was kept for this name by somebody with
//! our key is believed.

use ring::hmac;

use crate::HmacKeys;
use crate::jwt::parse::{decode, encode};

/// `<MAC>.<text>`. A name of a purpose has always the same length, so that name and text cannot run into each other.
pub(crate) fn seal(keys: &HmacKeys, purpose: &str, name: &[u8], text: &str) -> String {
    let secrets = keys.secrets();
    let tag = hmac::sign(secrets.signing(), &labelled(purpose, name, text));
    format!("{}.{text}", encode(tag))
}

/// The text, if it was sealed for this purpose and name with one of our keys; compared in constant time.
pub(crate) fn open<'a>(
    keys: &HmacKeys,
    purpose: &str,
    name: &[u8],
    sealed: &'a str,
) -> Option<&'a str> {
    let (tag, text) = sealed.split_once('.')?;
    let tag = decode(tag.as_bytes()).ok()?;
    let message = labelled(purpose, name, text);
    let secrets = keys.secrets();
    let opened = secrets
        .all()
        .any(|key| hmac::verify(key, &message, &tag).is_ok())
        .then_some(text);
    if opened.is_none() {
        tracing::error!(target: "palisade_auth", purpose, "what Redis kept was tampered with");
    }
    opened
}

/// The label keeps these MACs apart from each other and from the signatures of tokens under the same key.
fn labelled(purpose: &str, name: &[u8], text: &str) -> Vec<u8> {
    let label: [&[u8]; 3] = [b"palisade-auth: ", purpose.as_bytes(), b" kept\0"];
    [&label.concat(), name, text.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sealed_for_this_purpose_and_name_is_opened() {
        let keys = HmacKeys::current("kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu").unwrap();
        let other = HmacKeys::current("Zt9QwL3nVb6YxK1rMd8FpS5gHc2JeU7o").unwrap();
        let sealed = seal(&keys, "session", b"name", "a.b");
        assert_eq!(open(&keys, "session", b"name", &sealed), Some("a.b"));
        assert_eq!(open(&keys, "api key", b"name", &sealed), None);
        assert_eq!(open(&keys, "session", b"eman", &sealed), None);
        assert_eq!(open(&other, "session", b"name", &sealed), None);
        assert_eq!(open(&keys, "session", b"name", &format!("{sealed}c")), None);
        assert_eq!(open(&keys, "session", b"name", "a.b"), None);
        let rotated = other.previous("kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu").unwrap();
        assert_eq!(open(&rotated, "session", b"name", &sealed), Some("a.b"));
    }
}
