//! The attributes of one cookie, read as browsers read them (RFC 6265bis, section 5.6).

use http::HeaderValue;

use super::layer::{Rules, SameSite};

/// The cookie with what it lacks, or nothing where it lacks nothing.
pub(super) fn hardened(rules: &Rules, cookie: &HeaderValue) -> Option<HeaderValue> {
    let attributes = Attributes::of(cookie.as_bytes());
    let has_host_prefix = starts_with_ignoring_case(attributes.name, b"__Host-");
    let is_read = rules
        .scripts_read
        .iter()
        .any(|name| **name == *attributes.name);
    let added = [
        (has_host_prefix && !attributes.path, "; Path=/"),
        (!attributes.secure, "; Secure"),
        (!attributes.http_only && !is_read, "; HttpOnly"),
        (!attributes.same_site, same_site(rules.same_site)),
    ];
    if added.iter().all(|(missing, _)| !missing) {
        return None;
    }
    let mut text = cookie.as_bytes().to_vec();
    for (_, attribute) in added.iter().filter(|(missing, _)| *missing) {
        text.extend_from_slice(attribute.as_bytes());
    }
    let mut value = HeaderValue::from_maybe_shared(bytes::Bytes::from(text)).ok()?;
    value.set_sensitive(cookie.is_sensitive());
    Some(value)
}

const fn same_site(same_site: SameSite) -> &'static str {
    match same_site {
        SameSite::Lax => "; SameSite=Lax",
        SameSite::Strict => "; SameSite=Strict",
    }
}

/// The attributes that browsers find in a cookie.
struct Attributes<'c> {
    name: &'c [u8],
    path: bool,
    secure: bool,
    http_only: bool,
    /// Whether the last `SameSite` has a value that browsers know: they treat another one as none.
    same_site: bool,
}

impl<'c> Attributes<'c> {
    fn of(cookie: &'c [u8]) -> Self {
        let mut parts = cookie.split(|byte| *byte == b';');
        let (name, _) = pair(parts.next().unwrap_or_default());
        let mut found = Self {
            name,
            path: false,
            secure: false,
            http_only: false,
            same_site: false,
        };
        for part in parts {
            let (name, value) = pair(part);
            let is = |attribute: &[u8]| name.eq_ignore_ascii_case(attribute);
            if is(b"secure") {
                found.secure = true;
            } else if is(b"httponly") {
                found.http_only = true;
            } else if is(b"path") {
                found.path = true;
            } else if is(b"samesite") {
                let known = [&b"lax"[..], b"strict", b"none"];
                found.same_site = known.iter().any(|known| value.eq_ignore_ascii_case(known));
            }
        }
        found
    }
}

/// Name and value of `name=value`. Of the cookie itself a part without `=` is a value without a name; what matters here is
/// that it is no name with a prefix, which browsers refuse too.
fn pair(part: &[u8]) -> (&[u8], &[u8]) {
    match part.iter().position(|byte| *byte == b'=') {
        Some(at) => (part[..at].trim_ascii(), part[at + 1..].trim_ascii()),
        None => (part.trim_ascii(), b""),
    }
}

fn starts_with_ignoring_case(text: &[u8], prefix: &[u8]) -> bool {
    text.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}
