//! A hyper client that is careful with the servers it calls: a timeout for each attempt, a breaker for each host, and
//! retries with a budget. Two small servers are part of it, one of which fails at first.
//!
//! ```text
//! cargo run -p hyper-client
//! ```

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use palisade_breaker::{BreakerLayer, ByAuthority, RetryLayer};
use tokio::net::TcpListener;
use tower::timeout::TimeoutLayer;
use tower::{ServiceBuilder, ServiceExt};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    for line in run().await? {
        println!("{line}");
    }
    Ok(())
}

async fn run() -> Result<Vec<String>, Box<dyn Error + Send + Sync>> {
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
    for (_, state) in handle.troubled() {
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

/// A server that answers 503 so many times before it is well.
async fn serve(failures: u32) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    let left = Arc::new(AtomicU32::new(failures));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let left = Arc::clone(&left);
            let service = hyper::service::service_fn(move |_| {
                let fails = left
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                        left.checked_sub(1)
                    })
                    .is_ok();
                async move { Ok::<_, Infallible>(answer(fails)) }
            });
            let connection = hyper::server::conn::http1::Builder::new();
            tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
        }
    });
    Ok(addr)
}

fn answer(fails: bool) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(if fails { "later" } else { "hello" }));
    if fails {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_breaker_of_one_host_leaves_the_other_alone() {
        assert_eq!(
            run().await.unwrap(),
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
