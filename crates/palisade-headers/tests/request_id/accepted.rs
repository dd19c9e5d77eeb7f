//! The id of a request, and the places that show it.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::Empty;
use palisade_core::time::{UnixTime, WallClock};
use palisade_core::{ClientIp, PeerAddr, RequestId, RequestScope};
use palisade_headers::request_id::TraceState;
use palisade_headers::{IdFormat, PropagateRequestIdLayer, RequestIdLayer};
use tower::{Layer, ServiceExt, service_fn};

/// The ids that the handler and the caller see.
struct Seen {
    scope: RequestScope,
    request: HeaderMap,
    response: HeaderMap,
}

impl Seen {
    fn id(&self) -> String {
        let id = self.response["x-request-id"].to_str().unwrap().to_owned();
        assert_eq!(
            self.scope.request_id().unwrap().as_str(),
            id,
            "scope and response agree"
        );
        id
    }
}

async fn serve(layer: RequestIdLayer, request: Request<()>) -> Seen {
    let handler = service_fn(|request: Request<()>| async move {
        let scope = RequestScope::current(request.extensions()).unwrap().clone();
        let mut response = Response::new(Empty::<Bytes>::new());
        let seen = (scope, request.headers().clone());
        response.extensions_mut().insert(seen);
        response
            .headers_mut()
            .insert("x-request-id", "of-an-upstream".parse().unwrap());
        Ok::<_, Infallible>(response)
    });
    let response = layer.layer(handler).oneshot(request).await.unwrap();
    let (mut head, _) = response.into_parts();
    let (scope, request) = head.extensions.remove().unwrap();
    Seen {
        scope,
        request,
        response: head.headers,
    }
}

fn sent(headers: &[(&str, &[u8])]) -> Request<()> {
    let mut request = Request::builder();
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

const TRACE: &[u8] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Every field by which a client can claim an id or a place in a trace.
const CLAIMS: [(&str, &[u8]); 11] = [
    ("x-request-id", b"chosen"),
    ("x-correlation-id", b"chosen"),
    ("traceparent", TRACE),
    ("tracestate", b"vendor=1"),
    ("baggage", b"user=alice"),
    ("b3", b"0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1"),
    ("x-b3-traceid", b"0af7651916cd43dd8448eb211c80319c"),
    ("x-b3-spanid", b"b7ad6b7169203331"),
    ("x-b3-parentspanid", b"b7ad6b7169203332"),
    ("x-b3-sampled", b"1"),
    ("x-b3-flags", b"1"),
];

#[tokio::test]
async fn every_claim_from_outside_is_thrown_away_by_itself() {
    for claim in CLAIMS {
        let seen = serve(RequestIdLayer::new(), sent(&[("accept", b"*/*"), claim])).await;
        let left: Vec<_> = seen.request.keys().collect();
        assert_eq!(left, ["accept"], "{}", claim.0);
    }
}

#[tokio::test]
async fn an_id_from_outside_is_thrown_away() {
    let seen = serve(RequestIdLayer::new(), sent(&CLAIMS)).await;
    assert_ne!(seen.id(), "chosen");
    assert_eq!(seen.scope.trace_parent(), None);
    assert!(seen.request.is_empty(), "nothing of it reaches the handler");
}

#[tokio::test]
async fn a_trusted_id_is_kept_from_either_header() {
    let layer = RequestIdLayer::new().trust_callers();
    let both = sent(&[
        ("x-correlation-id", b"second"),
        ("x-request-id", b"first"),
        ("traceparent", TRACE),
    ]);
    let seen = serve(layer.clone(), both).await;
    assert_eq!(seen.id(), "first");
    assert_eq!(
        seen.scope.trace_parent().unwrap().to_string().as_bytes(),
        TRACE
    );
    assert_eq!(
        serve(layer.clone(), sent(&[("x-correlation-id", b"second")]))
            .await
            .id(),
        "second"
    );
    let longest = "x".repeat(128);
    assert_eq!(
        serve(layer, sent(&[("x-request-id", longest.as_bytes())]))
            .await
            .id(),
        longest
    );
}

#[tokio::test]
async fn what_cannot_be_an_id_is_replaced_even_when_trusted() {
    let layer = RequestIdLayer::new().trust_callers();
    let long = "x".repeat(129);
    for bad in [
        &b""[..],
        b"a b",
        b"a\tb",
        b"a\"b",
        b"a;b",
        b"\xff\xfe",
        b"<script>",
        b"../../etc",
        long.as_bytes(),
    ] {
        let request = sent(&[("x-request-id", bad), ("x-correlation-id", bad)]);
        let seen = serve(layer.clone(), request).await;
        assert_eq!(seen.id().len(), 36, "{bad:?}");
        assert!(seen.request.is_empty(), "{bad:?} reaches the handler");
    }
    let twice = sent(&[("x-request-id", b"one"), ("x-request-id", b"two")]);
    let seen = serve(layer, twice).await;
    assert_eq!(seen.id().len(), 36);
    assert!(seen.request.is_empty());
}

#[tokio::test]
async fn a_trusted_request_keeps_no_other_id_than_its_own() {
    let layer = RequestIdLayer::new().trust_callers();
    let seen = serve(
        layer.clone(),
        sent(&[("x-request-id", b"a b"), ("x-correlation-id", b"second")]),
    )
    .await;
    assert_eq!(seen.id(), "second");
    assert!(!seen.request.contains_key("x-request-id"));
    assert_eq!(seen.request["x-correlation-id"], "second");

    let mut request = sent(&[("x-request-id", b"sent")]);
    RequestScope::enter(request.extensions_mut()).set_request_id(RequestId::new("outer").unwrap());
    let seen = serve(layer, request).await;
    assert_eq!(seen.id(), "outer");
    assert!(seen.request.is_empty());
}

// W3C Trace Context, sections 3.2 and 3.3: a state goes with its trace or not at all.
#[tokio::test]
async fn nothing_outlives_a_trace_that_is_not_valid() {
    let layer = RequestIdLayer::new().trust_callers();
    let zero = &b"00-00000000000000000000000000000000-00f067aa0ba902b7-01"[..];
    for bad in [&b""[..], b"00-4bf9-01", zero] {
        let request = sent(&[
            ("traceparent", bad),
            ("tracestate", b"vendor=1"),
            ("baggage", b"user=alice"),
            ("b3", b"1"),
            ("x-b3-sampled", b"1"),
        ]);
        let seen = serve(layer.clone(), request).await;
        assert_eq!(seen.scope.trace_parent(), None);
        assert!(seen.request.is_empty(), "{:?}", seen.request);
    }
    let twice = sent(&[("traceparent", TRACE), ("traceparent", TRACE)]);
    assert!(serve(layer.clone(), twice).await.request.is_empty());

    let alone = sent(&[("tracestate", b"vendor=1"), ("b3", b"1")]);
    let seen = serve(layer.clone(), alone).await;
    assert_eq!(seen.request.len(), 1, "{:?}", seen.request);
    assert_eq!(seen.request["b3"], "1", "a format of its own");

    let valid = sent(&[
        ("traceparent", TRACE),
        ("tracestate", b"vendor=1"),
        ("baggage", b"user=alice"),
    ]);
    assert_eq!(serve(layer, valid).await.request.len(), 3);
}

#[tokio::test]
async fn only_a_trusted_proxy_is_believed() {
    let layer = RequestIdLayer::new().trust_proxies(ClientIp::trusting(["10.0.0.0/8"]).unwrap());
    for (peer, kept) in [("10.1.2.3:1", true), ("198.51.100.9:1", false)] {
        let mut request = sent(&[("x-request-id", b"of-the-proxy")]);
        request
            .extensions_mut()
            .insert(PeerAddr(peer.parse().unwrap()));
        let id = serve(layer.clone(), request).await.id();
        assert_eq!(id == "of-the-proxy", kept, "{peer}");
    }
    let unknown = serve(layer, sent(&[("x-request-id", b"of-the-proxy")])).await;
    assert_ne!(
        unknown.id(),
        "of-the-proxy",
        "a peer that is not known is not trusted"
    );
}

#[tokio::test]
async fn an_id_that_is_set_already_stays() {
    let mut request = sent(&[("x-request-id", b"sent")]);
    RequestScope::enter(request.extensions_mut()).set_request_id(RequestId::new("outer").unwrap());
    assert_eq!(
        serve(RequestIdLayer::new().trust_callers(), request)
            .await
            .id(),
        "outer"
    );
}

#[tokio::test]
async fn the_format_and_the_clock_can_be_chosen() {
    let random = serve(RequestIdLayer::new().format(IdFormat::Random), sent(&[]))
        .await
        .id();
    assert_eq!(random.len(), 32);
    // 2026-11-20T16:00:00Z is 1795190400 s by `date -d`, and 1795190400000 is 0x01a1f9afa400.
    let clock = WallClock::from_fn(|| UnixTime::from_secs(1_795_190_400));
    let id = serve(RequestIdLayer::new().clock(clock), sent(&[]))
        .await
        .id();
    assert_eq!(&id[..15], "01a1f9af-a400-7");
}

#[tokio::test]
async fn the_request_carries_its_own_id_where_told_so() {
    for layer in [
        RequestIdLayer::new().write_to_request(),
        RequestIdLayer::new().write_to_request().trust_callers(),
    ] {
        for headers in [
            &[][..],
            &[("x-request-id", &b"a b"[..])],
            &[("x-request-id", b"sent")],
        ] {
            let seen = serve(layer.clone(), sent(headers)).await;
            assert_eq!(seen.request["x-request-id"], seen.id().as_str());
            assert_eq!(seen.request.len(), 1);
        }
    }
    let seen = serve(RequestIdLayer::new(), sent(&[])).await;
    assert!(seen.request.is_empty(), "not by default");
}

#[tokio::test]
async fn off_passes_everything_as_it_is() {
    let handler = service_fn(|request: Request<()>| async move {
        assert!(RequestScope::current(request.extensions()).is_none());
        assert_eq!(request.headers()["x-request-id"], "sent");
        Ok::<_, Infallible>(Response::new(http_body_util::Empty::<bytes::Bytes>::new()))
    });
    let service = RequestIdLayer::off().trust_callers().leak().layer(handler);
    let response = service
        .oneshot(sent(&[("x-request-id", b"sent")]))
        .await
        .unwrap();
    assert!(response.headers().is_empty());
}

/// The headers of an outgoing call that begins with these, made inside a request with id and trace.
async fn call(layer: PropagateRequestIdLayer, headers: &[(&str, &[u8])]) -> HeaderMap {
    let served = serve(
        RequestIdLayer::new().trust_callers(),
        sent(&[("x-request-id", b"id-1"), ("traceparent", TRACE)]),
    )
    .await;
    let upstream = service_fn(|request: Request<()>| async move {
        Ok::<_, Infallible>(Response::new(request.headers().clone()))
    });
    let mut request = sent(headers);
    request.extensions_mut().insert(served.scope.outbound());
    layer
        .layer(upstream)
        .oneshot(request)
        .await
        .unwrap()
        .into_body()
}

#[tokio::test]
async fn a_call_to_another_service_carries_id_and_trace() {
    let headers = call(PropagateRequestIdLayer::new(), &[]).await;
    assert_eq!(headers["x-request-id"], "id-1");
    assert_eq!(headers["traceparent"].as_bytes(), TRACE);
}

#[tokio::test]
async fn a_forwarded_id_is_replaced_and_a_tracers_own_trace_stays() {
    let own = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    let headers = call(
        PropagateRequestIdLayer::new(),
        &[("x-request-id", b"forged"), ("traceparent", own)],
    )
    .await;
    assert_eq!(headers["x-request-id"], "id-1");
    assert_eq!(headers["traceparent"].as_bytes(), own);
}

#[tokio::test]
async fn the_state_of_a_trace_goes_on_beside_it_and_never_without() {
    let upstream = service_fn(|request: Request<()>| async move {
        Ok::<_, Infallible>(Response::new(request.headers().clone()))
    });
    let client = PropagateRequestIdLayer::new().layer(upstream);
    let layer = RequestIdLayer::new().trust_callers();
    for (traced, given) in [(true, true), (true, false), (false, true)] {
        let mut fields = vec![("tracestate", &b"vendor=1"[..]), ("tracestate", b"b=2")];
        fields.extend(traced.then_some(("traceparent", TRACE)));
        let served = serve(layer.clone(), sent(&fields)).await;
        let state = TraceState::of(&served.request);
        assert_eq!(state.is_some(), traced);
        // What a forwarded request carries of another trace.
        let mut call = sent(&[("tracestate", b"forged=1")]);
        call.extensions_mut().insert(served.scope.outbound());
        if let Some(state) = state.filter(|_| given) {
            call.extensions_mut().insert(state);
        }
        let headers = client.clone().oneshot(call).await.unwrap().into_body();
        let states: Vec<_> = headers.get_all("tracestate").iter().collect();
        match traced {
            true => assert_eq!(states, ["vendor=1,b=2"]),
            false => assert!(states.is_empty(), "{states:?}"),
        }
    }
    let own = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    let headers = call(
        PropagateRequestIdLayer::new(),
        &[("traceparent", own), ("tracestate", b"own=1")],
    )
    .await;
    assert_eq!(headers["tracestate"], "own=1");
}

#[tokio::test]
async fn a_call_outside_any_request_is_left_alone() {
    let upstream = service_fn(|request: Request<()>| async move {
        Ok::<_, Infallible>(Response::new(request.headers().clone()))
    });
    let request = sent(&[("x-request-id", b"own")]);
    let headers = PropagateRequestIdLayer::new()
        .layer(upstream)
        .oneshot(request)
        .await
        .unwrap()
        .into_body();
    assert_eq!(headers["x-request-id"], "own");
    let off = PropagateRequestIdLayer::off();
    assert!(call(off.clone(), &[]).await.is_empty());
    assert!(call(off.leak(), &[]).await.is_empty());
}
