use std::fmt;
use std::net::SocketAddr;

use http::Extensions;
use ring::digest;

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

/// The certificate that a client presented in its TLS handshake, for servers that asked for one.
///
/// `palisade::axum::serve` puts it into the extensions of each request. With another server, insert it there; make it
/// once a connection, as the certificate is hashed. A proxy that ends TLS can hand the certificate on in a header, such
/// as `Client-Cert` (RFC 9440), which a layer outside turns into this.
///
/// # Security
///
/// It says that the client has the private key, so insert it only after a handshake that proved that, or for a header that
/// the proxy has set and takes out of what clients send.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ClientCertificate {
    thumbprint: [u8; 32],
}

impl ClientCertificate {
    /// The certificate of which these are the bytes, in DER.
    #[must_use]
    pub fn from_der(der: &[u8]) -> Self {
        let mut thumbprint = [0; 32];
        thumbprint.copy_from_slice(digest::digest(&digest::SHA256, der).as_ref());
        Self { thumbprint }
    }

    /// The SHA-256 of its DER, by which tokens name it (`x5t#S256`; RFC 8705, section 3.1).
    #[must_use]
    pub const fn thumbprint(&self) -> [u8; 32] {
        self.thumbprint
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientCertificate(")?;
        self.thumbprint
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_peer_is_none_rather_than_a_guess() {
        assert_eq!(peer_addr(&Extensions::new()), None);
    }

    #[test]
    fn a_certificate_is_known_by_the_sha_256_of_its_bytes() {
        // FIPS 180-2, appendix B.1: the digest of "abc".
        let debug = format!("{:?}", ClientCertificate::from_der(b"abc"));
        let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(debug, format!("ClientCertificate({digest})"));
    }

    #[test]
    fn the_inserted_address_is_found() {
        let addr: SocketAddr = "203.0.113.7:4433".parse().unwrap();
        let mut extensions = Extensions::new();
        extensions.insert(PeerAddr(addr));
        assert_eq!(peer_addr(&extensions), Some(addr));
    }
}
