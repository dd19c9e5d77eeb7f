//! TLS with an authority of the test's own, directly and through a proxy.

use std::sync::Arc;
use std::time::Duration;

use crate::server::{Server, join, quick, read_request};
use palisade_client::HttpClientError;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// Speaks TLS under these names, and answers each request.
    fn acceptor(&self, names: &[&str]) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let names = names.iter().map(|name| (*name).to_owned());
        let params = CertificateParams::new(Vec::from_iter(names)).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }

    async fn server(&self, names: &[&str]) -> Server {
        let acceptor = self.acceptor(names);
        Server::start(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                while read_request(&mut stream).await.is_some() {
                    let response = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsealed";
                    stream.write_all(response).await.unwrap();
                }
            }
        })
        .await
    }
}

/// A proxy that connects every tunnel to one server, and tells the requests for tunnels.
async fn proxy_to(server: &Server) -> (Server, mpsc::UnboundedReceiver<String>) {
    let (told, asked) = mpsc::unbounded_channel();
    let target = server.address;
    let proxy = Server::start(move |mut stream| {
        let told = told.clone();
        async move {
            let request = read_request(&mut stream).await.expect("a request");
            let allowed = !request.contains("forbidden.test");
            told.send(request).unwrap();
            if !allowed {
                let refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n";
                stream.write_all(refusal).await.unwrap();
                return;
            }
            stream
                .write_all(b"HTTP/1.1 200 Connected\r\n\r\n")
                .await
                .unwrap();
            join(stream, TcpStream::connect(target).await.unwrap()).await;
        }
    })
    .await;
    (proxy, asked)
}

#[tokio::test]
async fn a_server_is_trusted_by_an_added_root_and_by_its_name() {
    let authority = Authority::new();
    let server = authority.server(&["localhost"]).await;
    let port = server.address.port();
    let client = quick()
        .add_root_certificates(authority.pem())
        .build()
        .unwrap();
    let response = client
        .get(&format!("https://localhost:{port}/"))
        .await
        .unwrap();
    assert_eq!(response.body(), "sealed");

    let wrong_name = client
        .get(&format!("https://127.0.0.1:{port}/"))
        .await
        .unwrap_err();
    assert!(
        matches!(wrong_name, HttpClientError::Connect { .. }),
        "{wrong_name}"
    );
    let others = [
        quick().build().unwrap(),
        quick()
            .add_root_certificates(Authority::new().pem())
            .only_added_roots()
            .build()
            .unwrap(),
    ];
    for client in others {
        let error = client
            .get(&format!("https://localhost:{port}/"))
            .await
            .unwrap_err();
        let not_trusted = matches!(
            error,
            HttpClientError::Connect { .. } | HttpClientError::Refused { .. }
        );
        assert!(not_trusted, "{error}");
    }
}

#[tokio::test]
async fn without_a_root_no_server_is_called() {
    let server = Authority::new().server(&["localhost"]).await;
    let client = quick().only_added_roots().build().unwrap();
    let url = format!("https://localhost:{}/", server.address.port());
    let error = client.get(&url).await.unwrap_err();
    assert!(matches!(error, HttpClientError::Refused { .. }), "{error}");
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_handshake_that_hangs_is_given_up() {
    let server = Server::start(|mut stream| async move {
        let _ = stream.write_all(b"").await;
        std::future::pending::<()>().await;
    })
    .await;
    let client = quick()
        .add_root_certificates(Authority::new().pem())
        .connect_timeout(Duration::from_millis(100))
        .attempt_timeout(Duration::from_secs(60))
        .build()
        .unwrap();
    let url = format!("https://localhost:{}/", server.address.port());
    let error = client.get(&url).await.unwrap_err();
    assert!(matches!(error, HttpClientError::Connect { .. }), "{error}");
}

#[tokio::test]
async fn a_proxy_tunnels_with_its_credentials_and_sees_nothing_else() {
    let authority = Authority::new();
    let server = authority.server(&["vault.test", "localhost"]).await;
    let (proxy, mut asked) = proxy_to(&server).await;
    let client = quick()
        .add_root_certificates(authority.pem())
        .proxy(format!("http://user:pass@{}", proxy.address), "direct.test")
        .build()
        .unwrap();
    let response = client
        .get("https://vault.test:8200/v1/secret")
        .await
        .unwrap();
    assert_eq!(response.body(), "sealed");
    let request = asked.recv().await.unwrap().to_ascii_lowercase();
    assert!(
        request.starts_with("connect vault.test:8200 http/1.1\r\n"),
        "{request}"
    );
    assert!(
        request.contains("proxy-authorization: basic dxnlcjpwyxnz\r\n"),
        "{request}"
    );
    assert!(!request.contains("/v1/secret"), "{request}");

    // An exception and this machine are called directly.
    let direct = client.get("https://direct.test:8200/").await.unwrap_err();
    assert!(
        matches!(direct, HttpClientError::Connect { .. }),
        "{direct}"
    );
    let local = format!("https://localhost:{}/", server.address.port());
    assert_eq!(client.get(&local).await.unwrap().body(), "sealed");
    assert_eq!(proxy.connections(), 1);
}

#[tokio::test]
async fn a_proxy_that_speaks_tls_is_reached_by_it() {
    let authority = Authority::new();
    let server = authority.server(&["vault.test"]).await;
    let acceptor = authority.acceptor(&["localhost"]);
    let target = server.address;
    let proxy = Server::start(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let mut stream = acceptor.accept(stream).await.expect("TLS to the proxy");
            read_request(&mut stream).await.expect("a request");
            stream
                .write_all(b"HTTP/1.1 200 Connected\r\n\r\n")
                .await
                .unwrap();
            join(stream, TcpStream::connect(target).await.unwrap()).await;
        }
    })
    .await;
    let client = quick()
        .add_root_certificates(authority.pem())
        .proxy(format!("https://localhost:{}", proxy.address.port()), "")
        .build()
        .unwrap();
    assert_eq!(
        client.get("https://vault.test/").await.unwrap().body(),
        "sealed"
    );
}

#[tokio::test]
async fn a_proxy_that_refuses_or_hangs_is_no_connection() {
    let authority = Authority::new();
    let server = authority.server(&["vault.test"]).await;
    let (refusing, _asked) = proxy_to(&server).await;
    let hanging = Server::start(|mut stream| async move {
        read_request(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    for proxy in [refusing, hanging] {
        let client = quick()
            .add_root_certificates(authority.pem())
            .proxy(format!("http://{}", proxy.address), "")
            .attempt_timeout(Duration::from_secs(60))
            .build()
            .unwrap();
        let error = client.get("https://forbidden.test/").await.unwrap_err();
        assert!(matches!(error, HttpClientError::Connect { .. }), "{error}");
    }
    assert_eq!(server.connections(), 0);
}
