//! Answers to refused callers in place of an error.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use palisade_breaker::{BreakerLayer, GuardedBody, Reason, Rejected};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::common::{Scripted, fail};

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

/// The answer, while it is open, after a response with these headers.
async fn shown(
    headers: &'static [(&'static str, &'static str)],
    after: u64,
) -> http::response::Parts {
    let layer = BreakerLayer::http("x").last_good(2, 100, by_path);
    let upstream = move |_: Request<()>| async move {
        let mut response = Response::new(Full::<Bytes>::from("good"));
        for (name, value) in headers {
            response.headers_mut().append(*name, value.parse().unwrap());
        }
        Ok::<_, Infallible>(response)
    };
    let service = layer.layer(service_fn(upstream));
    let first = service.clone().oneshot(get("/a")).await.unwrap();
    let passed = first.headers().len();
    assert_eq!(passed, headers.len(), "what passes stays as it is");
    assert!(first.into_body().collect().await.is_ok());
    layer.handle().force_open();
    crate::common::advance(crate::common::secs(after)).await;
    service.oneshot(get("/a")).await.unwrap().into_parts().0
}

#[tokio::test(start_paused = true)]
async fn what_must_not_be_shown_stale_is_not_kept() {
    for control in [
        "no-cache",
        "max-age=60, Must-Revalidate",
        "proxy-revalidate",
        "public, s-maxage=10",
        "no-cache=\"set-cookie\"",
        "max-age=5 ,no-store",
    ] {
        let headers = Box::leak(Box::new([
            ("cache-control", "max-age=1"),
            ("cache-control", control),
        ]));
        assert_eq!(shown(headers, 0).await.status, 503, "{control}");
    }
    for control in [
        "max-age=0",
        "public",
        "stale-if-error=60",
        "no-transform, x-no-cache-please",
    ] {
        let headers = Box::leak(Box::new([("cache-control", control)]));
        assert_eq!(shown(headers, 0).await.status, 200, "{control}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_belongs_to_its_connection_is_not_shown_again() {
    let head = shown(
        &[
            ("connection", "X-Trace, close"),
            ("connection", "x-other"),
            ("x-trace", "1"),
            ("x-other", "2"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authenticate", "Basic"),
            ("trailer", "checksum"),
            ("upgrade", "h2c"),
            ("te", "trailers"),
            ("x-kept", "3"),
        ],
        0,
    )
    .await;
    let mut names: Vec<_> = head.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["age", "content-length", "warning", "x-kept"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_shown_again_says_how_old_it_is() {
    for (headers, age) in [
        (&[] as &[_], "90"),
        (&[("age", "30")], "120"),
        (&[("age", "nonsense")], "90"),
        (&[("age", "99999999999999999999")], "2147483648"),
    ] {
        let head = shown(headers, 90).await;
        let shown: Vec<_> = head.headers.get_all("age").iter().collect();
        assert_eq!(shown, [age], "{headers:?}");
    }
    // By the date of its server it was older when it came.
    let head = shown(&[("date", "Sun, 06 Nov 1994 08:49:37 GMT")], 0).await;
    let age: u64 = head.headers["age"].to_str().unwrap().parse().unwrap();
    assert!(age > 31 * 365 * 86_400, "{age}");
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
