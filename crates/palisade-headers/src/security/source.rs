use std::fmt;

use palisade_core::Problems;

use crate::HeadersError;
use crate::origin::{is_host, is_scheme};

/// One entry of a CSP source list (CSP Level 3, section 2.3.1).
///
/// Quotes are written by the type: no text of a user becomes a keyword.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// `'none'`: nothing. Left out where other sources stand beside it, as it has no meaning there.
    None,
    /// `'self'`: the origin of the page.
    SelfOrigin,
    /// `'nonce-...'`: what carries the nonce of this response; see [`CspNonce`](crate::CspNonce).
    Nonce,
    /// `'strict-dynamic'`: what a trusted script loads. Lists of hosts have no effect beside it.
    StrictDynamic,
    /// `'unsafe-inline'`: every inline script or style, an injected one too. Browsers ignore it beside a nonce or a
    /// hash.
    UnsafeInline,
    /// `'unsafe-eval'`: text that is run as a script.
    UnsafeEval,
    /// `'wasm-unsafe-eval'`: WebAssembly, without `eval`.
    WasmUnsafeEval,
    /// `'unsafe-hashes'`: event handlers and style attributes whose hash is listed.
    UnsafeHashes,
    /// `'report-sample'`: a report holds the first 40 characters of what was blocked.
    ReportSample,
    /// `'sha256-...'`: the inline script or style with this digest.
    Sha256([u8; 32]),
    /// `'sha384-...'`, as also the `integrity` of external scripts says it.
    Sha384([u8; 48]),
    /// `'sha512-...'`
    Sha512([u8; 64]),
    /// `*`: every host, over the schemes of the network and that of the page, but not `data:` or `blob:`.
    Any,
    /// A scheme, such as `https:`.
    Scheme(Scheme),
    /// A scheme that [`Scheme`] does not list; see [`SchemeSource`].
    OtherScheme(SchemeSource),
    /// A host; see [`HostSource`].
    Host(HostSource),
}

/// A scheme that a [`Source`] allows as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// `https:`
    Https,
    /// `http:`, which allows `https:` too.
    Http,
    /// `wss:`
    Wss,
    /// `ws:`
    Ws,
    /// `data:`, which an attacker can fill at will; never for scripts.
    Data,
    /// `blob:`
    Blob,
    /// `mediastream:`
    MediaStream,
}

impl Scheme {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Https => "https:",
            Self::Http => "http:",
            Self::Wss => "wss:",
            Self::Ws => "ws:",
            Self::Data => "data:",
            Self::Blob => "blob:",
            Self::MediaStream => "mediastream:",
        }
    }
}

/// A scheme of a source list, such as `capacitor:` or `chrome-extension:`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SchemeSource(Box<str>);

impl SchemeSource {
    /// Reads a scheme (RFC 3986, section 3.1), without its colon.
    ///
    /// # Errors
    ///
    /// Refuses what is no scheme, and `javascript`, which no list of sources allows.
    pub fn new(text: &str) -> Result<Self, HeadersError> {
        let reason = match is_scheme(&text.to_ascii_lowercase()) {
            true if !text.eq_ignore_ascii_case("javascript") => {
                return Ok(Self(format!("{}:", text.to_ascii_lowercase()).into()));
            }
            true => "is allowed by no list of sources",
            false => "is not a scheme",
        };
        Err(HeadersError::Security(Problems::one(
            format!("csp scheme {text:?}"),
            reason,
        )))
    }

    /// The scheme as it stands in the policy, with its colon.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A host of a source list, such as `https://cdn.example`, `*.example.com:8443` or `cdn.example/scripts/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostSource(Box<str>);

impl HostSource {
    /// Reads `[scheme://]host[:port][/path]`; the host may begin with `*.` or be `*`, the port may be `*`: `https://*`
    /// and `*:8443` are every host of that scheme or port (CSP Level 3, section 2.3.1).
    ///
    /// # Errors
    ///
    /// Refuses what is no host: keywords, a scheme alone, quotes, spaces, `;` and `,`, which would end the directive
    /// or the policy, schemes whose addresses have no host, and a lone `*`, for which there is [`Source::Any`].
    pub fn new(text: &str) -> Result<Self, HeadersError> {
        match check(text) {
            Ok(()) => Ok(Self(text.into())),
            Err(reason) => Err(HeadersError::Security(Problems::one(
                format!("csp source {text:?}"),
                reason,
            ))),
        }
    }

    /// The host as it stands in the policy.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Schemes whose addresses have no host.
const HOSTLESS: [&str; 5] = ["about", "blob", "data", "javascript", "mailto"];

fn check(text: &str) -> Result<(), &'static str> {
    let rest = match text.split_once("://") {
        Some((scheme, rest)) if is_scheme(&scheme.to_ascii_lowercase()) => {
            if HOSTLESS
                .iter()
                .any(|known| known.eq_ignore_ascii_case(scheme))
            {
                return Err("has a scheme whose addresses have no host");
            }
            rest
        }
        Some(_) => return Err("has a scheme that is not one"),
        None if text == "*" => return Err("is every host; say so with Source::Any"),
        None => text,
    };
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    if host != "*" && !is_host(host.strip_prefix("*.").unwrap_or(host)) {
        return Err("is not a host");
    }
    if port.is_some_and(|port| port != "*" && !is_port(port)) {
        return Err("has a port that is neither '*' nor a number from 0 to 65535");
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~!$&()*+=:@%".contains(&byte);
    if !path.bytes().all(plain) {
        return Err("has a path with characters that end a directive, or must be encoded");
    }
    Ok(())
}

/// Digits alone: Rust reads a sign in front of a number too.
fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

impl Source {
    /// A scheme of any name; shorthand for [`SchemeSource::new`].
    ///
    /// # Errors
    ///
    /// As [`SchemeSource::new`].
    pub fn scheme(text: &str) -> Result<Self, HeadersError> {
        SchemeSource::new(text).map(Self::OtherScheme)
    }

    /// A host; shorthand for [`HostSource::new`].
    ///
    /// # Errors
    ///
    /// As [`HostSource::new`].
    pub fn host(text: &str) -> Result<Self, HeadersError> {
        HostSource::new(text).map(Self::Host)
    }

    /// Whether `frame-ancestors` may hold it (CSP Level 3, section 6.4.2).
    pub(super) const fn is_ancestor(&self) -> bool {
        matches!(
            self,
            Self::None
                | Self::SelfOrigin
                | Self::Any
                | Self::Scheme(_)
                | Self::OtherScheme(_)
                | Self::Host(_)
        )
    }

    pub(super) const fn is_hash(&self) -> bool {
        matches!(self, Self::Sha256(_) | Self::Sha384(_) | Self::Sha512(_))
    }

    /// Appends the text of the source, except of a nonce, which is not known yet.
    pub(super) fn write(&self, out: &mut String) {
        let word = match self {
            Self::None => "'none'",
            Self::SelfOrigin => "'self'",
            Self::Nonce => return,
            Self::StrictDynamic => "'strict-dynamic'",
            Self::UnsafeInline => "'unsafe-inline'",
            Self::UnsafeEval => "'unsafe-eval'",
            Self::WasmUnsafeEval => "'wasm-unsafe-eval'",
            Self::UnsafeHashes => "'unsafe-hashes'",
            Self::ReportSample => "'report-sample'",
            Self::Scheme(scheme) => scheme.as_str(),
            Self::Host(host) => &host.0,
            Self::Any => "*",
            Self::OtherScheme(scheme) => &scheme.0,
            Self::Sha256(digest) => return write_hash("sha256", digest, out),
            Self::Sha384(digest) => return write_hash("sha384", digest, out),
            Self::Sha512(digest) => return write_hash("sha512", digest, out),
        };
        out.push_str(word);
    }
}

fn write_hash(algorithm: &str, digest: &[u8], out: &mut String) {
    out.push('\'');
    out.push_str(algorithm);
    out.push('-');
    base64(digest, out);
    out.push('\'');
}

impl From<Scheme> for Source {
    fn from(scheme: Scheme) -> Self {
        Self::Scheme(scheme)
    }
}

impl From<HostSource> for Source {
    fn from(host: HostSource) -> Self {
        Self::Host(host)
    }
}

impl fmt::Display for HostSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Base64 of RFC 4648, section 4, with padding, as CSP writes digests.
fn base64(bytes: &[u8], out: &mut String) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let mut group = [0; 3];
        group[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        for at in 0..4 {
            out.push(if at <= chunk.len() {
                char::from(ALPHABET[(bits >> (18 - 6 * at)) as usize & 0x3f])
            } else {
                '='
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 4648, section 10.
    #[test]
    fn base64_follows_the_standard() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            let mut out = String::new();
            base64(plain.as_bytes(), &mut out);
            assert_eq!(out, coded);
        }
    }

    #[test]
    fn schemes_are_schemes() {
        assert_eq!(
            SchemeSource::new("Capacitor").unwrap().as_str(),
            "capacitor:"
        );
        for bad in [
            "",
            "1s",
            "a b",
            "https:",
            "a;b",
            "javascript",
            "JavaScript",
            "'self'",
        ] {
            assert!(SchemeSource::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn hosts_are_hosts() {
        for good in [
            "cdn.example",
            "https://cdn.example",
            "*.example.com:8443",
            "https://cdn.example:*",
            "cdn.example/scripts/app.js",
            "localhost:3000",
            "https://*",
            "*:8443",
            "https://*:*",
            "capacitor://localhost",
            "chrome-extension://abcdefghijklmnop",
            "example.com:0",
        ] {
            assert!(HostSource::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "*",
            "'self'",
            "self'",
            "https:",
            "https://",
            "javascript://x",
            "cdn.example; script-src *",
            "cdn.example,default-src *",
            "a b",
            "cdn.example/a;b",
            "cdn.example/a,b",
            "cdn.example:99999",
            "example.com:+80",
            "example.com:",
            "example.com:-1",
            "**",
            "*.*",
            "*.",
            "1s://cdn.example",
            "data://cdn.example",
            "a*.example",
            "bücher.example",
        ] {
            assert!(HostSource::new(bad).is_err(), "{bad}");
        }
    }
}
