use std::collections::HashSet;

use super::{OriginPattern, WebScheme};

/// Longer than any origin that a browser sends: a scheme, a host name of 253 characters and a port.
const MAX_LEN: usize = 300;

/// Origins made ready for looking them up: the time does not grow with their number.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origins {
    exact: HashSet<Box<[u8]>>,
    https: HashSet<Box<[u8]>>,
    http: HashSet<Box<[u8]>>,
}

impl Origins {
    pub(crate) fn add(&mut self, pattern: &OriginPattern) {
        match pattern {
            OriginPattern::Exact(origin) => self.exact.insert(origin.as_bytes().into()),
            OriginPattern::Subdomains { scheme, domain } => {
                let domains = match scheme {
                    WebScheme::Https => &mut self.https,
                    WebScheme::Http => &mut self.http,
                };
                domains.insert(domain.as_bytes().into())
            }
        };
    }

    pub(crate) fn extend(&mut self, others: &Self) {
        self.exact.extend(others.exact.iter().cloned());
        self.https.extend(others.https.iter().cloned());
        self.http.extend(others.http.iter().cloned());
    }

    /// Whether the bytes of an `Origin` header are one of these, exactly as browsers write them.
    pub(crate) fn contains(&self, origin: &[u8]) -> bool {
        if origin.len() > MAX_LEN {
            return false;
        }
        self.exact.contains(origin)
            || below(origin, WebScheme::Https, &self.https)
            || below(origin, WebScheme::Http, &self.http)
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
