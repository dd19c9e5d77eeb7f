use std::sync::Arc;
use std::time::Duration;

use http::Extensions;
use palisade_core::ClientCertificate;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::server::TlsStream;

/// The certificates that a client presented in its TLS handshake, its own first, in the extensions of its requests.
///
/// They were verified by the `ClientCertVerifier` of the server's configuration. The client's own is there as a
/// [`ClientCertificate`] too, by which tokens are bound (RFC 8705).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificates(pub Arc<[CertificateDer<'static>]>);

/// Shakes hands within a time, and tells the requests of the connection what came of it. An error is the reason.
pub(super) async fn accept<I>(
    config: Arc<ServerConfig>,
    io: I,
    within: Duration,
    extensions: &mut Extensions,
) -> Result<TlsStream<I>, &'static str>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let stream = match timeout(within, TlsAcceptor::from(config).accept(io)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(target: "palisade", %error, "TLS handshake failed");
            return Err("tls_handshake");
        }
        Err(_) => return Err("header_timeout"),
    };
    #[cfg(feature = "headers")]
    extensions.insert(palisade_headers::security::OverTls);
    if let Some(certificates) = stream.get_ref().1.peer_certificates() {
        if let Some(own) = certificates.first() {
            extensions.insert(ClientCertificate::from_der(own));
        }
        extensions.insert(PeerCertificates(certificates.into()));
    }
    Ok(stream)
}
