//! Hosts and ports, as browsers read and write them.

use std::net::{Ipv4Addr, Ipv6Addr};

pub(super) fn split_port(authority: &str) -> Result<(&str, Option<u16>), &'static str> {
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

pub(super) fn check_host(host: &str) -> Result<(), &'static str> {
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

/// Whether browsers read the host as an IPv4 address (URL, section 3.5, "ends in a number").
pub(super) fn ends_in_number(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    let hexadecimal = last.strip_prefix("0x");
    last.bytes().all(|byte| byte.is_ascii_digit())
        || hexadecimal.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The address as browsers write it (URL, section 3.5): an IPv4 address inside is no exception, as it is for Rust.
pub(super) fn v6_text(address: Ipv6Addr) -> String {
    match (address.to_ipv4_mapped(), address.segments()) {
        (Some(_), [.., high, low]) => format!("::ffff:{high:x}:{low:x}"),
        _ => address.to_string(),
    }
}

pub(super) fn host_of(authority: &str) -> &str {
    split_port(authority).map_or(authority, |(host, _)| host)
}

pub(super) fn is_loopback(authority: &str) -> bool {
    let host = host_of(authority);
    is_localhost(host)
        || host == "[::1]"
        || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether the name, and each name below it, is this machine (RFC 6761, section 6.3).
pub(super) fn is_localhost(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost")
}

/// Whether names directly below are handed out to everybody.
pub(super) fn is_public_suffix(domain: &str) -> bool {
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
