//! Reads the hops of `X-Forwarded-For` and `Forwarded`, from the nearest to the farthest.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{HeaderMap, header};

use crate::ForwardedHeader;

/// A hop that is not an address: a name, `unknown`, an obfuscated identifier or garbage.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotAnAddress;

/// The hops from right to left over all lines of the header: the nearest first, which the nearest proxy wrote.
pub(crate) fn hops(
    headers: &HeaderMap,
    header: ForwardedHeader,
) -> impl Iterator<Item = Result<IpAddr, NotAnAddress>> {
    let name = match header {
        ForwardedHeader::XForwardedFor => X_FORWARDED_FOR,
        ForwardedHeader::Forwarded => header::FORWARDED,
    };
    headers
        .get_all(name)
        .iter()
        .rev()
        .flat_map(move |line| elements(line.as_bytes(), header))
        .map(move |element| {
            let element = std::str::from_utf8(element).map_err(|_| NotAnAddress)?;
            match header {
                ForwardedHeader::XForwardedFor => node(element),
                ForwardedHeader::Forwarded => forwarded_for(element),
            }
        })
}

const X_FORWARDED_FOR: header::HeaderName = header::HeaderName::from_static("x-forwarded-for");

/// The elements of a comma-separated list from right to left; empty ones do not count (RFC 9110, section 5.6.1).
///
/// Quotes are followed from the right too, so that a quote left open by a client, on the left, cannot swallow what
/// our own proxy wrote.
fn elements(line: &[u8], header: ForwardedHeader) -> impl Iterator<Item = &[u8]> {
    let quotes = header == ForwardedHeader::Forwarded;
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest?;
        let comma = if quotes {
            last_unquoted_comma(line)
        } else {
            line.iter().rposition(|byte| *byte == b',')
        };
        let element;
        (rest, element) = match comma {
            Some(comma) => (Some(&line[..comma]), &line[comma + 1..]),
            None => (None, line),
        };
        Some(element.trim_ascii())
    })
    .filter(|element| !element.is_empty())
}

fn last_unquoted_comma(line: &[u8]) -> Option<usize> {
    let mut quoted = false;
    for (position, byte) in line.iter().enumerate().rev() {
        match byte {
            b'"' => {
                let escapes = line[..position]
                    .iter()
                    .rev()
                    .take_while(|byte| **byte == b'\\')
                    .count();
                quoted ^= escapes % 2 == 0;
            }
            b',' if !quoted => return Some(position),
            _ => {}
        }
    }
    None
}

/// The `for` parameter of one element of `Forwarded` (RFC 7239, section 4): pairs with `;` between them, of which each may
/// be missing. Spaces around them are against the grammar, and some proxies write them.
fn forwarded_for(element: &str) -> Result<IpAddr, NotAnAddress> {
    let mut rest = element;
    let mut found = None;
    loop {
        rest = rest.trim_start_matches([';', ' ', '\t']);
        if rest.is_empty() {
            return found.ok_or(NotAnAddress);
        }
        let (name, value) = rest.split_once('=').ok_or(NotAnAddress)?;
        if !is_token(name) {
            return Err(NotAnAddress);
        }
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => unquoted(quoted).ok_or(NotAnAddress)?,
            None => {
                let (value, after) = value.split_at(value.find(';').unwrap_or(value.len()));
                (Cow::Borrowed(value.trim_ascii_end()), after)
            }
        };
        if name.eq_ignore_ascii_case("for") {
            // Two `for` in one element are against the grammar, and one of them is a lie.
            if found.replace(node(&value)?).is_some() {
                return Err(NotAnAddress);
            }
        }
        rest = after.trim_ascii_start();
        if !rest.is_empty() && !rest.starts_with(';') {
            return Err(NotAnAddress);
        }
    }
}

/// The content of a quoted string whose opening quote is gone, and the rest behind it (RFC 9110, section 5.6.4).
fn unquoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let end = text.find(['"', '\\'])?;
    if let Some(after) = text[end..].strip_prefix('"') {
        return Some((Cow::Borrowed(&text[..end]), after));
    }
    let mut held = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next()? {
            '"' => return Some((Cow::Owned(held), characters.as_str())),
            '\\' => held.push(characters.next()?),
            other => held.push(other),
        }
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// One node: an address, with or without a port, with or without brackets.
fn node(text: &str) -> Result<IpAddr, NotAnAddress> {
    if let Some(bracketed) = text.strip_prefix('[') {
        let (address, port) = bracketed.split_once(']').ok_or(NotAnAddress)?;
        let has_port = port.strip_prefix(':').is_some_and(is_port);
        let address: Ipv6Addr = address.parse().map_err(|_| NotAnAddress)?;
        return if port.is_empty() || has_port {
            Ok(address.to_canonical())
        } else {
            Err(NotAnAddress)
        };
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.to_canonical());
    }
    let (address, port) = text.split_once(':').ok_or(NotAnAddress)?;
    let address: Ipv4Addr = address.parse().map_err(|_| NotAnAddress)?;
    if is_port(port) {
        Ok(address.into())
    } else {
        Err(NotAnAddress)
    }
}

/// A port, or the obfuscated one of RFC 7239, section 6.2.
fn is_port(text: &str) -> bool {
    let digits = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let obfuscated = text.strip_prefix('_').is_some_and(|rest| {
        !rest.is_empty()
            && rest
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    });
    digits || obfuscated
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(header: ForwardedHeader, lines: &[&str]) -> Vec<Result<IpAddr, NotAnAddress>> {
        let name = match header {
            ForwardedHeader::XForwardedFor => "x-forwarded-for",
            ForwardedHeader::Forwarded => "forwarded",
        };
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name, line.parse().unwrap());
        }
        hops(&headers, header).collect()
    }

    fn ip(text: &str) -> Result<IpAddr, NotAnAddress> {
        Ok(text.parse().unwrap())
    }

    #[test]
    fn hops_are_read_from_the_nearest_over_all_lines() {
        let hops = all(
            ForwardedHeader::XForwardedFor,
            &["192.0.2.1, 192.0.2.2", "192.0.2.3,192.0.2.4"],
        );
        assert_eq!(
            hops,
            [
                ip("192.0.2.4"),
                ip("192.0.2.3"),
                ip("192.0.2.2"),
                ip("192.0.2.1")
            ]
        );
    }

    #[test]
    fn ports_brackets_and_mapped_addresses_are_understood() {
        for (text, address) in [
            ("203.0.113.7:4433", "203.0.113.7"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("[::ffff:203.0.113.7]:1", "203.0.113.7"),
        ] {
            assert_eq!(node(text), ip(address), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_said_to_be_none() {
        for text in [
            "unknown",
            "_hidden",
            "203.0.113.7:",
            "203.0.113.7:99999x",
            "[::1",
            "[::1]x",
            "fe80::1%eth0",
            "1",
            "",
            "[1.2.3.4]",
        ] {
            assert_eq!(node(text), Err(NotAnAddress), "{text:?}");
        }
    }

    // The examples of RFC 7239, section 4.
    #[test]
    fn forwarded_elements_of_the_rfc_are_understood() {
        let hops = all(
            ForwardedHeader::Forwarded,
            &[
                "for=\"_gazonk\"",
                "For=\"[2001:db8:cafe::17]:4711\"",
                "for=192.0.2.60;proto=http;by=203.0.113.43",
                "for=192.0.2.43, for=198.51.100.17",
            ],
        );
        let expected = [
            ip("198.51.100.17"),
            ip("192.0.2.43"),
            ip("192.0.2.60"),
            ip("2001:db8:cafe::17"),
            Err(NotAnAddress),
        ];
        assert_eq!(hops, expected);
    }

    #[test]
    fn a_client_cannot_quote_away_what_the_proxy_wrote() {
        let hops = all(
            ForwardedHeader::Forwarded,
            &["for=\"6.6.6.6, for=203.0.113.7"],
        );
        assert_eq!(hops[0], ip("203.0.113.7"));
    }

    #[test]
    fn a_host_that_holds_a_comma_does_not_make_a_hop() {
        let hops = all(
            ForwardedHeader::Forwarded,
            &["for=203.0.113.7;host=\"x, for=6.6.6.6\""],
        );
        assert_eq!(hops, [ip("203.0.113.7")]);
    }

    #[test]
    fn a_quote_that_is_escaped_stays_inside_its_host() {
        let hops = all(
            ForwardedHeader::Forwarded,
            &[r#"for=203.0.113.7;host="x, for=6.6.6.6;a=\"b""#],
        );
        assert_eq!(hops, [ip("203.0.113.7")]);
    }

    #[test]
    fn a_quote_that_is_not_escaped_makes_the_hop_unreadable() {
        for element in [
            r#"for=203.0.113.7;host="x;for=6.6.6.6;a="b""#,
            r#"for=203.0.113.7;host="x" ;b"#,
            r#"for=203.0.113.7;host="x\"#,
            r#"for="203.0.113.7"#,
        ] {
            assert_eq!(forwarded_for(element), Err(NotAnAddress), "{element}");
        }
    }

    // RFC 7239, section 4: `[ forwarded-pair ] *( ";" [ forwarded-pair ] )`.
    #[test]
    fn pairs_may_be_missing_and_quoted_pairs_stand_for_themselves() {
        for element in [
            "for=203.0.113.7;",
            ";for=203.0.113.7",
            ";;proto=https;;for=203.0.113.7;;",
            "proto=https; for=203.0.113.7 ; by=10.0.0.1",
            r#"for="203.0.113.7";host="a\"b\\""#,
            r#"host="\"";for="203.0.113.7\:80""#,
        ] {
            assert_eq!(forwarded_for(element), ip("203.0.113.7"), "{element}");
        }
        assert_eq!(forwarded_for(";;"), Err(NotAnAddress));
    }

    #[test]
    fn two_addresses_in_one_element_are_none() {
        assert_eq!(
            forwarded_for("for=203.0.113.7;for=6.6.6.6"),
            Err(NotAnAddress)
        );
    }

    // RFC 7239, section 4: the name of a pair is a token.
    #[test]
    fn a_name_that_is_no_token_makes_the_hop_unreadable() {
        for element in [
            "for=203.0.113.7;=1",
            "for=203.0.113.7;a(b=1",
            "for=203.0.113.7;a b=1",
        ] {
            assert_eq!(forwarded_for(element), Err(NotAnAddress), "{element}");
        }
        assert_eq!(forwarded_for("for=203.0.113.7;a!~1=b"), ip("203.0.113.7"));
    }

    // RFC 7239, section 6: `node-port = port / obfport`, `port = 1*5DIGIT`, `obfport = "_" 1*(ALPHA / DIGIT / "." / "_" / "-")`.
    #[test]
    fn a_port_is_five_digits_at_most_or_hidden() {
        for port in ["1", "65535", "_a", "_A.b_c-9"] {
            assert!(is_port(port), "{port}");
        }
        for port in ["", "655350", "6553x", "a", "_", "_a b", "_a:", "-1"] {
            assert!(!is_port(port), "{port}");
        }
    }
}
