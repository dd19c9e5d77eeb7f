//! The host of a request, as schemas want it: its name and its port apart.

/// The name or address of a host, and the port if there is one (RFC 3986, section 3.2).
pub(super) fn split(host: &[u8]) -> (&[u8], Option<u16>) {
    let Some(colon) = host.iter().rposition(|byte| *byte == b':') else {
        return (host, None);
    };
    let (name, port) = (&host[..colon], &host[colon + 1..]);
    // Colons are in addresses of IPv6 as well, which stand in brackets before a port.
    let is_alone = !name.contains(&b':') || (name.starts_with(b"[") && name.ends_with(b"]"));
    let port = std::str::from_utf8(port).ok().filter(|port| {
        is_alone && !name.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
    });
    match port.and_then(|port| port.parse().ok()) {
        Some(port) => (name, Some(port)),
        None => (host, None),
    }
}

/// Whether it is a name as hosts have it: labels of letters, digits and hyphens (RFC 1123, section 2.1).
pub(super) fn is_name(host: &[u8]) -> bool {
    let is_label = |label: &[u8]| {
        let inner = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
        (1..=63).contains(&label.len())
            && label.iter().all(inner)
            && label.first() != Some(&b'-')
            && label.last() != Some(&b'-')
    };
    host.len() <= 253 && host.split(|byte| *byte == b'.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_apart_from_the_name() {
        for (host, name, port) in [
            ("api.example", "api.example", None),
            ("api.example:8443", "api.example", Some(8443)),
            ("127.0.0.1:80", "127.0.0.1", Some(80)),
            ("[::1]:8443", "[::1]", Some(8443)),
            ("[::1]", "[::1]", None),
            ("::1", "::1", None),
            ("api.example:", "api.example:", None),
            ("api.example:99999", "api.example:99999", None),
            ("api.example:x", "api.example:x", None),
            (":80", ":80", None),
            ("", "", None),
        ] {
            assert_eq!(split(host.as_bytes()), (name.as_bytes(), port), "{host}");
        }
    }

    #[test]
    fn names_of_hosts_are_known() {
        for name in [
            "localhost",
            "api-1.example",
            "127.0.0.1",
            "xn--bcher-kva.example",
        ] {
            assert!(is_name(name.as_bytes()), "{name}");
        }
        for other in [
            "", "a..b", "-a", "a-", "a_b", "[::1]", "a b", "<script>", "a:1",
        ] {
            assert!(!is_name(other.as_bytes()), "{other}");
        }
    }
}
