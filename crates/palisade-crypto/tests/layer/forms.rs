//! The names and forms of JSON that the layer reads.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use palisade_crypto::{FieldCipher, FieldCryptoLayer, Fields, Key, Keyring};
use tower::{Layer, ServiceExt, service_fn};

fn cipher() -> FieldCipher {
    FieldCipher::new(Keyring::single(Key::generate().unwrap()).unwrap())
}

fn emails(cipher: &FieldCipher) -> FieldCryptoLayer {
    FieldCryptoLayer::new(cipher.clone()).encrypt_response(Fields::paths(["email"]))
}

fn json(body: &str) -> Response<Full<Bytes>> {
    typed("application/json", body)
}

fn typed(content_type: &str, body: &str) -> Response<Full<Bytes>> {
    Response::builder()
        .header(header::CONTENT_TYPE, content_type)
        .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
        .unwrap()
}

/// The answer to a request when the service inside answers `response`.
async fn answer_to_get(
    layer: &FieldCryptoLayer,
    response: Response<Full<Bytes>>,
) -> Response<Bytes> {
    let inner = service_fn(move |_: Request<()>| {
        let response = response.clone();
        async move { Ok::<_, Infallible>(response) }
    });
    let response = layer.layer(inner).oneshot(Request::new(())).await.unwrap();
    let (head, body) = response.into_parts();
    Response::from_parts(head, body.collect().await.unwrap().to_bytes())
}

fn text(body: &Bytes) -> &str {
    std::str::from_utf8(body).unwrap()
}

#[tokio::test]
async fn json_by_any_of_its_names_is_sealed() {
    let cipher = cipher();
    for name in [
        "application/x-json",
        "text/x-json",
        "application/x-amz-json-1.1",
    ] {
        let body = r#"{"email":"a@b.c"}"#;
        let response = answer_to_get(&emails(&cipher), typed(name, body)).await;
        assert_eq!(response.status(), StatusCode::OK, "{name}");
        assert!(
            text(response.body()).starts_with(r#"{"email":"pl1."#),
            "{name}"
        );
    }
    for name in [
        "application/jsonlines",
        "application/x-jsonl",
        "text/x-ndjson",
    ] {
        let body = "{\"email\":1}\n\n{\"email\":2}\r\n";
        let response = answer_to_get(&emails(&cipher), typed(name, body)).await;
        let lines: Vec<&str> = text(response.body()).split('\n').collect();
        assert_eq!(lines.len(), 4, "{name}: {lines:?}");
        assert!(
            lines[0].starts_with(r#"{"email":"pl1."#) && lines[2].ends_with("\"}\r"),
            "{lines:?}"
        );
    }
}

#[tokio::test]
async fn every_document_of_a_sequence_is_sealed() {
    let cipher = cipher();
    let body = "\u{1e}{\n \"email\": 1 }\n\u{1e}{\"x\":[]}\n";
    let response = answer_to_get(&emails(&cipher), typed("application/json-seq", body)).await;
    let sealed = text(response.body());
    assert!(
        sealed.starts_with("\u{1e}{\n \"email\": \"pl1."),
        "{sealed}"
    );
    assert!(sealed.ends_with("\" }\n\u{1e}{\"x\":[]}\n"), "{sealed}");
    // Anything before the first separator is a document too, and must be one.
    let response = answer_to_get(&emails(&cipher), typed("application/json-seq", "x\u{1e}1")).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

/// The answer of a file server to a range that it does not have (RFC 9110, section 15.5.17).
#[tokio::test]
async fn a_range_that_cannot_be_satisfied_is_answered_as_the_service_did() {
    let cipher = cipher();
    let mut response = typed(
        "application/problem+json",
        r#"{"title":"x","email":"a@b.c"}"#,
    );
    *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
    response
        .headers_mut()
        .insert(header::CONTENT_RANGE, "bytes */42".parse().unwrap());
    let response = answer_to_get(&emails(&cipher), response).await;
    assert_eq!(response.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(response.headers()[header::CONTENT_RANGE], "bytes */42");
    assert!(text(response.body()).starts_with(r#"{"title":"x","email":"pl1."#));
    // A part is refused, whatever its status.
    let mut part = json(r#"{"email":"a@b.c"}"#);
    part.headers_mut()
        .insert(header::CONTENT_RANGE, "bytes 0-16/42".parse().unwrap());
    let response = answer_to_get(&emails(&cipher), part).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}
