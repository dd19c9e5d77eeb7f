//! A real HTTP/1 server that fails, stalls, breaks off, resets and recovers as it is told.
#![allow(dead_code, reason = "each test uses some of it")]

use std::convert::Infallible;
use std::future::{pending, ready};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper_util::rt::TokioIo;
use palisade_breaker::BreakerHandle;
use tokio::net::TcpListener;

/// The behaviour of the server towards the next requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Mood {
    /// Answers 200 and `well`.
    Well,
    /// Answers 500.
    Fails,
    /// Never answers.
    Stalls,
    /// Answers 200 and half of a body, of which no more ever comes.
    StallsInTheBody,
    /// Answers 200 and half of a body, and closes the connection.
    BreaksOff,
    /// Answers 200 and half of a body, and resets the connection.
    Resets,
}

const MOODS: [Mood; 6] = [
    Mood::Well,
    Mood::Fails,
    Mood::Stalls,
    Mood::StallsInTheBody,
    Mood::BreaksOff,
    Mood::Resets,
];

/// The server, until the runtime of the test ends.
#[derive(Debug, Clone)]
pub(crate) struct Upstream {
    pub(crate) addr: SocketAddr,
    told: Arc<Told>,
}

#[derive(Debug, Default)]
struct Told {
    mood: AtomicU8,
    /// Requests that are answered in that mood before the server is well again; a limit only where it is not zero.
    left: AtomicUsize,
    requests: AtomicUsize,
    bodies: Mutex<Vec<Bytes>>,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = Self {
            addr: listener.local_addr().unwrap(),
            told: Arc::default(),
        };
        let server = upstream.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                if server.mood() == Mood::Resets {
                    stream.set_zero_linger().unwrap();
                }
                let server = server.clone();
                let service = hyper::service::service_fn(move |request| {
                    let server = server.clone();
                    async move { server.answer(request).await }
                });
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        upstream
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.told.left.store(0, Ordering::SeqCst);
        self.told.mood.store(mood as u8, Ordering::SeqCst);
    }

    /// In this mood for so many requests, and well afterwards.
    pub(crate) fn set_for(&self, requests: usize, mood: Mood) {
        self.set(mood);
        self.told.left.store(requests, Ordering::SeqCst);
    }

    /// Requests that have come so far.
    pub(crate) fn requests(&self) -> usize {
        self.told.requests.load(Ordering::SeqCst)
    }

    /// Their bodies.
    pub(crate) fn bodies(&self) -> Vec<Bytes> {
        self.told.bodies.lock().unwrap().clone()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.addr)
    }

    fn mood(&self) -> Mood {
        MOODS[usize::from(self.told.mood.load(Ordering::SeqCst))]
    }

    async fn answer(
        &self,
        request: Request<hyper::body::Incoming>,
    ) -> Result<Response<UnsyncBoxBody<Bytes, std::io::Error>>, Infallible> {
        let mood = self.mood();
        self.told.requests.fetch_add(1, Ordering::SeqCst);
        if self.told.left.load(Ordering::SeqCst) > 0
            && self.told.left.fetch_sub(1, Ordering::SeqCst) == 1
        {
            self.told.mood.store(Mood::Well as u8, Ordering::SeqCst);
        }
        let body = request.into_body().collect().await.unwrap().to_bytes();
        self.told.bodies.lock().unwrap().push(body);
        let full = |text: &'static str| {
            Full::from(text)
                .map_err(|never| match never {})
                .boxed_unsync()
        };
        let half_and = |then| {
            let half = Ok(Frame::data(Bytes::from_static(b"half")));
            let frames = stream::once(ready(half)).chain(stream::once(then));
            Response::new(BodyExt::boxed_unsync(StreamBody::new(frames)))
        };
        Ok(match mood {
            Mood::Well => Response::new(full("well")),
            Mood::Fails => Response::builder().status(500).body(full("fails")).unwrap(),
            Mood::Stalls => pending().await,
            Mood::StallsInTheBody => half_and(end(None)),
            // The connection is dropped, which resets it if that was set when it was accepted.
            Mood::BreaksOff | Mood::Resets => half_and(end(Some(Duration::from_millis(20)))),
        })
    }
}

/// The end of a body that has none: it hangs, or fails a moment later, so that head and half are on their way.
async fn end(after: Option<Duration>) -> Result<Frame<Bytes>, std::io::Error> {
    match after {
        Some(wait) => tokio::time::sleep(wait).await,
        None => pending().await,
    }
    Err(std::io::ErrorKind::ConnectionReset.into())
}

/// An address where nobody listens.
pub(crate) async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

pub(crate) async fn wait_for_trial(breaker: &BreakerHandle) {
    while breaker.retry_after().is_some() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
