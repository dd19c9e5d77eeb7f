//! Paths and their contexts.

use palisade_core::SentUri;
use palisade_core::filter::FilterLayer;

use super::*;

fn handler() -> impl Service<
    Request<()>,
    Response = Response<Full<Bytes>>,
    Error = Infallible,
    Future = impl Future<Output = Result<Response<Full<Bytes>>, Infallible>>,
> + Clone {
    service_fn(async |_: Request<()>| {
        let body = Full::from(Bytes::from_static(br#"{"email":"a@b.c"}"#));
        let json = Response::builder().header("content-type", "application/json");
        Ok(json.body(body).unwrap())
    })
}

fn exports() -> FieldCryptoLayer {
    FieldCryptoLayer::new(cipher())
        .encrypt_response(Fields::paths(["email"]))
        .paths(["/partner/export"])
}

/// Whether the answer to a request for this path, of which a router has stripped a part, is sealed.
async fn is_sealed<S, B>(service: S, sent: &str, stripped: &str) -> bool
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body<Data = Bytes, Error = Infallible>,
{
    let mut request = Request::get(stripped).body(()).unwrap();
    request
        .extensions_mut()
        .insert(SentUri(sent.parse().unwrap()));
    let response = service.oneshot(request).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    !text(&body).contains("a@b.c")
}

#[tokio::test]
async fn a_path_is_the_one_that_the_client_sent() {
    let service = exports().layer(handler());
    assert!(is_sealed(service.clone(), "/partner/export", "/export").await);
    assert!(!is_sealed(service, "/public/partner/export", "/partner/export").await);
}

#[tokio::test]
async fn a_filter_can_say_by_request_what_is_sealed() {
    let inner = FieldCryptoLayer::by_request().layer(handler());
    let on = FilterLayer::new(exports()).layer(inner.clone());
    assert!(is_sealed(on.clone(), "/partner/export", "/").await);
    assert!(!is_sealed(on, "/other", "/").await);
    let off = FilterLayer::new(FieldCryptoLayer::off()).layer(inner);
    assert!(!is_sealed(off, "/partner/export", "/").await);
}
