//! One value of each layer in axum 0.8, hyper 1 and tonic 0.14, real servers all, without a type that a user writes.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::connect_info::IntoMakeServiceWithConnectInfo;
use axum::routing::get;
use bytes::Bytes;
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use palisade_core::{PeerAddr, Principal, RequestScope};
use palisade_tests::rpc::{self, Echo};
use palisade_tests::servers::{self, Running};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::metadata::MetadataMap;
use tower::{ServiceBuilder, service_fn};

use crate::layers::{self, TOKEN};

/// Stands before the layer under test and says who calls, as the layers that it counts on would.
fn introduce<B>(mut request: http::Request<B>) -> http::Request<B> {
    let alice = Principal::user("https://idp.example/", "alice")
        .roles(["admin"])
        .scopes(["write"]);
    RequestScope::enter(request.extensions_mut()).push_principal(alice.into());
    request
}

fn router() -> Router {
    Router::new().route("/", get(async || "hello"))
}

async fn serve_axum(app: Router) -> Running {
    let app: IntoMakeServiceWithConnectInfo<Router, SocketAddr> =
        app.into_make_service_with_connect_info();
    servers::start(async move |listener| axum::serve(listener, app).await.unwrap()).await
}

async fn says_hello(server: &Running) {
    let bearer = format!("Bearer {TOKEN}");
    let answer = servers::request(server.addr, "GET", "/", &[("authorization", &bearer)]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.body.contains("hello"), "{answer:?}");
}

macro_rules! fits {
    ($($name:ident: $layer:expr;)+) => {$(
        mod $name {
            use super::*;

            #[tokio::test]
            async fn it_fits_an_axum_router_its_routes_and_around_it() {
                let layer = $layer;
                let introduced = tower::util::MapRequestLayer::new(introduce);
                let layered = router().layer(layer.clone()).layer(introduced.clone());
                says_hello(&serve_axum(layered).await).await;

                let route_layered = router().route_layer(layer.clone()).layer(introduced.clone());
                says_hello(&serve_axum(route_layered).await).await;

                let around = ServiceBuilder::new().layer(introduced).layer(layer).service(router());
                let app = Router::new().fallback_service(around);
                says_hello(&serve_axum(app).await).await;
            }

            #[tokio::test]
            async fn it_fits_a_hyper_server() {
                let layer = $layer;
                let server = servers::start(async move |listener| loop {
                    let (stream, peer) = listener.accept().await.unwrap();
                    let handler = service_fn(async |_: http::Request<hyper::body::Incoming>| {
                        Ok::<_, Infallible>(http::Response::new(Full::new(Bytes::from("hello"))))
                    });
                    let service = ServiceBuilder::new()
                        .map_request(introduce)
                        .map_request(move |mut request: http::Request<_>| {
                            request.extensions_mut().insert(PeerAddr(peer));
                            request
                        })
                        .layer(layer.clone())
                        .service(handler);
                    tokio::spawn(
                        hyper::server::conn::http1::Builder::new()
                            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)),
                    );
                })
                .await;
                says_hello(&server).await;
            }

            #[tokio::test]
            async fn it_fits_a_tonic_server() {
                let layer = $layer;
                let server = servers::start(async move |listener| {
                    tonic::transport::Server::builder()
                        .layer(tower::util::MapRequestLayer::new(introduce))
                        .layer(layer)
                        .add_service(Echo)
                        .serve_with_incoming(TcpListenerStream::new(listener))
                        .await
                        .unwrap();
                })
                .await;
                let mut metadata = MetadataMap::new();
                metadata.insert("authorization", format!("Bearer {TOKEN}").parse().unwrap());
                let answer = rpc::echo(server.addr, metadata, b"hello").await;
                assert_eq!(answer.unwrap(), "hello");
            }
        }
    )+};
}

fits! {
    scope: layers::scope();
    request_id: layers::request_id();
    security_headers: layers::security_headers();
    cors: layers::cors();
    cookies: layers::cookies();
    origin_lookup: layers::origin_lookup();
    cross_origin_guard: layers::cross_origin_guard();
    rate_limit: layers::rate_limit();
    auth: layers::auth();
    require_scope: layers::require_scope();
    require_role: layers::require_role();
    audit: layers::audit();
    field_crypto: layers::field_crypto();
    breaker: layers::breaker();
    secrets: layers::secrets().await;
    bearer: layers::bearer_rotating().await;
    stack: layers::stack();
    stack_leaked: layers::stack().leak();
    stack_off: palisade::Stack::new();
}

/// A layer that refuses answers in the way that its caller reads, on each server.
#[tokio::test]
async fn a_refusal_is_a_status_to_grpc_and_a_problem_to_http() {
    let app = router().layer(layers::auth());
    let answer = servers::request(serve_axum(app).await.addr, "GET", "/", &[]).await;
    assert_eq!(answer.status, 401);
    assert!(
        answer
            .head
            .contains("content-type: application/problem+json"),
        "{answer:?}"
    );
    assert!(answer.body.contains("AUTHENTICATION_ERROR"), "{answer:?}");

    let server = servers::start(async move |listener| {
        tonic::transport::Server::builder()
            .layer(layers::auth())
            .add_service(Echo)
            .serve_with_incoming(TcpListenerStream::new(listener))
            .await
            .unwrap();
    })
    .await;
    let refused = rpc::echo(server.addr, MetadataMap::new(), b"hello")
        .await
        .unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unauthenticated);
}

#[tokio::test]
async fn a_protected_router_covers_what_no_route_answers() {
    let app = palisade::axum::protect(
        router()
            .fallback(palisade::axum::not_found)
            .method_not_allowed_fallback(palisade::axum::method_not_allowed),
        layers::stack(),
    );
    let server =
        servers::start(async move |listener| axum::serve(listener, app).await.unwrap()).await;
    says_hello(&server).await;
    let bearer = format!("Bearer {TOKEN}");
    for (method, path, status) in [("GET", "/nowhere", 404), ("DELETE", "/", 405)] {
        let answer =
            servers::request(server.addr, method, path, &[("authorization", &bearer)]).await;
        assert_eq!(answer.status, status, "{answer:?}");
        for header in [
            "x-content-type-options: nosniff",
            "x-request-id: ",
            "content-type: application/problem+json",
        ] {
            assert!(
                answer.head.contains(header),
                "{header} is missing: {answer:?}"
            );
        }
    }
}
