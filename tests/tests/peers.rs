//! Each server tells who is at the other end of the connection.

#![allow(missing_docs, reason = "tests")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::get;
use palisade_core::{ClientIp, PeerAddr, RequestScope, ScopeLayer};
use palisade_tests::rpc::{self, Echo};
use palisade_tests::servers;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::metadata::MetadataMap;
use tower::util::MapRequestLayer;
use tower::{Layer, ServiceExt, service_fn};

async fn client(extensions: http::Extensions) -> String {
    let scope = RequestScope::current(&extensions).unwrap();
    scope
        .client()
        .map_or_else(|| "nobody".to_owned(), |client| client.to_string())
}

#[tokio::test]
async fn axum_tells_who_the_peer_is() {
    let app = Router::new()
        .route("/", get(client))
        .layer(ScopeLayer::default());
    let server = servers::start(async move |listener| {
        axum::serve(
            listener,
            app.into_make_service_with_connect_info::<SocketAddr>(),
        )
        .await
        .unwrap();
    })
    .await;
    assert_eq!(
        servers::request(server.addr, "GET", "/", &[]).await.body,
        "127.0.0.1"
    );
}

#[tokio::test]
async fn tonic_tells_who_the_peer_is() {
    let seen = Arc::new(Mutex::new(None));
    let noted = Arc::clone(&seen);
    let note = MapRequestLayer::new(move |request: http::Request<tonic::body::Body>| {
        let scope = RequestScope::current(request.extensions()).unwrap();
        *noted.lock().unwrap() = scope.client();
        request
    });
    let server = servers::start(async move |listener| {
        tonic::transport::Server::builder()
            .layer(ScopeLayer::default())
            .layer(note)
            .add_service(Echo)
            .serve_with_incoming(TcpListenerStream::new(listener))
            .await
            .unwrap();
    })
    .await;
    rpc::echo(server.addr, MetadataMap::new(), b"hello")
        .await
        .unwrap();
    assert_eq!(seen.lock().unwrap().unwrap().to_string(), "127.0.0.1");
}

#[tokio::test]
async fn what_the_user_inserts_comes_before_what_a_server_tells() {
    let service =
        ScopeLayer::new(ClientIp::peer()).layer(service_fn(async |request: http::Request<()>| {
            let scope = RequestScope::current(request.extensions()).unwrap();
            assert_eq!(scope.client().unwrap().to_string(), "203.0.113.7");
            Ok::<_, std::convert::Infallible>(http::Response::new(http_body_util::Empty::<
                bytes::Bytes,
            >::new()))
        }));
    let mut request = http::Request::new(());
    let told: SocketAddr = "198.51.100.9:80".parse().unwrap();
    request
        .extensions_mut()
        .insert(axum::extract::ConnectInfo(told));
    request
        .extensions_mut()
        .insert(PeerAddr("203.0.113.7:4433".parse().unwrap()));
    service.oneshot(request).await.unwrap();
}
