//! What a refused caller gets instead of an error.

mod common;

use std::convert::Infallible;

use bytes::Bytes;
use common::{Scripted, fail};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use palisade_breaker::{BreakerLayer, GuardedBody, Reason, Rejected};
use tower::{Layer, Service, ServiceExt, service_fn};

#[tokio::test(start_paused = true)]
async fn a_closure_answers_and_sees_request_and_rejection() {
    let layer = BreakerLayer::new("rates").fallback(|request: u8, rejected: Rejected| {
        assert_eq!(rejected.reason, Reason::Open);
        if request == 0 {
            Err("no fallback")
        } else {
            Ok(format!("stale {request}"))
        }
    });
    let breaker = layer.handle();
    let fresh = service_fn(|request: u8| async move { Ok(format!("fresh {request}")) });
    let service = layer.layer(fresh);
    assert_eq!(service.clone().oneshot(7).await, Ok("fresh 7".to_owned()));
    fail(&breaker, 5);
    assert_eq!(service.clone().oneshot(7).await, Ok("stale 7".to_owned()));
    assert_eq!(service.oneshot(0).await, Err("no fallback"));
}

#[tokio::test(start_paused = true)]
async fn a_service_answers_once_it_is_ready() {
    // The script panics when it is called without having been polled ready.
    let spare = Scripted::new([Ok("spare")]);
    let layer = BreakerLayer::new("x").fallback_service(spare);
    fail(&layer.handle(), 5);
    let service = layer.layer(Scripted::new([Ok("main")]));
    assert_eq!(service.oneshot(()).await, Ok("spare"));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_never_gets_ready_passes_its_error_on() {
    let spare = Scripted::<&str>::new([]);
    spare
        .shared
        .set_ready(std::task::Poll::Ready(Err("spare is down")));
    let layer = BreakerLayer::new("x").fallback_service(spare);
    fail(&layer.handle(), 5);
    let service = layer.layer(Scripted::new([Ok("main")]));
    assert_eq!(service.oneshot(()).await, Err("spare is down"));
}

#[tokio::test(start_paused = true)]
async fn a_closure_can_answer_for_a_guarded_body() {
    let layer = BreakerLayer::http("x").fallback(|_: Request<()>, _| {
        Ok::<_, Infallible>(Response::new(GuardedBody::from(Full::from("sorry"))))
    });
    layer.handle().force_open();
    let service = layer.layer(service_fn(|_: Request<()>| async {
        Ok(Response::new(Full::<Bytes>::from("hello")))
    }));
    let response = service.oneshot(Request::new(())).await.unwrap();
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "sorry"
    );
}

fn answer(request: &Request<()>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(format!("quote of {}", request.uri().path())));
    response
        .headers_mut()
        .insert("content-type", "text/plain".parse().unwrap());
    match request.uri().path() {
        "/cookie" => {
            response
                .headers_mut()
                .insert("set-cookie", "a=b".parse().unwrap());
        }
        "/private" => {
            response
                .headers_mut()
                .insert("cache-control", "Private, max-age=60".parse().unwrap());
        }
        "/404" => *response.status_mut() = http::StatusCode::NOT_FOUND,
        "/long" => *response.body_mut() = Full::from(vec![b'x'; 101]),
        _ => {}
    }
    response
}

async fn read<S, B>(service: S, request: Request<()>) -> (u16, Option<String>, Bytes)
where
    S: Service<Request<()>, Response = Response<B>>,
    S::Error: std::fmt::Debug,
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let (head, body) = service.oneshot(request).await.unwrap().into_parts();
    let warning = head
        .headers
        .get("warning")
        .map(|value| value.to_str().unwrap().to_owned());
    let bytes = body.collect().await.unwrap().to_bytes();
    if let Some(length) = head.headers.get("content-length") {
        assert_eq!(length, &bytes.len().to_string());
    }
    (head.status.as_u16(), warning, bytes)
}

fn get(path: &str) -> Request<()> {
    Request::get(path).body(()).unwrap()
}

fn by_path(request: &Request<()>) -> Option<String> {
    Some(request.uri().path().to_owned()).filter(|path| path != "/no-key")
}

#[tokio::test(start_paused = true)]
async fn the_last_good_response_is_shown_while_open() {
    let layer = BreakerLayer::http("x").last_good(2, 100, by_path);
    let breaker = layer.handle();
    let upstream = |request: Request<()>| async move { Ok::<_, Infallible>(answer(&request)) };
    let service = layer.layer(service_fn(upstream));
    assert_eq!(
        read(service.clone(), get("/a")).await,
        (200, None, "quote of /a".into())
    );
    fail(&breaker, 5);
    let stale = Some("110 - \"Response is Stale\"".to_owned());
    assert_eq!(
        read(service.clone(), get("/a")).await,
        (200, stale.clone(), "quote of /a".into())
    );
    assert_eq!(
        read(service.clone(), get("/a")).await,
        (200, stale, "quote of /a".into())
    );
    // Nothing is shown for another key, nor for what has effects.
    assert_eq!(read(service.clone(), get("/b")).await.0, 503);
    let post = Request::post("/a").body(()).unwrap();
    assert_eq!(read(service, post).await.0, 503);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_good_or_not_for_others_is_not_kept() {
    let layer = BreakerLayer::http("x").last_good(100, 100, by_path);
    let breaker = layer.handle();
    let upstream = |request: Request<()>| async move { Ok::<_, Infallible>(answer(&request)) };
    let service = layer.layer(service_fn(upstream));
    let paths = ["/cookie", "/private", "/404", "/long", "/no-key"];
    for path in paths {
        read(service.clone(), get(path)).await;
    }
    // Nor one that was not read to its end.
    drop(service.clone().oneshot(get("/dropped")).await);
    breaker.force_open();
    for path in paths.into_iter().chain(["/dropped"]) {
        assert_eq!(read(service.clone(), get(path)).await.0, 503, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_oldest_kept_response_makes_room() {
    let layer = BreakerLayer::http("x").last_good(2, 100, by_path);
    let breaker = layer.handle();
    let upstream = |request: Request<()>| async move { Ok::<_, Infallible>(answer(&request)) };
    let service = layer.layer(service_fn(upstream));
    for path in ["/a", "/b", "/a", "/c"] {
        read(service.clone(), get(path)).await;
    }
    breaker.force_open();
    for (path, status) in [("/a", 503), ("/b", 200), ("/c", 200)] {
        assert_eq!(read(service.clone(), get(path)).await.0, status, "{path}");
    }
}
