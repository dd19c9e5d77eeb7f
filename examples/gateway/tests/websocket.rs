//! WebSockets by a client of their own, from the handshake to the end of the credential.

mod support;

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use palisade::Principal;
use palisade::auth::{HmacKeys, TokenIssuer};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use support::Gateway;

const SECRET: &str = "kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu";

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(
    gateway: &Gateway,
    header: (&'static str, String),
) -> Result<(Socket, Response), Error> {
    let url = gateway.at("/ws").replace("http://", "ws://");
    let mut request = url.into_client_request().unwrap();
    request
        .headers_mut()
        .insert(header.0, header.1.parse().unwrap());
    connect_async(request).await
}

fn bearer(token: &str) -> (&'static str, String) {
    ("authorization", format!("Bearer {token}"))
}

async fn echoes(socket: &mut Socket, text: &str) {
    socket.send(Message::text(text)).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(text));
}

/// The code and the reason with which the server closes, and after what time.
async fn closed(socket: &mut Socket) -> (u16, String, Duration) {
    let since = palisade_core::time::now();
    let next = tokio::time::timeout(Duration::from_secs(10), socket.next());
    match next.await.expect("the socket is closed").unwrap().unwrap() {
        Message::Close(Some(frame)) => {
            (frame.code.into(), frame.reason.to_string(), since.elapsed())
        }
        other => panic!("{other:?} instead of a farewell"),
    }
}

#[tokio::test]
async fn a_websocket_echoes_for_who_is_signed_in() {
    let gateway = Gateway::start();
    let token = gateway.token("alice").await;
    let (mut socket, _) = connect(&gateway, bearer(&token)).await.unwrap();
    echoes(&mut socket, "hello").await;
    // A browser can set no header but this one.
    let offered = ("sec-websocket-protocol", format!("echo, bearer.{token}"));
    let (mut socket, response) = connect(&gateway, offered).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "echo");
    echoes(&mut socket, "hello").await;
}

#[tokio::test]
async fn nobody_else_gets_one() {
    let gateway = Gateway::start();
    for header in [
        ("x-other", String::new()),
        bearer("forged"),
        ("sec-websocket-protocol", "echo, bearer.forged".to_owned()),
    ] {
        match connect(&gateway, header).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), 401),
            other => panic!("{:?}", other.map(drop)),
        }
    }
    let token = gateway.token("alice").await;
    let plain = gateway.client.get(gateway.at("/ws")).bearer_auth(&token);
    let (headers, _) = support::refused(plain.send().await.unwrap(), "VALIDATION_ERROR").await;
    assert_eq!(headers["content-type"], "application/problem+json");
}

#[tokio::test]
async fn a_sign_out_closes_open_websockets_with_4001() {
    let gateway = Gateway::start();
    let token = gateway.token("alice").await;
    let other = gateway.token("rita").await;
    let (mut socket, _) = connect(&gateway, bearer(&token)).await.unwrap();
    let (mut others, _) = connect(&gateway, bearer(&other)).await.unwrap();
    echoes(&mut socket, "hello").await;
    let request = gateway.client.post(gateway.at("/auth/logout"));
    let response = request.bearer_auth(&token).send().await.unwrap();
    assert_eq!(response.status(), 204);
    let (code, reason, after) = closed(&mut socket).await;
    assert_eq!((code, &*reason), (4001, "revoked"));
    assert!(
        after < Duration::from_secs(3),
        "asked once a second: {after:?}"
    );
    echoes(&mut others, "still here").await;
}

#[tokio::test]
async fn the_end_of_a_token_closes_its_websocket_with_4001() {
    let gateway = Gateway::start_with(&[("JWT_SECRET_KEY", SECRET)]);
    let tokens = TokenIssuer::hmac("gateway", HmacKeys::current(SECRET).unwrap())
        .audience("api://gateway")
        .lifetime(Duration::from_secs(2))
        .build()
        .unwrap();
    let issued = tokens.issue(&Principal::user("gateway", "alice")).unwrap();
    let (mut socket, _) = connect(&gateway, bearer(issued.as_str())).await.unwrap();
    echoes(&mut socket, "hello").await;
    let (code, reason, after) = closed(&mut socket).await;
    assert_eq!((code, &*reason), (4001, "expired"));
    assert!(after < Duration::from_secs(5), "{after:?}");
}

#[tokio::test]
async fn a_gateway_that_stops_says_so_to_open_websockets() {
    let mut gateway = Gateway::start();
    let token = gateway.token("alice").await;
    let (mut socket, _) = connect(&gateway, bearer(&token)).await.unwrap();
    echoes(&mut socket, "hello").await;
    let (farewell, status) = tokio::join!(
        closed(&mut socket),
        tokio::task::spawn_blocking(move || gateway.terminate())
    );
    // RFC 6455, section 7.4.1: an endpoint is going away.
    assert_eq!(farewell.0, 1001);
    assert!(status.unwrap().success());
}
