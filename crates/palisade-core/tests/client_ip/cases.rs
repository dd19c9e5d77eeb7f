//! Addresses that clients make up, and forms in which proxies write theirs.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{HeaderMap, HeaderValue};
use palisade_core::{ClientIp, ForwardedHeader};

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
