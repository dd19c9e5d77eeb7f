//! Origins as configurations write them and as browsers send them (RFC 6454, section 6.2).

mod lookup;

use std::fmt;
use std::net::Ipv6Addr;

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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WebScheme {
    Https,
    Http,
}

impl WebScheme {
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
        let (scheme, rest) = text
            .split_once("://")
            .ok_or("is not scheme://host[:port]")?;
        let scheme = scheme.to_ascii_lowercase();
        if !is_scheme(&scheme) {
            return Err("has a scheme that is not one");
        }
        if rest.contains(['/', '?', '#', '\\']) {
            return Err("has a path, but an origin ends with its host or port");
        }
        if rest.contains('@') {
            return Err("has a user name");
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
            return Ok(Self::Exact(format!("{scheme}://[{v6}]{port}")));
        }
        check_host(&host)?;
        Ok(Self::Exact(format!("{scheme}://{host}{port}")))
    }

    fn subdomains(scheme: &str, domain: &str, port: &str) -> Result<Self, &'static str> {
        let scheme = match scheme {
            "https" => WebScheme::Https,
            "http" => WebScheme::Http,
            _ => return Err("has a wildcard, which only https and http may have"),
        };
        check_host(domain)?;
        if domain
            .split('.')
            .next_back()
            .is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()))
        {
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

    /// Whether a page of this origin may have been changed on its way: plain HTTP, and not from this machine.
    pub(crate) fn is_insecure(&self) -> bool {
        match self {
            Self::Exact(origin) => origin
                .strip_prefix("http://")
                .is_some_and(|host| !is_loopback(host)),
            Self::Subdomains { scheme, domain } => {
                *scheme == WebScheme::Http && host_of(domain) != "localhost"
            }
        }
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(origin) => f.write_str(origin),
            Self::Subdomains { scheme, domain } => write!(f, "{}*.{domain}", scheme.prefix()),
        }
    }
}

fn is_scheme(text: &str) -> bool {
    let rest = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    text.bytes()
        .next()
        .is_some_and(|first| first.is_ascii_lowercase())
        && text.bytes().all(rest)
}

const fn default_port(scheme: &str) -> Option<u16> {
    match scheme.as_bytes() {
        b"https" | b"wss" => Some(443),
        b"http" | b"ws" => Some(80),
        _ => None,
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), &'static str> {
    let (host, port) = match authority.rfind(':') {
        // The colons inside brackets belong to an IPv6 address.
        Some(at) if !authority[at..].contains(']') => {
            (&authority[..at], Some(&authority[at + 1..]))
        }
        _ => (authority, None),
    };
    let Some(port) = port else {
        return Ok((host, None));
    };
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(number) if digits && number > 0 => Ok((host, Some(number))),
        _ => Err("has a port that is not a number from 1 to 65535"),
    }
}

fn check_host(host: &str) -> Result<(), &'static str> {
    if host.contains('*') {
        return Err(
            "has a wildcard that does not stand for whole labels in front, as in https://*.example.com",
        );
    }
    if !host.is_ascii() {
        return Err("has a host outside ASCII; write the xn-- form, which browsers send");
    }
    if is_host(host) {
        Ok(())
    } else {
        Err("has no host, or one with characters that hosts do not have")
    }
}

/// Whether it is labels of letters, digits, `-` and `_` with dots between them.
pub(crate) fn is_host(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text.len() <= 253
        && text
            .split('.')
            .all(|label| (1..=63).contains(&label.len()) && label.bytes().all(plain))
}

fn host_of(authority: &str) -> &str {
    split_port(authority).map_or(authority, |(host, _)| host)
}

fn is_loopback(authority: &str) -> bool {
    let host = host_of(authority);
    host == "localhost"
        || host.ends_with(".localhost")
        || host == "[::1]"
        || host
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|ip| ip.is_loopback())
}

/// Whether names directly below are handed out to everybody.
fn is_public_suffix(domain: &str) -> bool {
    // `*.localhost` is this machine (RFC 6761, section 6.3).
    if domain == "localhost" {
        return false;
    }
    if !domain.contains('.') {
        return true;
    }
    #[cfg(feature = "psl")]
    {
        use psl::Psl;
        if psl::List
            .suffix(domain.as_bytes())
            .is_some_and(|suffix| suffix == domain)
        {
            return true;
        }
    }
    false
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
        ] {
            let reason = OriginPattern::parse(bad).unwrap_err();
            assert!(reason.contains(part), "{bad}: {reason}");
        }
    }

    #[test]
    fn plain_http_is_insecure_except_on_this_machine() {
        let insecure = |text| OriginPattern::parse(text).unwrap().is_insecure();
        for bad in [
            "http://app.example",
            "http://*.example.com",
            "http://10.0.0.1",
            "http://localhost.evil.com",
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
        ] {
            assert!(!insecure(good), "{good}");
        }
    }
}
