use std::collections::{HashMap, HashSet};

use http::{Extensions, HeaderValue};

use super::{LookedUp, OriginCheck, OriginPattern, WebScheme, is_written, is_written_and_secure};
use crate::template::leaked;

/// Longer than any origin that a browser sends: a scheme, a host name of 253 characters and a port.
const MAX_LEN: usize = 300;

/// So few origins are compared one by one, which is faster than to hash one.
const FEW: usize = 4;

/// Origins made ready for looking them up: the time does not grow with their number.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origins {
    exact: Vec<HeaderValue>,
    numbers: HashMap<Box<[u8]>, u32>,
    https: HashSet<Box<[u8]>>,
    http: HashSet<Box<[u8]>>,
    /// Those that hold on every port, written without one.
    any_port: Option<Box<Self>>,
    checks: Vec<Check>,
    /// Whether those of a lookup are among them.
    lookup: Lookup,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Lookup {
    #[default]
    Ignored,
    /// Only those that may be allowed with credentials.
    Secure,
    Every,
}

#[derive(Debug, Clone)]
struct Check {
    origins: OriginCheck,
    /// Whether it is asked only about origins that may be allowed with credentials.
    secure: bool,
}

/// The entry that an origin was found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OriginMatch {
    /// The origin with this number.
    Exact(u32),
    /// A pattern or a closure.
    Pattern,
}

impl Origins {
    pub(crate) fn add(&mut self, pattern: &OriginPattern) {
        match pattern {
            OriginPattern::Exact(origin) => {
                if let Ok(value) = HeaderValue::from_str(origin) {
                    self.add_exact(value);
                }
            }
            OriginPattern::Subdomains { scheme, domain } => {
                let domains = match scheme {
                    WebScheme::Https => &mut self.https,
                    WebScheme::Http => &mut self.http,
                };
                domains.insert(domain.as_bytes().into());
            }
            OriginPattern::AnyPort(pattern) => self.any_port.get_or_insert_default().add(pattern),
        }
    }

    pub(crate) fn add_check(&mut self, origins: OriginCheck, secure: bool) {
        self.checks.push(Check { origins, secure });
    }

    pub(crate) fn add_lookup(&mut self, secure: bool) {
        self.lookup = match secure {
            true => Lookup::Secure,
            false => Lookup::Every,
        };
    }

    fn add_exact(&mut self, origin: HeaderValue) {
        let number = u32::try_from(self.exact.len()).unwrap_or(u32::MAX);
        let known = self.numbers.entry(origin.as_bytes().into());
        known.or_insert_with(|| {
            self.exact.push(origin);
            number
        });
    }

    pub(crate) fn extend(&mut self, others: &Self) {
        for origin in &others.exact {
            self.add_exact(origin.clone());
        }
        self.https.extend(others.https.iter().cloned());
        self.http.extend(others.http.iter().cloned());
        if let Some(others) = &others.any_port {
            self.any_port.get_or_insert_default().extend(others);
        }
        self.checks.extend(others.checks.iter().cloned());
        if self.lookup != Lookup::Every && others.lookup != Lookup::Ignored {
            self.lookup = others.lookup;
        }
    }

    /// Whether the bytes of an `Origin` header are one of these, exactly as browsers write them.
    pub(crate) fn contains(&self, origin: &[u8]) -> bool {
        self.find(origin).is_some()
    }

    /// The entry for the `Origin` of a request with these extensions.
    #[inline]
    pub(crate) fn find_for(
        &self,
        origin: &HeaderValue,
        extensions: &Extensions,
    ) -> Option<OriginMatch> {
        let found = self.find(origin.as_bytes());
        if found.is_some() || self.lookup == Lookup::Ignored {
            return found;
        }
        let LookedUp(allowed) = extensions.get()?;
        let secure = || std::str::from_utf8(origin.as_bytes()).is_ok_and(is_written_and_secure);
        let is_allowed = allowed == origin && (self.lookup == Lookup::Every || secure());
        is_allowed.then_some(OriginMatch::Pattern)
    }

    /// The entry for the bytes of an `Origin` header, exactly as browsers write them.
    #[inline]
    pub(crate) fn find(&self, origin: &[u8]) -> Option<OriginMatch> {
        if origin.len() > MAX_LEN {
            return None;
        }
        if let Some(number) = self.number(origin) {
            return Some(OriginMatch::Exact(number));
        }
        let is_below = below(origin, WebScheme::Https, &self.https)
            || below(origin, WebScheme::Http, &self.http);
        let any_port = || {
            let portless = self.any_port.as_ref();
            portless.is_some_and(|portless| portless.contains(without_port(origin)))
        };
        let is_found = is_below || any_port() || self.is_checked(origin);
        is_found.then_some(OriginMatch::Pattern)
    }

    /// Whether a closure allows the origin. Text that no browser sends is not worth asking about.
    fn is_checked(&self, origin: &[u8]) -> bool {
        if self.checks.is_empty() {
            return false;
        }
        let Ok(text) = std::str::from_utf8(origin) else {
            return false;
        };
        if !is_written(text) {
            return false;
        }
        let is_insecure = !is_written_and_secure(text);
        let asked = |check: &&Check| !(check.secure && is_insecure);
        let mut checks = self.checks.iter().filter(asked);
        checks.any(|check| check.origins.allows(text))
    }

    #[inline]
    fn number(&self, origin: &[u8]) -> Option<u32> {
        if self.exact.len() > FEW {
            return self.numbers.get(origin).copied();
        }
        let at = self
            .exact
            .iter()
            .position(|known| known.as_bytes() == origin)?;
        u32::try_from(at).ok()
    }

    /// The origin with this number.
    #[inline]
    pub(crate) fn exact(&self, number: u32) -> Option<&HeaderValue> {
        self.exact.get(number as usize)
    }

    /// Makes every value static, so that cloning one writes to no counter that threads share.
    pub(crate) fn leak(mut self) -> Self {
        for value in &mut self.exact {
            *value = leaked(value);
        }
        self
    }
}

/// The origin without a port, if it has one as browsers write it: up to 65535, not zero and not the default one.
fn without_port(origin: &[u8]) -> &[u8] {
    let Some(colon) = origin.iter().rposition(|byte| *byte == b':') else {
        return origin;
    };
    let (rest, port) = (&origin[..colon], &origin[colon + 1..]);
    let default = match origin.starts_with(b"https:") {
        true => 443,
        false => 80,
    };
    let is_written = port
        .first()
        .is_some_and(|first| (b'1'..=b'9').contains(first))
        && port.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(port)
        .ok()
        .and_then(|port| port.parse::<u16>().ok());
    match number {
        Some(number) if is_written && number != default => rest,
        _ => origin,
    }
}

/// Looks up what follows each dot of the host, so that the number of lookups is that of its labels.
fn below(origin: &[u8], scheme: WebScheme, domains: &HashSet<Box<[u8]>>) -> bool {
    if domains.is_empty() {
        return false;
    }
    let Some(mut rest) = origin.strip_prefix(scheme.prefix().as_bytes()) else {
        return false;
    };
    loop {
        // Only what a browser writes into a host may stand in front; the end is checked by being equal.
        let label = rest.iter().position(|byte| {
            !(byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(byte))
        });
        match label {
            Some(end @ 1..) if rest[end] == b'.' => rest = &rest[end + 1..],
            _ => return false,
        }
        if domains.contains(rest) {
            return true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(patterns: &[&str]) -> Origins {
        let mut origins = Origins::default();
        for pattern in patterns {
            origins.add(&OriginPattern::parse(pattern).unwrap());
        }
        origins
    }

    #[test]
    fn a_wildcard_stands_for_whole_labels_in_front() {
        let origins = origins(&["https://*.example.com", "http://*.localhost:3000"]);
        for good in [
            "https://a.example.com",
            "https://a.b.example.com",
            "https://xn--bcher-kva.example.com",
            "http://app.localhost:3000",
        ] {
            assert!(origins.contains(good.as_bytes()), "{good}");
        }
        for bad in [
            "https://example.com",
            "https://.example.com",
            "https://a..example.com",
            "https://evilexample.com",
            "https://a.example.com.evil.com",
            "https://a.example.com:8443",
            "http://a.example.com",
            "https://evil.com/.example.com",
            "https://evil.com#.example.com",
            "https://evil.com\\.example.com",
            "https://user@a.example.com",
            "https://A.example.com",
            "https://a.example.com/",
            "http://app.localhost",
        ] {
            assert!(!origins.contains(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn a_wildcard_for_ports_stands_for_every_port_and_for_none() {
        let origins = origins(&[
            "http://localhost:*",
            "https://*.example.com:*",
            "http://[::1]:*",
        ]);
        for good in [
            "http://localhost",
            "http://localhost:3000",
            "http://localhost:65535",
            "https://a.example.com",
            "https://a.example.com:8443",
            "http://[::1]",
            "http://[::1]:5173",
        ] {
            assert!(origins.contains(good.as_bytes()), "{good}");
        }
        for bad in [
            "https://localhost:3000",
            "http://localhost:",
            "http://localhost:0",
            "http://localhost:080",
            "http://localhost:80",
            "https://a.example.com:443",
            "http://localhost:65536",
            "http://localhost:3000:3000",
            "http://localhost:*",
            "http://localhost:+3",
            "http://localhost.evil.example:3000",
            "http://evil.example:3000",
            "https://example.com:8443",
            "http://[::1]:5173]",
        ] {
            assert!(!origins.contains(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn a_closure_is_asked_about_written_origins_alone() {
        let mut origins = Origins::default();
        origins.add_check(OriginCheck::new(|_| true), true);
        for good in [
            "https://a.example",
            "http://localhost:3000",
            "https://a.example:8443",
        ] {
            assert!(origins.contains(good.as_bytes()), "{good}");
        }
        for bad in [
            "null",
            "",
            "https://a.example/",
            "https://A.example",
            "https://a.example:443",
            "https://*.example.com",
            "https://user@a.example",
            "http://a.example",
            "javascript://a.example",
        ] {
            assert!(!origins.contains(bad.as_bytes()), "{bad}");
        }
        origins.add_check(
            OriginCheck::new(|origin| origin == "http://b.example"),
            false,
        );
        assert!(origins.contains(b"http://b.example"));
        assert!(!origins.contains(b"http://a.example"));
    }

    #[test]
    fn an_exact_origin_matches_itself_alone() {
        let origins = origins(&["https://app.example"]);
        assert!(origins.contains(b"https://app.example"));
        for near in [
            "https://app.example:443",
            "http://app.example",
            "https://app.example.evil.com",
            "https://a.app.example",
            "https://APP.example",
            "null",
            "",
        ] {
            assert!(!origins.contains(near.as_bytes()), "{near}");
        }
    }

    #[test]
    fn longer_than_any_origin_is_none() {
        let origins = origins(&["https://*.example.com"]);
        // The scheme has 8 characters, the domain with its dot 12.
        let of_length = |len: usize| format!("https://{}.example.com", "a".repeat(len - 20));
        assert!(origins.contains(of_length(300).as_bytes()));
        assert!(!origins.contains(of_length(301).as_bytes()));
    }

    #[test]
    fn of_two_settings_for_looked_up_origins_the_wider_one_stays() {
        let of = |lookup: Option<bool>| {
            let mut origins = Origins::default();
            if let Some(secure) = lookup {
                origins.add_lookup(secure);
            }
            origins
        };
        let (ignored, secure, every) = (None, Some(true), Some(false));
        for (first, second, widest) in [
            (ignored, secure, Lookup::Secure),
            (ignored, every, Lookup::Every),
            (secure, ignored, Lookup::Secure),
            (secure, every, Lookup::Every),
            (every, ignored, Lookup::Every),
            (every, secure, Lookup::Every),
        ] {
            let mut origins = of(first);
            origins.extend(&of(second));
            assert!(origins.lookup == widest, "{first:?} and {second:?}");
        }
    }
}
