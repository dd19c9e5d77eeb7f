//! Headers and generators of the user's own, and what goes on to other services.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response};
use http_body_util::Empty;
use palisade_core::{RequestId, RequestScope};
use palisade_headers::{PropagateRequestIdLayer, RequestIdLayer};
use tower::{Layer, ServiceExt, service_fn};

const OWN: HeaderName = HeaderName::from_static("x-amzn-trace-id");
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// The headers of a served request as its handler sees them, of its response, and of a call to another service.
struct Seen {
    request: HeaderMap,
    response: HeaderMap,
    call: HeaderMap,
}

async fn serve(
    server: &RequestIdLayer,
    client: &PropagateRequestIdLayer,
    headers: &[(&'static str, &str)],
) -> Seen {
    let client = client.layer(service_fn(|call: Request<()>| async move {
        Ok::<_, Infallible>(call.headers().clone())
    }));
    let handler = service_fn(|request: Request<()>| {
        let client = client.clone();
        async move {
            let mut call = Request::new(());
            let scope = RequestScope::current(request.extensions()).unwrap();
            call.extensions_mut().insert(scope.outbound());
            let call = client.oneshot(call).await.unwrap();
            let mut response = Response::new(Empty::<Bytes>::new());
            response
                .extensions_mut()
                .insert((request.headers().clone(), call));
            Ok::<_, Infallible>(response)
        }
    });
    let mut request = Request::builder();
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(()).unwrap();
    let response = server.layer(handler).oneshot(request).await.unwrap();
    let (mut head, _) = response.into_parts();
    let (request, call) = head.extensions.remove().unwrap();
    Seen {
        request,
        response: head.headers,
        call,
    }
}

#[tokio::test]
async fn the_header_of_the_users_own_carries_the_id_everywhere() {
    let server = RequestIdLayer::new().header(OWN).write_to_request();
    let client = PropagateRequestIdLayer::new().header(OWN);
    let sent = [("x-amzn-trace-id", "chosen"), ("x-request-id", "chosen")];

    let seen = serve(&server, &client, &sent).await;
    let id = &seen.response[OWN];
    assert_eq!(id.len(), 36);
    assert_eq!(seen.request[OWN], id);
    assert_eq!(seen.call[OWN], id);
    for headers in [&seen.request, &seen.response, &seen.call] {
        assert!(!headers.contains_key("x-request-id"), "{headers:?}");
    }

    let seen = serve(&server.trust_callers(), &client, &sent).await;
    assert_eq!(seen.response[OWN], "chosen");
    assert_eq!(seen.call[OWN], "chosen");
}

#[tokio::test]
async fn a_trusted_id_is_read_from_the_header_of_the_users_own_alone() {
    let server = RequestIdLayer::new().header(OWN).trust_callers();
    let client = PropagateRequestIdLayer::new();
    let seen = serve(&server, &client, &[("x-request-id", "other")]).await;
    assert_ne!(seen.response[OWN], "other");
    assert_eq!(seen.request["x-request-id"], "other");
    let seen = serve(&server, &client, &[("x-request-id", "no id")]).await;
    assert!(!seen.request.contains_key("x-request-id"));
    let seen = serve(&server, &client, &[("x-correlation-id", "related")]).await;
    assert_eq!(seen.response[OWN], "related");
}

#[tokio::test]
async fn ids_come_from_the_users_own_generator() {
    let client = PropagateRequestIdLayer::new();
    let server = RequestIdLayer::new().generator(|| RequestId::new("own-1").ok());
    let seen = serve(&server, &client, &[]).await;
    assert_eq!(seen.response["x-request-id"], "own-1");
    assert_eq!(seen.call["x-request-id"], "own-1");

    let silent = RequestIdLayer::new().generator(|| None);
    let seen = serve(&silent, &client, &[]).await;
    assert_eq!(seen.response["x-request-id"].len(), 36);

    let seen = serve(
        &server.trust_callers(),
        &client,
        &[("x-request-id", "sent")],
    )
    .await;
    assert_eq!(seen.response["x-request-id"], "sent");
}

#[tokio::test]
async fn the_state_of_a_trace_goes_on_with_the_outbound_scope() {
    let client = PropagateRequestIdLayer::new();
    let server = RequestIdLayer::new().trust_callers();
    let sent = [
        ("traceparent", PARENT),
        ("tracestate", "a=1"),
        ("tracestate", "b=2"),
    ];
    let seen = serve(&server, &client, &sent).await;
    assert_eq!(seen.call["traceparent"], PARENT);
    assert_eq!(seen.call["tracestate"], "a=1,b=2");

    for without in [
        &[("tracestate", "a=1")][..],
        &[("traceparent", "00-0-0-0"), ("tracestate", "a=1")],
        &[("traceparent", PARENT), ("tracestate", "no list")],
    ] {
        let seen = serve(&server, &client, without).await;
        assert!(!seen.call.contains_key("tracestate"), "{without:?}");
    }
    let seen = serve(&RequestIdLayer::new(), &client, &sent).await;
    assert!(!seen.call.contains_key("tracestate"));
    assert!(!seen.call.contains_key("traceparent"));
}

#[tokio::test]
async fn b3_alone_stays_in_the_request_and_goes_no_further() {
    let client = PropagateRequestIdLayer::new();
    let server = RequestIdLayer::new().trust_callers();
    let sent = [
        ("b3", "1-2-1"),
        ("baggage", "user=7"),
        ("x-b3-traceid", "1"),
    ];
    let seen = serve(&server, &client, &sent).await;
    for (name, value) in sent {
        assert_eq!(seen.request[name], value);
        assert!(!seen.call.contains_key(name), "{name}");
    }
    assert!(!seen.call.contains_key("traceparent"));
}
