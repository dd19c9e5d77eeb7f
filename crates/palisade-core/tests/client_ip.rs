//! The client's address, against a model that works on lists of hops where the crate works on bytes.

#![allow(missing_docs, reason = "tests")]

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU8;

use http::{HeaderMap, HeaderValue};
use palisade_core::{ClientIp, ForwardedHeader};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

/// Cases of each property: few in an ordinary run, many where `PALISADE_FULL` asks for the long proofs.
fn cases() -> ProptestConfig {
    let full = std::env::var_os("PALISADE_FULL").is_some();
    ProptestConfig {
        cases: if full { 1_000_000 } else { 4_000 },
        max_global_rejects: u32::MAX,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    }
}

/// One hop as a proxy wrote it.
#[derive(Debug, Clone)]
enum Hop {
    Address(IpAddr, Style),
    /// A name, `unknown`, or garbage.
    Unreadable(&'static str),
}

/// A notation of an address. One that does not apply to its family writes it plainly.
#[derive(Debug, Clone, Copy)]
enum Style {
    Plain,
    Port,
    Bracketed,
    BracketedPort,
    Mapped,
    BracketedMapped,
}

impl Hop {
    fn written(&self, header: ForwardedHeader) -> String {
        let (node, quoted) = match self {
            Self::Unreadable(text) => ((*text).to_owned(), false),
            Self::Address(IpAddr::V4(v4), style) => match style {
                Style::Plain | Style::Bracketed => (v4.to_string(), false),
                Style::Port | Style::BracketedPort => (format!("{v4}:4433"), true),
                Style::Mapped => (format!("::ffff:{v4}"), true),
                Style::BracketedMapped => (format!("[::ffff:{v4}]:80"), true),
            },
            Self::Address(IpAddr::V6(v6), style) => match style {
                Style::Plain | Style::Mapped | Style::Port => (v6.to_string(), true),
                Style::Bracketed => (format!("[{v6}]"), true),
                Style::BracketedPort | Style::BracketedMapped => (format!("[{v6}]:443"), true),
            },
        };
        match header {
            ForwardedHeader::Forwarded if quoted => format!("proto=https;For=\"{node}\""),
            ForwardedHeader::Forwarded => format!("for={node};by=10.0.0.9"),
            _ => node,
        }
    }
}

#[derive(Debug, Clone)]
enum Trust {
    Nobody,
    Networks(Vec<(IpAddr, u8)>),
    Hops(NonZeroU8),
}

impl Trust {
    fn client_ip(&self) -> ClientIp {
        match self {
            Self::Nobody => ClientIp::peer(),
            Self::Networks(networks) => {
                ClientIp::trusting(networks.iter().map(|(ip, bits)| format!("{ip}/{bits}")))
                    .unwrap()
            }
            Self::Hops(hops) => ClientIp::trusting_hops(*hops),
        }
    }

    /// The model: `hops` are in the order of the header, the client first.
    fn resolve(&self, peer: IpAddr, hops: &[Hop]) -> IpAddr {
        let from_the_right: Vec<Option<IpAddr>> = hops
            .iter()
            .rev()
            .map(|hop| match hop {
                Hop::Address(ip, _) => Some(*ip),
                Hop::Unreadable(_) => None,
            })
            .collect();
        match self {
            Self::Nobody => peer,
            Self::Hops(hops) => {
                let client = from_the_right.get(usize::from(hops.get()) - 1);
                client.copied().flatten().unwrap_or(peer)
            }
            Self::Networks(networks) => {
                let trusted =
                    |ip: IpAddr| networks.iter().any(|(net, bits)| shares(ip, *net, *bits));
                let mut client = peer;
                for hop in from_the_right {
                    if !trusted(client) {
                        break;
                    }
                    match hop {
                        Some(ip) => client = ip,
                        None => return peer,
                    }
                }
                client
            }
        }
    }
}

fn bits(ip: IpAddr) -> Vec<bool> {
    let bytes = match ip {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1))
        .collect()
}

/// Whether two addresses of one family have this many leading bits in common.
fn shares(ip: IpAddr, net: IpAddr, prefix: u8) -> bool {
    let prefix = usize::from(prefix);
    ip.is_ipv4() == net.is_ipv4() && bits(ip)[..prefix] == bits(net)[..prefix]
}

/// Few addresses, so that walks go deep.
fn address() -> impl Strategy<Value = IpAddr> {
    let v4 = (
        prop::sample::select(vec![[10, 0, 0], [192, 168, 1], [203, 0, 113]]),
        0..4_u8,
    )
        .prop_map(|([a, b, c], d)| IpAddr::from([a, b, c, d]));
    let v6 = (
        prop::sample::select(vec![0xfd00_u16, 0x2001]),
        0..3_u16,
        0..3_u16,
    )
        .prop_map(|(first, net, host)| IpAddr::from([first, 0xdb8, 0, net, 0, 0, 0, host]));
    prop_oneof![3 => v4, 2 => v6]
}

fn hop() -> impl Strategy<Value = Hop> {
    let style = prop::sample::select(vec![
        Style::Plain,
        Style::Plain,
        Style::Port,
        Style::Bracketed,
        Style::BracketedPort,
        Style::Mapped,
        Style::BracketedMapped,
    ]);
    let unreadable = prop::sample::select(vec![
        "unknown",
        "_hidden",
        "evil.example",
        "10.0.0",
        "[::1",
        "10.0.0.1:",
    ]);
    prop_oneof![
        12 => (address(), style).prop_map(|(ip, style)| Hop::Address(ip, style)),
        1 => unreadable.prop_map(Hop::Unreadable),
    ]
}

fn trust() -> impl Strategy<Value = Trust> {
    let network = (address(), 1..=32_u8, 8..=128_u8)
        .prop_map(|(ip, v4, v6)| (ip, if ip.is_ipv4() { v4 } else { v6 }));
    prop_oneof![
        1 => Just(Trust::Nobody),
        6 => vec(network, 0..4).prop_map(Trust::Networks),
        2 => (1..6_u8).prop_map(|hops| Trust::Hops(NonZeroU8::new(hops).unwrap())),
    ]
}

fn header() -> impl Strategy<Value = ForwardedHeader> {
    prop::sample::select(vec![
        ForwardedHeader::XForwardedFor,
        ForwardedHeader::Forwarded,
    ])
}

/// Writes the hops over several lines: a new one before each hop for which `breaks` says so, with the separators that
/// proxies use, and the empty elements that lists may hold.
fn lines(hops: &[Hop], header: ForwardedHeader, breaks: &[bool]) -> HeaderMap {
    const SEPARATORS: [&str; 4] = [", ", ",", " ,\t", ", ,"];
    let mut lines: Vec<String> = Vec::new();
    for (position, hop) in hops.iter().enumerate() {
        let written = hop.written(header);
        match lines.last_mut() {
            Some(line) if !breaks[position % breaks.len()] => {
                line.push_str(SEPARATORS[position % SEPARATORS.len()]);
                line.push_str(&written);
            }
            _ => lines.push(written),
        }
    }
    let name = match header {
        ForwardedHeader::Forwarded => "forwarded",
        _ => "x-forwarded-for",
    };
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(name, line.parse().unwrap());
    }
    headers
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn the_client_is_who_the_model_says(
        peer in address(),
        hops in vec(hop(), 0..7),
        trust in trust(),
        header in header(),
        breaks in vec(any::<bool>(), 1..4),
    ) {
        let headers = lines(&hops, header, &breaks);
        let client = trust.client_ip().header(header).resolve(Some(peer), &headers).unwrap();
        prop_assert_eq!(client.ip(), trust.resolve(peer, &hops), "{:?}", headers);
    }

    #[test]
    fn what_a_client_puts_in_front_changes_nothing(
        peer in address(),
        hops in vec(hop(), 0..7),
        trust in trust(),
        header in header(),
        spoof in proptest::string::string_regex("[ -~\t]{0,40}").unwrap(),
        own_line in any::<bool>(),
    ) {
        // Whatever the walk did not need: at least one hop, written by a proxy of ours, is the client.
        let client_ip = trust.client_ip().header(header);
        let honest = lines(&hops, header, &[false]);
        let seen = client_ip.resolve(Some(peer), &honest).unwrap();
        let reached_by_proxies = match &trust {
            Trust::Nobody => true,
            Trust::Hops(needed) => hops.len() >= usize::from(needed.get()),
            Trust::Networks(networks) => {
                let stops = !networks.iter().any(|(net, bits)| shares(seen.ip(), *net, *bits));
                let unreadable = hops.iter().any(|hop| matches!(hop, Hop::Unreadable(_)));
                stops || unreadable
            }
        };
        prop_assume!(reached_by_proxies);
        let name = if header == ForwardedHeader::Forwarded { "forwarded" } else { "x-forwarded-for" };
        let mut spoofed = HeaderMap::new();
        match honest.get(name) {
            Some(line) if !own_line => {
                let line = format!("{spoof},{}", line.to_str().unwrap());
                spoofed.append(name, HeaderValue::from_str(&line).unwrap());
            }
            line => {
                spoofed.append(name, HeaderValue::from_str(&spoof).unwrap());
                if let Some(line) = line {
                    spoofed.append(name, line.clone());
                }
            }
        }
        let still = client_ip.resolve(Some(peer), &spoofed).unwrap();
        prop_assert_eq!(still.ip(), seen.ip(), "{:?}", spoofed);
    }

    #[test]
    fn any_bytes_give_the_peer_or_a_hop_and_never_panic(
        peer in address(),
        trust in trust(),
        header in header(),
        bytes in vec(vec(any::<u8>(), 0..60), 0..4),
    ) {
        let name = if header == ForwardedHeader::Forwarded { "forwarded" } else { "x-forwarded-for" };
        let mut headers = HeaderMap::new();
        for line in bytes {
            if let Ok(line) = HeaderValue::from_bytes(&line) {
                headers.append(name, line);
            }
        }
        let client_ip = trust.client_ip().header(header);
        prop_assert!(client_ip.resolve(Some(peer), &headers).is_some());
        prop_assert_eq!(client_ip.resolve(None, &headers), None);
    }

    #[test]
    fn a_group_is_the_leading_bits_of_v6_and_the_whole_of_v4(ip in any::<u128>(), prefix in any::<u8>()) {
        let peer = IpAddr::from(Ipv6Addr::from_bits(ip)).to_canonical();
        let client = ClientIp::peer().v6_prefix(prefix).resolve(Some(peer), &HeaderMap::new()).unwrap();
        let group = client.group();
        match peer {
            IpAddr::V4(_) => prop_assert_eq!(group, peer),
            IpAddr::V6(_) => {
                let kept = usize::from(prefix.clamp(1, 128));
                prop_assert!(shares(peer, group, u8::try_from(kept).unwrap()));
                prop_assert!(bits(group)[kept..].iter().all(|bit| !bit));
            }
        }
    }
}

fn behind_a_balancer() -> ClientIp {
    ClientIp::trusting(["10.0.0.0/8"]).unwrap()
}

fn with_header(name: &'static str, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())])
}

const BALANCER: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)));

#[test]
fn a_thousand_spoofed_addresses_are_one_client() {
    let clients: HashSet<IpAddr> = (0..1_000_u32)
        .map(|n| {
            let spoof = Ipv4Addr::from_bits(0x0600_0000 + n);
            let headers = with_header("x-forwarded-for", &format!("{spoof}, 203.0.113.7"));
            behind_a_balancer()
                .resolve(BALANCER, &headers)
                .unwrap()
                .group()
        })
        .collect();
    assert_eq!(clients, HashSet::from([IpAddr::from([203, 0, 113, 7])]));
}

#[test]
fn no_header_is_believed_from_a_peer_that_is_not_trusted() {
    let outside: IpAddr = "198.51.100.9".parse().unwrap();
    for name in [
        "x-forwarded-for",
        "forwarded",
        "x-real-ip",
        "cf-connecting-ip",
        "true-client-ip",
    ] {
        for value in ["6.6.6.6", "for=6.6.6.6", "10.0.0.1"] {
            let headers = with_header(name, value);
            for client_ip in [ClientIp::peer(), behind_a_balancer()] {
                let client = client_ip.resolve(Some(outside), &headers).unwrap();
                assert_eq!(client.ip(), outside, "{name}: {value}");
            }
        }
    }
}

#[test]
fn only_the_header_that_the_proxies_write_is_read() {
    let mut headers = with_header("x-forwarded-for", "203.0.113.7");
    headers.insert("forwarded", "for=6.6.6.6".parse().unwrap());
    let client = behind_a_balancer().resolve(BALANCER, &headers).unwrap();
    assert_eq!(client.to_string(), "203.0.113.7");
    let client = behind_a_balancer()
        .header(ForwardedHeader::Forwarded)
        .resolve(BALANCER, &headers);
    assert_eq!(client.unwrap().to_string(), "6.6.6.6");
}

#[test]
fn an_entry_with_a_port_is_not_skipped() {
    let headers = with_header("x-forwarded-for", "6.6.6.6, 203.0.113.7:4433");
    let client = behind_a_balancer().resolve(BALANCER, &headers).unwrap();
    assert_eq!(client.to_string(), "203.0.113.7");
}

#[test]
fn v4_mapped_clients_do_not_share_a_group() {
    let groups: HashSet<IpAddr> = (0..256_u32)
        .map(|n| {
            let peer = Ipv4Addr::from_bits(0xcb00_7100 + n).to_ipv6_mapped();
            ClientIp::peer()
                .resolve(Some(peer.into()), &HeaderMap::new())
                .unwrap()
                .group()
        })
        .collect();
    assert_eq!(groups.len(), 256);
}

#[test]
fn a_whole_slash_64_is_one_group() {
    let first = 0x2001_0db8_0000_0007_u128 << 64;
    let groups: HashSet<IpAddr> = (0..100_000_u128)
        .map(|n| {
            // Spread over the low 64 bits by an odd multiplier.
            let host = u128::from((n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let peer = Ipv6Addr::from_bits(first | host);
            ClientIp::peer()
                .resolve(Some(peer.into()), &HeaderMap::new())
                .unwrap()
                .group()
        })
        .collect();
    assert_eq!(
        groups,
        HashSet::from([IpAddr::from(Ipv6Addr::from_bits(first))])
    );
}

#[test]
fn a_hop_that_cannot_be_read_falls_back_to_the_peer() {
    for value in [
        "6.6.6.6, unknown",
        "6.6.6.6, 203.0.113.7:port",
        "6.6.6.6, [2001:db8::1",
        "6.6.6.6, \u{fc}",
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(
            "x-forwarded-for",
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
        assert_eq!(
            behind_a_balancer()
                .resolve(BALANCER, &headers)
                .unwrap()
                .ip(),
            BALANCER.unwrap(),
            "{value}"
        );
    }
}

#[test]
fn a_v4_mapped_network_is_the_v4_network_that_it_stands_for() {
    let trusts = |network: &str, peer: &str| {
        let trusting = ClientIp::trusting([network]).unwrap();
        trusting.trusts(peer.parse().unwrap())
    };
    // The last 32 bits are the v4 address: a /104 is a /8.
    assert!(trusts("::ffff:10.0.0.0/104", "10.255.0.1"));
    assert!(!trusts("::ffff:10.0.0.0/104", "11.0.0.1"));
    assert!(trusts("::ffff:10.0.0.7", "10.0.0.7"));
    assert!(!trusts("::ffff:10.0.0.7", "10.0.0.6"));
    assert!(trusts("::ffff:128.0.0.0/97", "203.0.113.7"));
    assert!(!trusts("::ffff:128.0.0.0/97", "127.0.0.1"));
    // All of them are every v4 client.
    assert!(ClientIp::trusting(["::ffff:0.0.0.0/96"]).is_err());
    // A larger network is one of v6, where no v4 client is.
    assert!(!trusts("::fffe:0:0/95", "10.0.0.1"));
    assert!(trusts("::fffe:0:0/95", "::fffe:a00:1"));
}
