//! A hyper client that is careful with the servers it calls: retries with a budget, a breaker for each host, a timeout
//! for each attempt, and a bearer token that may rotate. Two small servers are part of it, hosts of one service, which
//! want that token; one of them fails at first.
//!
//! ```text
//! cargo run -p hyper-client
//! ```

use std::convert::Infallible;
use std::error::Error;
use std::future::ready;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use palisade_breaker::{BreakerLayer, ByAuthority, RetryLayer};
use palisade_secrets::{BearerLayer, EnvVars, Environment, Secrets};
use tokio::net::TcpListener;
use tower::timeout::TimeoutLayer;
use tower::{ServiceBuilder, ServiceExt};

/// The name of the secret; a real service reads it from its environment, a vault or AWS.
const NAME: &str = "OUTBOUND_TOKEN";
const TOKEN: &str = "kD2vGq0yX8mTn5cWbR7sHf3j";

type BoxError = Box<dyn Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    for line in run(bearer().await?).await? {
        println!("{line}");
    }
    Ok(())
}

/// Signs with the token of the moment: whoever rotates the secret rotates what is sent.
async fn bearer() -> Result<BearerLayer, palisade_secrets::Error> {
    let demo = EnvVars::from_fn(|name| (name == NAME).then(|| TOKEN.to_owned()));
    let secrets = Secrets::builder(Environment::Development)
        .provider(demo)
        .require([NAME])
        .build()
        .await?;
    Ok(BearerLayer::rotating(&secrets, NAME))
}

async fn run(bearer: BearerLayer) -> Result<Vec<String>, BoxError> {
    let well = serve(0).await?;
    let flaky = serve(4).await?;

    let breakers = BreakerLayer::http("outbound")
        .failure_threshold(3)
        .open_for(Duration::from_millis(200))
        .keyed(ByAuthority::new())
        .most_keys(1_000);
    let handle = breakers.handle();
    let client = ServiceBuilder::new()
        .layer(RetryLayer::boxed().backoff(Duration::from_millis(20), 2.0))
        .layer(breakers)
        .layer(TimeoutLayer::new(Duration::from_secs(1)))
        // Inside the retry, so that each attempt is signed anew.
        .layer(bearer)
        .service(Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>());

    let mut told = Vec::new();
    for (name, addr) in [
        ("well", well),
        ("flaky", flaky),
        ("flaky", flaky),
        ("well", well),
    ] {
        let request = Request::get(format!("http://{addr}/")).body(Empty::new())?;
        told.push(match client.clone().oneshot(request).await {
            Ok(response) => {
                let status = response.status();
                let body = response.into_body().collect().await?.to_bytes();
                format!("{name}: {status} {}", String::from_utf8_lossy(&body))
            }
            Err(error) => format!("{name}: {}", error.into_box()),
        });
    }
    for (_, state) in handle.not_closed() {
        told.push(format!("one breaker is {state}"));
    }

    // After the open time a trial finds the server failing once more, and after the next one it is well.
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(250)).await;
        let request = Request::get(format!("http://{flaky}/")).body(Empty::new())?;
        told.push(match client.clone().oneshot(request).await {
            Ok(response) => format!("flaky again: {}", response.status()),
            Err(error) => format!("flaky again: {}", error.into_box()),
        });
    }
    Ok(told)
}

/// A server that answers 503 so many times before it is well, to those who show the token.
async fn serve(failures: u32) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    let left = Arc::new(AtomicU32::new(failures));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let left = Arc::clone(&left);
            let service = hyper::service::service_fn(move |request: Request<_>| {
                if !is_signed(&request) {
                    return ready(Ok::<_, Infallible>(answer(
                        StatusCode::UNAUTHORIZED,
                        "who?",
                    )));
                }
                let fails = left
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                        left.checked_sub(1)
                    })
                    .is_ok();
                ready(Ok(if fails {
                    answer(StatusCode::SERVICE_UNAVAILABLE, "later")
                } else {
                    answer(StatusCode::OK, "hello")
                }))
            });
            let connection = hyper::server::conn::http1::Builder::new();
            tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
        }
    });
    Ok(addr)
}

fn is_signed<B>(request: &Request<B>) -> bool {
    let shown = request.headers().get(header::AUTHORIZATION);
    shown.is_some_and(|shown| shown.as_bytes() == format!("Bearer {TOKEN}").as_bytes())
}

fn answer(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_does_not_sign_is_not_let_in_and_that_is_no_fault_of_the_server() {
        let told = run(BearerLayer::off()).await.unwrap();
        assert!(
            told.iter().all(|line| line.contains("401 Unauthorized")),
            "{told:?}"
        );
    }

    #[tokio::test]
    async fn the_breaker_of_one_host_leaves_the_other_alone() {
        assert_eq!(
            run(bearer().await.unwrap()).await.unwrap(),
            [
                "well: 200 OK hello",
                // Three attempts, which open its breaker.
                "flaky: 503 Service Unavailable later",
                "flaky: breaker outbound refused the call: open",
                "well: 200 OK hello",
                "one breaker is open",
                // The trial fails, which opens it again, and so the retry is refused.
                "flaky again: breaker outbound refused the call: open",
                "flaky again: 200 OK",
            ]
        );
    }
}
