//! Decisions that the layer makes once; its record outlives whatever becomes of the request.

#![allow(missing_docs, reason = "tests")]

use std::convert::Infallible;
use std::future::{Future, pending};
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::Empty;
use palisade_core::{
    ClientIp, Code, EventKind, PeerAddr, Principal, Rejection, RejectionContext, RequestScope,
    ResponseBody, ScopeLayer, SecurityEvent,
};
use tower::{Layer, ServiceExt, service_fn};

type Answer = Response<Empty<Bytes>>;

fn from_balancer(forwarded_for: &'static str) -> Request<()> {
    let mut request = Request::new(());
    request
        .headers_mut()
        .insert("x-forwarded-for", forwarded_for.parse().unwrap());
    request
        .extensions_mut()
        .insert(PeerAddr("10.0.0.1:80".parse().unwrap()));
    request
}

#[tokio::test]
async fn the_client_is_decided_once_for_all_layers_inside() {
    let inner = service_fn(async |request: Request<()>| {
        // A layer inside, with a setting of its own that would see the balancer.
        let client = ClientIp::peer().of(request.extensions(), request.headers());
        assert_eq!(client.unwrap().to_string(), "203.0.113.7");
        // Nor can anything inside change it afterwards.
        let scope = RequestScope::current(request.extensions()).unwrap();
        scope.set_client(
            ClientIp::peer()
                .resolve("6.6.6.6".parse().ok(), &HeaderMap::new())
                .unwrap(),
        );
        assert_eq!(scope.client().unwrap().to_string(), "203.0.113.7");
        Ok::<_, Infallible>(Answer::default())
    });
    let layer = ScopeLayer::new(ClientIp::trusting(["10.0.0.0/8"]).unwrap());
    layer
        .layer(inner)
        .oneshot(from_balancer("6.6.6.6, 203.0.113.7"))
        .await
        .unwrap();
}

#[tokio::test]
async fn without_a_scope_a_layers_own_setting_decides() {
    let request = from_balancer("203.0.113.7");
    let own = ClientIp::trusting_hops(std::num::NonZeroU8::MIN);
    let client = own.of(request.extensions(), request.headers());
    assert_eq!(client.unwrap().to_string(), "203.0.113.7");
}

/// A handler that notes who called and what happened, and then does not come back in any ordinary way.
async fn misbehave(
    request: Request<()>,
    end: impl Future<Output = ()>,
) -> Result<Answer, Infallible> {
    let scope = RequestScope::current(request.extensions()).unwrap();
    scope.push_principal(Principal::user("iss", "alice").into());
    scope.record(SecurityEvent::new(EventKind::DataAccess));
    end.await;
    Ok(Answer::default())
}

fn request_and_scope() -> (Request<()>, RequestScope) {
    let mut request = Request::new(());
    let scope = RequestScope::enter(request.extensions_mut());
    (request, scope)
}

#[track_caller]
fn is_whole(scope: &RequestScope) {
    assert_eq!(scope.principal().unwrap().subject(), "alice");
    assert_eq!(scope.close().len(), 1);
}

#[tokio::test]
async fn the_record_stays_whole_when_the_client_hangs_up() {
    let (request, scope) = request_and_scope();
    let service = ScopeLayer::default().layer(service_fn(|request| misbehave(request, pending())));
    {
        let mut call = pin!(service.oneshot(request));
        assert!(
            call.as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
    }
    is_whole(&scope);
}

#[tokio::test(start_paused = true)]
async fn the_record_stays_whole_when_a_timeout_replaces_the_response() {
    let (request, scope) = request_and_scope();
    let service = ScopeLayer::default().layer(service_fn(|request| misbehave(request, pending())));
    let timed_out = tokio::time::timeout(Duration::from_secs(1), service.oneshot(request)).await;
    assert!(timed_out.is_err());
    is_whole(&scope);
}

#[tokio::test]
async fn the_record_stays_whole_when_the_handler_panics() {
    let (request, scope) = request_and_scope();
    let service = ScopeLayer::default().layer(service_fn(|request| {
        misbehave(request, async { panic!("on purpose") })
    }));
    let panicked = tokio::spawn(service.oneshot(request)).await;
    assert!(panicked.unwrap_err().is_panic());
    is_whole(&scope);
}

#[tokio::test]
async fn a_clone_of_the_request_shares_the_scope_and_an_outbound_call_does_not() {
    let (request, scope) = request_and_scope();
    scope.push_principal(Principal::user("iss", "alice").into());
    let mut forwarded = Request::new(());
    *forwarded.extensions_mut() = request.extensions().clone();
    let found = RequestScope::current(forwarded.extensions()).unwrap();
    assert!(found.principal().is_some());
    assert!(found.outbound().principal().is_none());
}

/// The words of a body may not depend on why a credential was refused, which is for the event.
#[test]
fn a_body_does_not_say_what_the_event_says() {
    let (request, scope) = request_and_scope();
    scope.record(
        SecurityEvent::new(EventKind::LoginFailure)
            .reason("token_expired")
            .subject("alice"),
    );
    let response: Response<ResponseBody<Empty<Bytes>>> =
        Rejection::new(Code::Authentication).into_response(&RejectionContext::of(&request));
    let shown = format!("{:?}", response.headers());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let Ok(body) = runtime.block_on(http_body_util::BodyExt::collect(response.into_body()));
    let body = String::from_utf8(body.to_bytes().to_vec()).unwrap();
    for secret in ["token_expired", "alice", "authn"] {
        assert!(
            !body.contains(secret) && !shown.contains(secret),
            "{body} {shown}"
        );
    }
}
