use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use palisade::config::{Config, ConfigError};
use palisade::{PeerAddr, Stack};
use tower::{Layer, ServiceExt};

pub(crate) const FILE: &str = "palisade.toml";

pub(crate) fn load(text: &str) -> Result<Config, ConfigError> {
    Config::loader().text(FILE, text).load()
}

/// The lines of the error that a file is.
#[track_caller]
pub(crate) fn mistakes(text: &str) -> Vec<String> {
    lines(&load(text).unwrap_err())
}

pub(crate) fn lines(error: &ConfigError) -> Vec<String> {
    error.to_string().lines().map(str::to_owned).collect()
}

pub(crate) fn request(path: &str) -> Request<()> {
    let mut request = Request::get(path).body(()).unwrap();
    let peer: SocketAddr = "203.0.113.7:4000".parse().unwrap();
    request.extensions_mut().insert(PeerAddr(peer));
    request
}

/// The status and head of the answer to a request whose handler says 200.
pub(crate) async fn send(stack: &Stack, request: Request<()>) -> (u16, HeaderMap) {
    let service = stack.layer(tower::service_fn(async |_: Request<()>| {
        let body = Full::new(Bytes::from_static(br#"{"email":"a@example.com"}"#));
        let mut response = Response::new(body);
        let json = http::HeaderValue::from_static("application/json");
        response.headers_mut().insert("content-type", json);
        let cookie = http::HeaderValue::from_static("a=b");
        response.headers_mut().insert("set-cookie", cookie);
        Ok::<_, Infallible>(response)
    }));
    let response = service.oneshot(request).await.unwrap();
    (response.status().as_u16(), response.headers().clone())
}

/// The number of requests that pass, of so many.
pub(crate) async fn passed(stack: &Stack, requests: usize) -> usize {
    let mut passed = 0;
    for _ in 0..requests {
        passed += usize::from(send(stack, request("/")).await.0 == 200);
    }
    passed
}
