//! Origins as configurations write them and as browsers send them (RFC 6454, section 6.2).

mod check;
mod host;
mod lookup;

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

pub(crate) use self::check::{LookedUp, OriginCheck};
pub(crate) use self::host::is_host;
use self::host::{
    check_host, ends_in_number, host_of, is_localhost, is_loopback, is_public_suffix, split_port,
    v6_text,
};
pub(crate) use self::lookup::{OriginMatch, Origins};

/// An origin, or all origins below a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OriginPattern {
    /// `https://app.example:8443`, as a browser writes it: lower case, no default port.
    Exact(String),
    /// `https://*.example.com`: whatever has at least one label in front of the domain.
    Subdomains {
        scheme: WebScheme,
        /// With the port, if it is not the default one.
        domain: String,
    },
    /// `http://localhost:*`: the same on every port.
    AnyPort(Box<Self>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WebScheme {
    Https,
    Http,
}

/// Schemes that no page has as its origin: their origin is opaque, and sent as `null`, or they are those of other than
/// pages (HTML, section 7.1.1; URL, section 4.7).
const PAGELESS: [&str; 10] = [
    "about",
    "blob",
    "data",
    "file",
    "filesystem",
    "ftp",
    "javascript",
    "view-source",
    "ws",
    "wss",
];

/// Schemes of pages that come with an application or an extension, and so over no network.
const LOCAL: [&str; 9] = [
    "app",
    "capacitor",
    "chrome-extension",
    "extension",
    "ionic",
    "moz-extension",
    "ms-browser-extension",
    "safari-web-extension",
    "tauri",
];

impl WebScheme {
    fn parse(scheme: &str) -> Option<Self> {
        match scheme {
            "https" => Some(Self::Https),
            "http" => Some(Self::Http),
            _ => None,
        }
    }

    const fn prefix(self) -> &'static str {
        match self {
            Self::Https => "https://",
            Self::Http => "http://",
        }
    }
}

impl OriginPattern {
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.eq_ignore_ascii_case("null") {
            return Err("is what sandboxed pages and files send, so everybody can send it");
        }
        if text.is_empty() {
            return Err("is empty");
        }
        let (scheme, rest) = text
            .split_once("://")
            .ok_or("is not scheme://host[:port]")?;
        let scheme = scheme.to_ascii_lowercase();
        if !is_scheme(&scheme) {
            return Err("has a scheme that is not one");
        }
        if PAGELESS.contains(&scheme.as_str()) {
            return Err("has a scheme that is the origin of no page");
        }
        if rest.contains(['/', '?', '#', '\\']) {
            return Err("has a path, but an origin ends with its host or port");
        }
        if rest.contains('@') {
            return Err("has a user name");
        }
        if let Some(host) = rest.strip_suffix(":*") {
            return Self::any_port(&scheme, host);
        }
        let (host, port) = split_port(rest)?;
        let port = port.filter(|port| Some(*port) != default_port(&scheme));
        let port = port.map_or(String::new(), |port| format!(":{port}"));
        let host = host.to_ascii_lowercase();
        if let Some(domain) = host.strip_prefix("*.") {
            return Self::subdomains(&scheme, domain, &port);
        }
        if let Some(v6) = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
        {
            let v6: Ipv6Addr = v6
                .parse()
                .map_err(|_| "has a host that is not an IPv6 address")?;
            return Ok(Self::Exact(format!("{scheme}://[{}]{port}", v6_text(v6))));
        }
        check_host(&host)?;
        let is_web = WebScheme::parse(&scheme).is_some();
        if is_web && ends_in_number(&host) && host.parse::<Ipv4Addr>().is_err() {
            return Err(
                "has a host that browsers read as an IPv4 address; write four numbers of at most 255",
            );
        }
        Ok(Self::Exact(format!("{scheme}://{host}{port}")))
    }

    fn any_port(scheme: &str, host: &str) -> Result<Self, &'static str> {
        if WebScheme::parse(scheme).is_none() {
            return Err("has a wildcard, which only https and http may have");
        }
        if !matches!(split_port(host), Ok((_, None))) {
            return Err("has a port beside the wildcard for ports");
        }
        let pattern = Self::parse(&format!("{scheme}://{host}"))?;
        Ok(Self::AnyPort(Box::new(pattern)))
    }

    fn subdomains(scheme: &str, domain: &str, port: &str) -> Result<Self, &'static str> {
        let scheme =
            WebScheme::parse(scheme).ok_or("has a wildcard, which only https and http may have")?;
        check_host(domain)?;
        if ends_in_number(domain) {
            return Err("has a wildcard in an address");
        }
        if is_public_suffix(domain) {
            return Err(
                "has a wildcard over a public suffix, below which everybody can register a name",
            );
        }
        Ok(Self::Subdomains {
            scheme,
            domain: format!("{domain}{port}"),
        })
    }

    /// Whether a page of this origin may have been changed on its way, as far as is known: it came neither over HTTPS nor
    /// from this machine.
    pub(crate) fn is_insecure(&self) -> bool {
        match self {
            Self::AnyPort(pattern) => pattern.is_insecure(),
            Self::Exact(origin) => match origin.split_once("://") {
                Some(("https", _)) => false,
                Some(("http", authority)) => !is_loopback(authority),
                Some((scheme, _)) => !LOCAL.contains(&scheme),
                None => true,
            },
            Self::Subdomains { scheme, domain } => {
                *scheme == WebScheme::Http && !is_localhost(host_of(domain))
            }
        }
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(origin) => f.write_str(origin),
            Self::Subdomains { scheme, domain } => write!(f, "{}*.{domain}", scheme.prefix()),
            Self::AnyPort(pattern) => write!(f, "{pattern}:*"),
        }
    }
}

/// Whether it is an origin as browsers write it.
pub(crate) fn is_written(text: &str) -> bool {
    let parsed = OriginPattern::parse(text);
    matches!(parsed, Ok(OriginPattern::Exact(exact)) if exact == text)
}

/// Whether it is an origin that is written as browsers write it and may be allowed with credentials.
pub(crate) fn is_written_and_secure(text: &str) -> bool {
    let is_secure = |pattern: OriginPattern| !pattern.is_insecure();
    is_written(text) && OriginPattern::parse(text).is_ok_and(is_secure)
}

/// Whether it is a scheme in lower case (RFC 3986, section 3.1).
pub(crate) fn is_scheme(text: &str) -> bool {
    let rest = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    text.bytes()
        .next()
        .is_some_and(|first| first.is_ascii_lowercase())
        && text.bytes().all(rest)
}

const fn default_port(scheme: &str) -> Option<u16> {
    match scheme.as_bytes() {
        b"https" => Some(443),
        b"http" => Some(80),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_as_browsers_send_them() {
        for (text, sent) in [
            ("https://app.example", "https://app.example"),
            ("HTTPS://App.Example:443", "https://app.example"),
            ("http://app.example:80", "http://app.example"),
            ("https://app.example:8443", "https://app.example:8443"),
            ("http://[0:0:0:0:0:0:0:1]:3000", "http://[::1]:3000"),
            ("https://*.Example.com:443", "https://*.example.com"),
            ("chrome-extension://abcdef", "chrome-extension://abcdef"),
            // By `new URL(...).origin`.
            (
                "http://[::ffff:127.127.127.127]",
                "http://[::ffff:7f7f:7f7f]",
            ),
            ("http://[::FFFF:7F7F:7F7F]", "http://[::ffff:7f7f:7f7f]"),
            ("http://[::ffff:0:1]", "http://[::ffff:0:1]"),
            ("http://[::127.0.0.1]", "http://[::7f00:1]"),
            ("http://[1:0:0:2:0:0:0:3]", "http://[1:0:0:2::3]"),
            ("http://[1:0:2:3:4:5:6:7]", "http://[1:0:2:3:4:5:6:7]"),
            ("http://[0:0:0:0:0:0:0:0]", "http://[::]"),
            ("http://127.0.0.1:3999", "http://127.0.0.1:3999"),
            ("http://0x.example", "http://0x.example"),
            ("HTTP://Localhost:*", "http://localhost:*"),
            ("https://*.Example.com:*", "https://*.example.com:*"),
            ("http://[0:0:0:0:0:0:0:1]:*", "http://[::1]:*"),
        ] {
            assert_eq!(OriginPattern::parse(text).unwrap().to_string(), sent);
        }
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for bad in [
            "",
            "*",
            "null",
            "NULL",
            "app.example",
            "https://",
            "https://app.example/",
            "https://app.example/x",
            "https://app.example?x",
            "https://app.example#x",
            "https://user@app.example",
            "https://app.example:0",
            "https://app.example:65536",
            "https://app.example:+1",
            "https://app.example:",
            "https://a b.example",
            "https://bücher.example",
            "https://*",
            "https://*.",
            "https://*.com",
            "https://a.*.example.com",
            "https://*a.example.com",
            "https://*.*.example.com",
            "https://*.0.0.1",
            "https://.example.com",
            "https://a..example.com",
            "ws*://a.example",
            "1s://a.example",
            "ftp://*.example.com",
            "https://[::1",
            "https://[zz]",
            "https://a.example\\b",
            " https://app.example",
            "http://127.1:3999",
            "http://2130706433",
            "http://256.0.0.1",
            "http://1.2.3.4.5",
            "http://127.0.0.01",
            "http://0x7f.0.0.0x1",
            "http://0x",
            "http://a.0x1F",
            "http://app.1",
            "https://*.example.0x1",
            "javascript://app.example",
            "data://app.example",
            "file://app.example",
            "ftp://app.example",
            "ws://app.example",
            "wss://app.example",
            "https://app.example:80:*",
            "https://app.example:*:*",
            "https://:*",
            "https://*:*",
            "https://app.example:4*",
            "capacitor://localhost:*",
            "https://*.com:*",
        ] {
            assert!(OriginPattern::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[cfg(feature = "psl")]
    #[test]
    fn wildcards_over_public_suffixes_are_refused() {
        for bad in ["https://*.co.uk", "https://*.github.io", "https://*.com"] {
            assert!(
                OriginPattern::parse(bad)
                    .unwrap_err()
                    .contains("public suffix"),
                "{bad}"
            );
        }
        for good in [
            "https://*.example.co.uk",
            "https://*.me.github.io",
            "http://*.localhost",
        ] {
            assert!(OriginPattern::parse(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn the_reason_says_what_to_mend() {
        for (bad, part) in [
            ("https://user@app.example", "user name"),
            ("https://app.example/", "a path"),
            ("https://bücher.example", "xn--"),
            ("https://*app.example", "whole labels"),
            ("https://app.example:0", "a port"),
            ("app.example", "scheme://"),
            ("", "empty"),
            ("http://127.1:3999", "IPv4"),
            ("ws://app.example", "no page"),
        ] {
            let reason = OriginPattern::parse(bad).unwrap_err();
            assert!(reason.contains(part), "{bad}: {reason}");
        }
    }

    #[test]
    fn only_https_and_this_machine_are_secure() {
        let insecure = |text| OriginPattern::parse(text).unwrap().is_insecure();
        for bad in [
            "http://app.example",
            "http://*.example.com",
            "http://10.0.0.1",
            "http://localhost.evil.com",
            "http://*.localhost.evil.com",
            "http://notlocalhost",
            "http://[::ffff:127.0.0.1]",
            "gopher://app.example",
            "httpx://localhost",
        ] {
            assert!(insecure(bad), "{bad}");
        }
        for good in [
            "https://app.example",
            "http://localhost:3000",
            "http://127.0.0.1:8080",
            "http://[::1]",
            "http://app.localhost",
            "http://*.localhost:5173",
            "http://*.foo.localhost",
            "https://*.example.com",
            "capacitor://localhost",
            "chrome-extension://abcdef",
        ] {
            assert!(!insecure(good), "{good}");
        }
    }
}
