#![cfg(feature = "tls")]

use std::sync::Arc;

use axum::Extension;
use palisade::axum::PeerCertificates;
use palisade_core::ClientCertificate;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::*;

/// One certificate for both sides, and the configurations that trust it.
struct Pki {
    server: ServerConfig,
    client: ClientConfig,
}

impl Pki {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let key = || PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        let roots = Arc::new(roots);
        let clients = WebPkiClientVerifier::builder(Arc::clone(&roots))
            .allow_unauthenticated()
            .build()
            .unwrap();
        Self {
            server: ServerConfig::builder()
                .with_client_cert_verifier(clients)
                .with_single_cert(vec![certificate.clone()], key())
                .unwrap(),
            client: ClientConfig::builder()
                .with_root_certificates(roots)
                .with_client_auth_cert(vec![certificate], key())
                .unwrap(),
        }
    }
}

fn router() -> Router {
    Router::new().route(
        "/",
        get(
            async |certificates: Option<Extension<PeerCertificates>>,
                   own: Option<Extension<ClientCertificate>>| {
                let presented = certificates.as_ref().map_or(0, |all| all.0.0.len());
                let first = certificates.as_ref().and_then(|all| all.0.0.first());
                let first = first.map(|first| ClientCertificate::from_der(first));
                let same = first == own.map(|Extension(own)| own);
                format!("{presented} {same}")
            },
        ),
    )
}

async fn shake_hands(server: &Running, client: ClientConfig) -> TlsStream<TcpStream> {
    let name = "localhost".try_into().unwrap();
    let connector = TlsConnector::from(Arc::new(client));
    connector
        .connect(name, server.connect().await)
        .await
        .unwrap()
}

#[tokio::test]
async fn requests_over_tls_know_the_certificate_of_their_client() {
    let pki = Pki::new();
    let server = Running::with(Stack::new(), router(), |server| {
        server.tls(Arc::new(pki.server))
    })
    .await;
    let mut client = shake_hands(&server, pki.client).await;
    client.write_all(ASK).await.unwrap();
    let answer = read_answer(&mut client).await;
    assert!(answer.ends_with("\r\n\r\n1 true"), "{answer}");
}

#[tokio::test]
async fn a_handshake_has_the_time_of_a_head_and_holds_up_nobody() {
    let pki = Pki::new();
    let server = Running::with(Stack::new(), router(), |server| {
        server.tls(Arc::new(pki.server)).header_timeout(2 * SHORT)
    })
    .await;
    let mut silent = server.connect().await;
    let mut client = shake_hands(&server, pki.client).await;
    client.write_all(ASK).await.unwrap();
    read_answer(&mut client).await;
    closed(&mut silent).await;
}
