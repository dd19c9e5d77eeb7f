//! The client's address as the model finds it.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU8;

use http::{HeaderMap, HeaderValue};
use palisade_core::{ClientIp, ForwardedHeader};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use crate::model::{Hop, Style, Trust, bits, shares};

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
