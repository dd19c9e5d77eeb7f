use std::collections::{HashMap, HashSet};

use http::HeaderValue;

use super::{OriginPattern, WebScheme};
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
}

/// The entry that an origin was found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OriginMatch {
    /// The origin with this number.
    Exact(u32),
    /// A pattern for subdomains.
    Subdomain,
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
        }
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
    }

    /// Whether the bytes of an `Origin` header are one of these, exactly as browsers write them.
    pub(crate) fn contains(&self, origin: &[u8]) -> bool {
        self.find(origin).is_some()
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
        is_below.then_some(OriginMatch::Subdomain)
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
}
