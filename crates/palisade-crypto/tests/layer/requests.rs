//! Requests that arrive sealed, and clients that seal theirs.

use std::sync::{Arc, Mutex};

use super::*;

type Recorded = Arc<Mutex<Vec<Request<Bytes>>>>;

/// The answer of a layer that works on requests, and what the service inside got.
async fn sent<B, M>(
    layer: &FieldCryptoLayer<M>,
    request: Request<B>,
) -> (Response<Bytes>, Vec<Request<Bytes>>)
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: std::fmt::Debug,
    FieldCryptoLayer<M>: Layer<
            Recorder,
            Service: Service<
                Request<B>,
                Response = Response<ResponseBody<Full<Bytes>>>,
                Error = Infallible,
            >,
        >,
{
    let seen = Recorded::default();
    let service = layer.layer(Recorder(Arc::clone(&seen)));
    let response = service.oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    (Response::from_parts(head, body), seen)
}

#[derive(Clone)]
struct Recorder(Recorded);

impl Service<Request<axum::body::Body>> for Recorder {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>>>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<axum::body::Body>) -> Self::Future {
        let seen = Arc::clone(&self.0);
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            seen.lock().unwrap().push(Request::from_parts(head, body));
            Ok(super::json(r#"{"email":"answer"}"#))
        })
    }
}

fn post(content_type: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post("/users")
        .header(header::CONTENT_TYPE, content_type)
        .header("content-digest", "x")
        .header("content-length", "1")
        .body(Full::new(body.into()))
        .unwrap()
}

#[tokio::test]
async fn named_fields_arrive_opened_and_answers_leave_sealed() {
    let cipher = cipher();
    let fields = Fields::paths(["email"]);
    let layer = emails(&cipher)
        .decrypt_request(fields.clone())
        .request_body(axum::body::Body::new);
    let body = br#"{ "email": "a@b.c" }"#;
    let sealed = cipher
        .encrypt_json(body, &fields, &Context::new("http"))
        .unwrap();
    let (response, seen) = sent(&layer, post("application/json", sealed.into_owned())).await;
    assert_eq!(seen[0].body(), body.as_slice());
    assert_eq!(seen[0].headers()["content-length"], "20");
    assert!(!seen[0].headers().contains_key("content-digest"));
    assert!(text(response.body()).starts_with(r#"{"email":"pl1."#));
}

#[tokio::test]
async fn a_request_that_cannot_be_opened_never_arrives() {
    let cipher = cipher();
    let layer = FieldCryptoLayer::new(cipher.clone())
        .decrypt_request(Fields::paths(["email"]))
        .request_body(axum::body::Body::new)
        .limit(100);
    let mut encoded = post("application/json", "{}");
    encoded
        .headers_mut()
        .insert("content-encoding", "gzip".parse().unwrap());
    for (request, status) in [
        (post("application/json", r#"{"email":"a@b.c"}"#), 400),
        (post("application/json", r#"{"email":"pl1.AAAA"}"#), 400),
        (post("application/json", r#"{"email":"#), 400),
        (post("application/json", "[".repeat(200)), 413),
        (encoded, 400),
    ] {
        let (response, seen) = sent(&layer, request).await;
        assert_eq!(response.status(), status);
        assert!(seen.is_empty());
        assert!(!text(response.body()).contains("a@b.c"));
    }
}

#[tokio::test]
async fn other_requests_arrive_as_they_are() {
    let layer = FieldCryptoLayer::new(cipher())
        .decrypt_request(Fields::paths(["email"]))
        .request_body(axum::body::Body::new)
        .paths(["/users"]);
    let elsewhere = {
        let mut request = post("application/json", "{{{");
        *request.uri_mut() = "/elsewhere".parse().unwrap();
        request
    };
    for request in [
        post("text/plain", "{{{"),
        elsewhere,
        post("application/json", ""),
    ] {
        let body = request.body().clone().collect().await.unwrap().to_bytes();
        let (_, seen) = sent(&layer, request).await;
        assert_eq!(seen[0].body(), &body);
        assert_eq!(seen[0].headers()["content-digest"], "x");
    }
}

#[tokio::test]
async fn a_client_seals_what_a_server_opens() {
    let cipher = cipher();
    let fields = Fields::paths(["email"]);
    let client = FieldCryptoLayer::new(cipher.clone())
        .encrypt_request(fields.clone())
        .request_body(axum::body::Body::new);
    let body = r#"{"email":"a@b.c"}"#;
    let (_, seen) = sent(&client, post("application/json", body)).await;
    assert!(!text(seen[0].body()).contains("a@b.c"));
    let opened = cipher.decrypt_json(seen[0].body(), &fields, &Context::new("http"));
    assert_eq!(*opened.unwrap(), *body.as_bytes());
}
