//! Critical events reach whoever is on duty.

mod support;

use serde_json::{Value, json};
use support::{Gateway, PASSWORD};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

/// Answers one request of a webhook; returns its first line and its body.
async fn receive(listener: TcpListener) -> (String, Value) {
    let (stream, _) = listener.accept().await.unwrap();
    let mut stream = BufReader::new(stream);
    let mut first = String::new();
    stream.read_line(&mut first).await.unwrap();
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        if let Some(number) = line.strip_prefix("content-length: ") {
            length = number.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    stream.get_mut().write_all(answer).await.unwrap();
    (first, serde_json::from_slice(&body).unwrap())
}

async fn refresh(gateway: &Gateway, pair: &Value) -> (u16, Value) {
    let body = json!({ "refresh_token": pair["refresh_token"] });
    let sent = gateway.client.post(gateway.at("/auth/refresh")).json(&body);
    let response = sent.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test]
async fn a_refresh_token_that_comes_twice_is_an_alert() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hooks/T0KEN", listener.local_addr().unwrap());
    let gateway = Gateway::start_with(&[("ALERT_WEBHOOK_URL", &url)]);
    let first: Value = gateway.login("alice", PASSWORD).await.json().await.unwrap();
    let (status, second) = refresh(&gateway, &first).await;
    assert_eq!(status, 200);
    let (status, _) = refresh(&gateway, &second).await;
    assert_eq!(status, 200);
    let (status, _) = refresh(&gateway, &first).await;
    assert_eq!(status, 401);
    let (line, alert) = receive(listener).await;
    assert_eq!(line, "POST /hooks/T0KEN HTTP/1.1\r\n");
    assert_eq!(
        (&alert["service"], &alert["severity"]),
        (&json!("gateway"), &json!("critical"))
    );
    assert_eq!(alert["record"]["path"], "/auth/refresh");
    let token = first["refresh_token"].as_str().unwrap();
    assert!(!alert.to_string().contains(token));
}
