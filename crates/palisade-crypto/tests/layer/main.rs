//! Bodies that the layer seals, and bodies that it refuses.

#![allow(missing_docs, reason = "tests")]

mod forms;
mod requests;
mod routes;

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, StreamBody};
use palisade_core::{EventKind, Principal, RequestScope, ResponseBody};
use palisade_crypto::{
    Binding, Context, FieldCipher, FieldCryptoLayer, Fields, Key, KeyId, Keyring,
};
use tower::{Layer, Service, ServiceExt, service_fn};

fn cipher() -> FieldCipher {
    FieldCipher::new(
        Keyring::builder()
            .primary(KeyId(1), Key::generate().unwrap())
            .build()
            .unwrap(),
    )
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

/// The answer to `request` when the service inside answers `response`.
async fn answer<B>(
    layer: &FieldCryptoLayer,
    request: Request<()>,
    response: Response<B>,
) -> Response<Bytes>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: std::fmt::Debug,
{
    let mut response = Some(response);
    let inner = service_fn(move |_: Request<()>| {
        let response = response.take().unwrap();
        async move { Ok::<_, Infallible>(response) }
    });
    let mut service = layer.layer(inner);
    let response = service.ready().await.unwrap().call(request).await.unwrap();
    let (head, body): (_, ResponseBody<B>) = response.into_parts();
    Response::from_parts(head, body.collect().await.unwrap().to_bytes())
}

async fn answer_to_get(
    layer: &FieldCryptoLayer,
    response: Response<Full<Bytes>>,
) -> Response<Bytes> {
    answer(layer, Request::new(()), response).await
}

fn text(body: &Bytes) -> &str {
    std::str::from_utf8(body).unwrap()
}

#[tokio::test]
async fn named_fields_leave_sealed_and_every_other_byte_stays() {
    let cipher = cipher();
    let body = r#"{ "id":1.50,  "email" : "a@b.c", "x": [true, null] }"#;
    let response = answer_to_get(&emails(&cipher), json(body)).await;
    let sealed = text(response.body());
    let start = r#"{ "id":1.50,  "email" : ""#;
    let end = r#"", "x": [true, null] }"#;
    let token = sealed
        .strip_prefix(start)
        .and_then(|rest| rest.strip_suffix(end))
        .unwrap();
    let place = Context::new("http").path("/email");
    assert_eq!(cipher.decrypt_str(token, &place).unwrap(), "a@b.c");
    assert_eq!(
        response.headers()[header::CONTENT_LENGTH],
        sealed.len().to_string()
    );
}

#[tokio::test]
async fn what_speaks_of_the_body_as_it_was_is_dropped() {
    let mut response = json(r#"{"email":1}"#);
    for name in [
        "etag",
        "digest",
        "content-digest",
        "repr-digest",
        "content-md5",
        "accept-ranges",
        "trailer",
    ] {
        response
            .headers_mut()
            .insert(name, "\"x\"".parse().unwrap());
    }
    response
        .headers_mut()
        .insert("content-length", "11".parse().unwrap());
    response
        .headers_mut()
        .insert("last-modified", "y".parse().unwrap());
    let answered = answer_to_get(&emails(&cipher()), response).await;
    let mut names: Vec<_> = answered
        .headers()
        .keys()
        .map(http::HeaderName::as_str)
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["content-length", "content-type", "last-modified"]);
    assert_ne!(answered.headers()["content-length"], "11");
}

#[tokio::test]
async fn what_cannot_be_rewritten_is_refused_and_never_passed_in_clear() {
    let cipher = cipher();
    let mut compressed = json(r#"{"email":"a@b.c"}"#);
    compressed
        .headers_mut()
        .insert("content-encoding", "br".parse().unwrap());
    let malformed = [
        r#"{"email":"a@b.c""#,
        r#"{"email":"a@b.c"} x"#,
        r#"{"email":"a@b.c",}"#,
        r#"{"email":"a@b.c","x":01}"#,
        "{\"email\":\"a@b.c\n\"}",
        "\u{feff}{\"email\":\"a@b.c\"}",
    ];
    let mut cases: Vec<(&str, Response<Full<Bytes>>)> = vec![("encoded_body", compressed)];
    cases.extend(malformed.map(|body| ("invalid_json", json(body))));
    cases.push((
        "body_over_limit",
        json(&format!(r#"{{"email":"a@b.c{}"}}"#, "x".repeat(100))),
    ));
    // The string of a document, asked for by its bytes, is JSON by itself.
    let mut part = json("\"a@b.c\"");
    *part.status_mut() = StatusCode::PARTIAL_CONTENT;
    cases.push(("unreadable_form", part));
    let mut part = json("\"a@b.c\"");
    part.headers_mut()
        .insert("content-range", "bytes 9-15/17".parse().unwrap());
    cases.push(("unreadable_form", part));
    let parts = "--x\r\ncontent-type: application/json\r\n\r\n\"a@b.c\"\r\n--x--";
    for form in ["multipart/byteranges; boundary=x", "application/json5"] {
        cases.push(("unreadable_form", typed(form, parts)));
    }
    let deep = format!("{}\"email a@b.c\"{}", "[".repeat(129), "]".repeat(129));
    let layer = emails(&cipher).limit(100);
    cases.push(("too_deep", json(&deep)));
    for (reason, response) in cases {
        let layer = if reason == "too_deep" {
            emails(&cipher)
        } else {
            layer.clone()
        };
        let mut request = Request::new(());
        let scope = RequestScope::enter(request.extensions_mut());
        let response = answer(&layer, request, response).await;
        assert_eq!(
            response.status(),
            StatusCode::INTERNAL_SERVER_ERROR,
            "{reason}"
        );
        assert!(!text(response.body()).contains("a@b.c"), "{reason}");
        let events = scope.close();
        assert_eq!(events.len(), 1, "{reason}");
        assert_eq!(events[0].kind(), EventKind::CryptoFailure);
        assert_eq!(events[0].reason_code(), Some(reason));
    }
}

#[tokio::test]
async fn a_body_that_fails_or_grows_over_the_limit_midway_is_refused() {
    let frames = |last: Result<&'static str, &'static str>| {
        let first = Ok(http_body::Frame::data(Bytes::from_static(
            br#"{"email":"a@"#,
        )));
        let last = last.map(|data| http_body::Frame::data(Bytes::from_static(data.as_bytes())));
        StreamBody::new(tokio_stream::iter([first, last]))
    };
    for (last, limit) in [(Err("reset"), 100), (Ok(r#"b.c"}"#), 16)] {
        let response = Response::builder()
            .header(header::CONTENT_TYPE, "application/json")
            .body(frames(last))
            .unwrap();
        let layer = emails(&cipher()).limit(limit);
        let response = answer(&layer, Request::new(()), response).await;
        assert_eq!(response.status(), 500);
        assert!(!text(response.body()).contains("a@"));
    }
    let response = Response::builder()
        .header(header::CONTENT_TYPE, "application/json")
        .body(frames(Ok(r#"b.c"}"#)))
        .unwrap();
    let layer = emails(&cipher()).limit(17);
    let response = answer(&layer, Request::new(()), response).await;
    assert_eq!(response.status(), 200);
    assert!(text(response.body()).starts_with(r#"{"email":"pl1."#));
}

#[tokio::test]
async fn other_content_types_pass_untouched() {
    for content_type in ["text/html", "application/octet-stream", "text/event-stream"] {
        let mut response = typed(content_type, r#"{"email":"a@b.c""#);
        response
            .headers_mut()
            .insert("etag", "\"x\"".parse().unwrap());
        response
            .headers_mut()
            .insert("content-encoding", "br".parse().unwrap());
        let response = answer_to_get(&emails(&cipher()), response).await;
        assert_eq!(text(response.body()), r#"{"email":"a@b.c""#);
        assert_eq!(response.headers()["etag"], "\"x\"");
    }
}

#[tokio::test]
async fn an_answer_without_content_passes_without_claims_about_the_clear_body() {
    let mut response = json("");
    response
        .headers_mut()
        .insert("content-length", "40".parse().unwrap());
    response
        .headers_mut()
        .insert("etag", "\"x\"".parse().unwrap());
    let request = Request::head("/").body(()).unwrap();
    let response = answer(&emails(&cipher()), request, response).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers().len(), 1, "{:?}", response.headers());
    assert!(response.body().is_empty());
}

#[tokio::test]
async fn every_line_of_newline_delimited_json_is_sealed() {
    let cipher = cipher();
    let body = "{\"email\":1}\n\n{\"email\":2}\r\n{\"email\":3}";
    let response = answer_to_get(&emails(&cipher), typed("application/x-ndjson", body)).await;
    let place = Context::new("http");
    let opened: Vec<_> = text(response.body())
        .split('\n')
        .map(|line| match line {
            "" => String::new(),
            line => {
                let fields = Fields::paths(["/email"]);
                let opened = cipher
                    .decrypt_json(line.as_bytes(), &fields, &place)
                    .unwrap();
                String::from_utf8(opened.into_owned()).unwrap()
            }
        })
        .collect();
    assert_eq!(
        opened,
        ["{\"email\":1}", "", "{\"email\":2}\r", "{\"email\":3}"]
    );
    let broken = answer_to_get(
        &emails(&cipher),
        typed("application/jsonl", "{}\n{\"email\":"),
    )
    .await;
    assert_eq!(broken.status(), 500);
}

#[tokio::test]
async fn only_the_chosen_paths_and_requests_are_sealed() {
    let cipher = cipher();
    let layer = emails(&cipher)
        .paths(["/partner/*"])
        .only_when(|head| head.headers.contains_key("x-partner"));
    for (path, partner, sealed) in [
        ("/partner/bookings", true, true),
        ("/partner/bookings", false, false),
        ("/api/bookings", true, false),
    ] {
        let mut request = Request::get(path).body(()).unwrap();
        if partner {
            request
                .headers_mut()
                .insert("x-partner", "1".parse().unwrap());
        }
        let response = answer(&layer, request, json(r#"{"email":"a@b.c"}"#)).await;
        assert_eq!(
            !text(response.body()).contains("a@b.c"),
            sealed,
            "{path} {partner}"
        );
    }
}

#[tokio::test]
async fn the_tenant_is_the_principals() {
    let cipher = cipher();
    let layer = emails(&cipher).record_type("users");
    let mut request = Request::new(());
    RequestScope::enter(request.extensions_mut())
        .push_principal(Principal::user("iss", "ann").tenant("t1").into());
    let response = answer(&layer, request, json(r#"{"email":"a@b.c"}"#)).await;
    let fields = Fields::paths(["/email"]);
    let place = Context::new("users");
    assert!(
        cipher
            .decrypt_json(response.body(), &fields, &place)
            .is_err()
    );
    let opened = cipher.decrypt_json(response.body(), &fields, &place.tenant("t1"));
    assert_eq!(*opened.unwrap(), *br#"{"email":"a@b.c"}"#);
}

#[tokio::test]
async fn a_closure_binds_to_what_the_request_says() {
    let cipher = cipher();
    let layer = emails(&cipher).binding(|head| {
        Binding::new("users")
            .tenant("t9")
            .record_id(head.uri.path())
    });
    let request = Request::get("/42").body(()).unwrap();
    let response = answer(&layer, request, json(r#"{"email":"a@b.c"}"#)).await;
    let place = Context::new("users").tenant("t9").record_id("/42");
    let opened = cipher.decrypt_json(response.body(), &Fields::paths(["email"]), &place);
    assert_eq!(*opened.unwrap(), *br#"{"email":"a@b.c"}"#);
}

#[tokio::test]
async fn a_client_opens_what_a_server_sealed() {
    let cipher = cipher();
    let body = r#"{"email":"a@b.c"}"#;
    let sealed = answer_to_get(&emails(&cipher), json(body)).await;
    let client = FieldCryptoLayer::new(cipher).decrypt_response(Fields::paths(["email"]));
    let opened = answer_to_get(&client, json(text(sealed.body()))).await;
    assert_eq!(text(opened.body()), body);
    let refused = answer_to_get(&client, json(body)).await;
    assert_eq!(
        refused.status(),
        500,
        "a field that should be sealed and is not"
    );
}

#[tokio::test]
async fn off_and_a_layer_without_a_task_pass_everything() {
    for layer in [
        FieldCryptoLayer::off(),
        FieldCryptoLayer::off().encrypt_response(Fields::paths(["email"])),
        FieldCryptoLayer::new(cipher()).leak(),
    ] {
        let response = answer_to_get(&layer, json(r#"{"email":"a@b.c""#)).await;
        assert_eq!(text(response.body()), r#"{"email":"a@b.c""#);
    }
}

#[tokio::test]
async fn one_keyring_serves_the_layer_and_its_clones_after_a_swap() {
    let cipher = cipher();
    let layer = emails(&cipher).leak();
    let clone = layer.clone();
    cipher.swap_keyring(
        Keyring::builder()
            .primary(KeyId(2), Key::generate().unwrap())
            .build()
            .unwrap(),
    );
    let response = answer_to_get(&clone, json(r#"{"email":"a@b.c"}"#)).await;
    let sealed = text(response.body())
        .trim_start_matches(r#"{"email":""#)
        .trim_end_matches("\"}");
    assert_eq!(
        palisade_crypto::format::inspect(sealed).unwrap().1,
        KeyId(2)
    );
}
