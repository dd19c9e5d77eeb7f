use std::borrow::Cow;
use std::fmt::Write;

use ring::digest::{SHA256, digest};

/// The longest name of a host, and a port.
const LONGEST: usize = 253 + ":65535".len();

/// The length of the mark in the place of a longer key's end: a tilde and a SHA-256 in hex.
const MARK: usize = 1 + 64;

/// A key that takes a bounded memory: a longer one is cut, and told from others by its digest, which is the same in every
/// process.
pub(crate) fn bounded(key: &str) -> Cow<'_, str> {
    if key.len() <= LONGEST {
        return Cow::Borrowed(key);
    }
    // `str::floor_char_boundary` is newer than the least Rust that is asked for. At 0 there is always a boundary.
    let mut end = LONGEST - MARK;
    while !key.is_char_boundary(end) {
        end -= 1;
    }
    let mut short = String::with_capacity(LONGEST);
    short.push_str(&key[..end]);
    short.push('~');
    for byte in digest(&SHA256, key.as_bytes()).as_ref() {
        // Writing to a `String` does not fail.
        let _ = write!(short, "{byte:02x}");
    }
    Cow::Owned(short)
}
