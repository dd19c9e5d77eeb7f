//! The networks of trusted proxies, as settings name them.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

/// Names of networks that are never those of clients on the internet, as proxies such as Envoy and nginx have them too.
const NAMED: [(&str, &[&str]); 3] = [
    // RFC 1122, section 3.2.1.3, and RFC 4291, section 2.5.3.
    ("loopback", &["127.0.0.0/8", "::1/128"]),
    // RFC 1918, section 3, and RFC 4193, section 3.1.
    (
        "private",
        &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"],
    ),
    // RFC 3927, section 2.1, and RFC 4291, section 2.5.6.
    ("link-local", &["169.254.0.0/16", "fe80::/10"]),
];

/// The networks that a text stands for: a name, a network or a single address.
pub(crate) fn networks(text: &str) -> Result<Vec<IpNet>, &'static str> {
    match NAMED.iter().find(|(name, _)| *name == text) {
        Some((_, networks)) => networks.iter().map(|text| network(text)).collect(),
        None => Ok(vec![network(text)?]),
    }
}

/// A network or a single address; one that is written as v4-mapped v6 becomes v4, as the addresses do.
fn network(text: &str) -> Result<IpNet, &'static str> {
    let net = match text.parse::<IpNet>() {
        Ok(net) => net,
        Err(_) => text.parse::<IpAddr>().map(IpNet::from).map_err(
            |_| "is neither an address nor a network, nor loopback, private or link-local",
        )?,
    };
    let mapped = match net {
        IpNet::V6(v6) => v6
            .addr()
            .to_ipv4_mapped()
            .map(|v4| (v4, v6.prefix_len().checked_sub(96))),
        IpNet::V4(_) => None,
    };
    match mapped {
        Some((v4, Some(bits))) => Ipv4Net::new(v4, bits)
            .map(IpNet::V4)
            .map_err(|_| "has too many bits"),
        // With the bits of a v4 network it would be `::/8`, in which all clients behind NAT64 are.
        Some((_, None)) => Err("is a v4-mapped address with fewer than 96 bits"),
        None => Ok(net),
    }
}
