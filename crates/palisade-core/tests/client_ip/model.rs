//! A model that works on lists of hops where the crate works on bytes.

use std::net::IpAddr;
use std::num::NonZeroU8;

use palisade_core::{ClientIp, ForwardedHeader};

/// One hop as a proxy wrote it.
#[derive(Debug, Clone)]
pub(crate) enum Hop {
    Address(IpAddr, Style),
    /// A name, `unknown`, or garbage.
    Unreadable(&'static str),
}

/// A notation of an address. One that does not apply to its family writes it plainly.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Style {
    Plain,
    Port,
    Bracketed,
    BracketedPort,
    Mapped,
    BracketedMapped,
}

impl Hop {
    pub(crate) fn written(&self, header: ForwardedHeader) -> String {
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
pub(crate) enum Trust {
    Nobody,
    Networks(Vec<(IpAddr, u8)>),
    Hops(NonZeroU8),
}

impl Trust {
    pub(crate) fn client_ip(&self) -> ClientIp {
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
    pub(crate) fn resolve(&self, peer: IpAddr, hops: &[Hop]) -> IpAddr {
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

pub(crate) fn bits(ip: IpAddr) -> Vec<bool> {
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
pub(crate) fn shares(ip: IpAddr, net: IpAddr, prefix: u8) -> bool {
    let prefix = usize::from(prefix);
    ip.is_ipv4() == net.is_ipv4() && bits(ip)[..prefix] == bits(net)[..prefix]
}
