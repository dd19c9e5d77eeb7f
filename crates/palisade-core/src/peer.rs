use std::net::SocketAddr;

use http::Extensions;

/// The address at the other end of the connection, for servers that hand it over themselves.
///
/// With feature `axum` or `tonic` the address that those servers put into the extensions is found without it.
/// With plain hyper, insert this into each request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PeerAddr(pub SocketAddr);

/// The peer's address, from [`PeerAddr`], axum's `ConnectInfo<SocketAddr>` or tonic's `TcpConnectInfo`.
#[inline]
#[must_use]
pub fn peer_addr(extensions: &Extensions) -> Option<SocketAddr> {
    if let Some(PeerAddr(addr)) = extensions.get() {
        return Some(*addr);
    }
    #[cfg(feature = "axum")]
    if let Some(axum::extract::ConnectInfo(addr)) = extensions.get() {
        return Some(*addr);
    }
    #[cfg(feature = "tonic")]
    if let Some(info) = extensions.get::<tonic::transport::server::TcpConnectInfo>() {
        return info.remote_addr();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_peer_is_none_rather_than_a_guess() {
        assert_eq!(peer_addr(&Extensions::new()), None);
    }

    #[test]
    fn the_inserted_address_is_found() {
        let addr: SocketAddr = "203.0.113.7:4433".parse().unwrap();
        let mut extensions = Extensions::new();
        extensions.insert(PeerAddr(addr));
        assert_eq!(peer_addr(&extensions), Some(addr));
    }
}
