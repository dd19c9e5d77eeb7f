use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU8;
use std::str::FromStr;

use http::HeaderMap;
use ipnet::IpNet;

use crate::forwarded::{self, NotAnAddress};

use crate::{Problems, peer, proxies};

/// The address of a client, and the group of addresses that one client commonly owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddr {
    ip: IpAddr,
    v6_prefix: u8,
}

impl ClientAddr {
    /// An address in the group of its /64, or by itself where it is v4. A v4-mapped v6 address becomes v4.
    #[must_use]
    pub fn new(ip: IpAddr) -> Self {
        Self {
            ip: ip.to_canonical(),
            v6_prefix: ClientIp::DEFAULT_V6_PREFIX,
        }
    }

    /// The address itself, for records.
    #[must_use]
    pub const fn ip(self) -> IpAddr {
        self.ip
    }

    /// The first address of the client's group, for limits: one household or one virtual machine commonly owns a whole
    /// /64 of v6, and would otherwise get a fresh limit with each of its addresses.
    ///
    /// A v4 client that NAT64 has put into `64:ff9b::/96` (RFC 6052, section 2.1) is its own group, under its v4 address:
    /// all v4 clients share these 96 bits.
    #[must_use]
    pub fn group(self) -> IpAddr {
        self.group_of(self.v6_prefix)
    }

    /// The first address of the group of this many leading bits of v6, at most 128.
    #[must_use]
    pub fn group_of(self, v6_prefix: u8) -> IpAddr {
        match self.ip {
            IpAddr::V4(_) => self.ip,
            IpAddr::V6(v6) if is_translated(v6) => Ipv4Addr::from_bits(v6.to_bits() as u32).into(),
            IpAddr::V6(v6) => {
                let mask = u128::MAX
                    .checked_shl(128_u32.saturating_sub(v6_prefix.into()))
                    .unwrap_or(0);
                Ipv6Addr::from_bits(v6.to_bits() & mask).into()
            }
        }
    }
}

/// Whether the last 32 bits are the address of a v4 client behind NAT64.
fn is_translated(ip: Ipv6Addr) -> bool {
    matches!(ip.segments(), [0x64, 0xff9b, 0, 0, 0, 0, _, _])
}

impl fmt::Display for ClientAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ip.fmt(f)
    }
}

/// The header that trusted proxies write. Only this one is read: a proxy that writes one does not clean the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, the default, which nearly every proxy writes.
    #[default]
    XForwardedFor,
    /// `Forwarded`, RFC 7239.
    Forwarded,
}

/// The rule by which the client's address is found.
///
/// By default it is the peer's: no header can change it. Behind proxies, say which may be believed. The header is then
/// walked from the right, where the nearest proxy wrote, and the walk stops at the first address that is not trusted,
/// so that whatever a client put in front stays without effect. A hop that cannot be read falls back to the peer.
///
/// # Example
///
/// ```
/// use palisade_core::ClientIp;
/// # let mut headers = http::HeaderMap::new();
///
/// let behind_a_balancer = ClientIp::trusting(["10.0.0.0/8"])?;
/// headers.insert("x-forwarded-for", "6.6.6.6, 203.0.113.7".parse().unwrap());
///
/// let from_balancer = behind_a_balancer.resolve("10.0.0.1".parse().ok(), &headers);
/// assert_eq!(from_balancer.unwrap().to_string(), "203.0.113.7");
///
/// let from_outside = behind_a_balancer.resolve("198.51.100.9".parse().ok(), &headers);
/// assert_eq!(from_outside.unwrap().to_string(), "198.51.100.9");
/// # Ok::<(), palisade_core::ClientIpError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientIp {
    trust: Trust,
    header: ForwardedHeader,
    v6_prefix: u8,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Trust {
    Nobody,
    Networks(Vec<IpNet>),
    Hops(NonZeroU8),
}

/// A setting of [`ClientIp`] that cannot be used.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("trusted proxies: {0}")]
pub struct ClientIpError(#[from] Problems);

impl ClientIp {
    /// v6 addresses are grouped by /64 unless told otherwise: the smallest network that providers hand out (RFC 6177).
    pub const DEFAULT_V6_PREFIX: u8 = 64;

    /// The peer's address, whatever the headers say. The right choice for a server that faces its clients.
    #[must_use]
    pub const fn peer() -> Self {
        Self {
            trust: Trust::Nobody,
            header: ForwardedHeader::XForwardedFor,
            v6_prefix: Self::DEFAULT_V6_PREFIX,
        }
    }

    /// Believes proxies whose addresses lie in these networks, such as `10.0.0.0/8` or `2001:db8::1`.
    ///
    /// Three names stand for networks: `loopback` (127.0.0.0/8 and ::1), `private` (10.0.0.0/8, 172.16.0.0/12,
    /// 192.168.0.0/16 and fc00::/7; RFC 1918 and RFC 4193) and `link-local` (169.254.0.0/16 and fe80::/10).
    ///
    /// # Security
    ///
    /// Whoever can send from a trusted network chooses its own address. `private` trusts every machine of yours, and
    /// whatever else shares its networks: prefer the addresses of the proxies.
    ///
    /// # Errors
    ///
    /// Names every text that is neither an address nor a network, nor one of these names. A network of all addresses is
    /// refused too: it would believe everybody.
    pub fn trusting<T: AsRef<str>>(
        networks: impl IntoIterator<Item = T>,
    ) -> Result<Self, ClientIpError> {
        let mut problems = Problems::none();
        let mut trusted = Vec::new();
        for text in networks {
            let text = text.as_ref().trim();
            match proxies::networks(text) {
                Ok(nets) if nets.iter().any(|net| net.prefix_len() == 0) => {
                    problems.push(text, "would trust every address");
                }
                Ok(nets) => trusted.extend(nets),
                Err(reason) => problems.push(text, reason),
            }
        }
        Ok(problems.into_result(Self {
            trust: Trust::Networks(trusted),
            ..Self::peer()
        })?)
    }

    /// Believes exactly this many proxies, the peer being the first: with 1 the rightmost address of the header is the
    /// client's, with 2 the one before it.
    ///
    /// # Security
    ///
    /// Right only when nobody can reach the server around the proxies. Prefer [`trusting`](Self::trusting).
    #[must_use]
    pub fn trusting_hops(hops: NonZeroU8) -> Self {
        Self {
            trust: Trust::Hops(hops),
            ..Self::peer()
        }
    }

    /// Sets which header the proxies write; default `X-Forwarded-For`.
    #[must_use]
    pub const fn header(mut self, header: ForwardedHeader) -> Self {
        self.header = header;
        self
    }

    /// Sets by how many leading bits v6 addresses are grouped: 1 to 128, default 64. Others are brought into range.
    #[must_use]
    pub const fn v6_prefix(mut self, bits: u8) -> Self {
        self.v6_prefix = match bits {
            0 => 1,
            129.. => 128,
            _ => bits,
        };
        self
    }

    /// The client at this address, in the group that [`resolve`](Self::resolve) would put it in.
    #[must_use]
    pub fn client(&self, ip: IpAddr) -> ClientAddr {
        ClientAddr {
            ip: ip.to_canonical(),
            v6_prefix: self.v6_prefix,
        }
    }

    /// Whether this peer is a proxy whose headers may be believed; for headers other than the client's address, such as
    /// `X-Forwarded-Proto`.
    #[must_use]
    pub fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        match &self.trust {
            Trust::Nobody => false,
            Trust::Networks(trusted) => trusted.iter().any(|net| net.contains(&peer)),
            Trust::Hops(_) => true,
        }
    }

    /// The client's address, or `None` when the server did not say who the peer is.
    #[inline]
    #[must_use]
    pub fn resolve(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<ClientAddr> {
        let peer = peer?.to_canonical();
        let ip = match &self.trust {
            Trust::Nobody => peer,
            trust => self.forwarded(trust, peer, headers).unwrap_or(peer),
        };
        Some(ClientAddr {
            ip,
            v6_prefix: self.v6_prefix,
        })
    }

    /// The address in the header that trusted proxies write.
    fn forwarded(&self, trust: &Trust, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        match trust {
            Trust::Nobody => None,
            Trust::Networks(trusted) => self.walk(peer, trusted, headers).ok(),
            Trust::Hops(hops) => {
                let nth = usize::from(hops.get()) - 1;
                forwarded::hops(headers, self.header).nth(nth)?.ok()
            }
        }
    }

    /// The client's address for a request with these extensions and headers: what the scope decided, or else this.
    #[must_use]
    pub fn of(&self, extensions: &http::Extensions, headers: &HeaderMap) -> Option<ClientAddr> {
        let decided =
            crate::RequestScope::current(extensions).and_then(crate::RequestScope::client);
        decided.or_else(|| self.resolve(peer::peer_addr(extensions).map(|addr| addr.ip()), headers))
    }

    fn walk(
        &self,
        peer: IpAddr,
        trusted: &[IpNet],
        headers: &HeaderMap,
    ) -> Result<IpAddr, NotAnAddress> {
        let is_trusted = |ip: IpAddr| trusted.iter().any(|net| net.contains(&ip));
        let mut client = peer;
        let mut hops = forwarded::hops(headers, self.header);
        while is_trusted(client) {
            match hops.next() {
                Some(hop) => client = hop?,
                None => break,
            }
        }
        Ok(client)
    }
}

impl Default for ClientIp {
    fn default() -> Self {
        Self::peer()
    }
}

impl FromStr for ClientIp {
    type Err = ClientIpError;

    /// Reads the form that environment variables use: nothing for the peer's address, `hops:2`, or a list of networks
    /// with commas between them, of which the last may be followed by nothing.
    fn from_str(text: &str) -> Result<Self, ClientIpError> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self::peer());
        }
        match text.strip_prefix("hops:") {
            Some(hops) => match hops.trim().parse() {
                Ok(hops) => Ok(Self::trusting_hops(hops)),
                Err(_) => Err(ClientIpError(Problems::one(
                    text,
                    "is not a number of hops from 1 to 255",
                ))),
            },
            None => {
                let networks = text.split(',').filter(|text| !text.trim().is_empty());
                Self::trusting(networks)
            }
        }
    }
}

crate::debug_as_display!(ClientIpError);

#[cfg(test)]
mod tests;
