//! A cache for answers that are the same for everybody, inside all layers of the stack.
//!
//! `docs/ordering.md` says why it stands there: what is kept has met no layer yet, so that it holds no request id, nonce or
//! header of a limit, and everybody who gets it has been counted and admitted first.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt;
use moka::future::Cache;
use palisade::{Code, Rejection, RequestScope};
use palisade_core::time::now;
use tokio::time::Instant;

/// The most answers that are kept; the least used make room.
const MOST: u64 = 64;
/// The largest body that is kept.
const LARGEST: u64 = 64 << 10;
/// RFC 9211, section 2.
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// Answers by path, each kept for the same time. Clones share them.
#[derive(Clone)]
pub(crate) struct AnswerCache {
    answers: Cache<String, Arc<Answer>>,
    lifetime: Duration,
}

/// A whole answer, as the handler gave it.
struct Answer {
    headers: HeaderMap,
    body: Bytes,
    made: Instant,
}

/// The answer is for one caller alone, or too large.
struct NotKept;

impl AnswerCache {
    /// Keeps each answer for `lifetime`; nothing at all where that is zero.
    pub(crate) fn new(lifetime: Duration) -> Self {
        let answers = Cache::builder()
            .max_capacity(MOST)
            .time_to_live(lifetime)
            .build();
        Self { answers, lifetime }
    }

    /// Whether a kept answer may be given to this request (RFC 9111, sections 3 and 3.5): it reads, and nothing in it
    /// says who asks.
    fn serves(&self, request: &Request) -> bool {
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let credentials = [
            header::AUTHORIZATION,
            header::COOKIE,
            HeaderName::from_static("x-api-key"),
        ];
        let named = credentials
            .iter()
            .any(|name| request.headers().contains_key(name));
        let scope = RequestScope::current(request.extensions());
        let known = scope.is_some_and(|scope| scope.principal().is_some());
        !self.lifetime.is_zero() && reads && !named && !known
    }

    fn response(&self, answer: &Answer, fresh: bool) -> Response {
        let age = answer.made.elapsed();
        let mut response = answer.body.clone().into_response();
        *response.headers_mut() = answer.headers.clone();
        if fresh {
            return with_status(
                response,
                HeaderValue::from_static("gateway; fwd=miss; stored"),
            );
        }
        let left = self.lifetime.saturating_sub(age).as_secs();
        // RFC 9111, section 5.1.
        let headers = response.headers_mut();
        headers.insert(header::AGE, HeaderValue::from(age.as_secs()));
        let status = HeaderValue::try_from(format!("gateway; hit; ttl={left}"));
        with_status(
            response,
            status.unwrap_or(HeaderValue::from_static("gateway; hit")),
        )
    }
}

impl Answer {
    /// The answer, if it may be kept for others; else the response, unchanged.
    async fn of(response: Response) -> Result<Self, Box<Response>> {
        if !may_be_kept(&response) {
            return Err(Box::new(response));
        }
        let (parts, body) = response.into_parts();
        match body.collect().await {
            Ok(body) => Ok(Self {
                headers: parts.headers,
                body: body.to_bytes(),
                made: now(),
            }),
            Err(_) => Err(Box::new(failed())),
        }
    }
}

/// Whether others may get this response too (RFC 9111, section 3): it is whole and small, it sets no cookie, and its handler
/// neither forbids it nor chooses by a header that is not part of the key.
fn may_be_kept(response: &Response) -> bool {
    let headers = response.headers();
    let forbidden = headers.get_all(header::CACHE_CONTROL).iter().any(|value| {
        let value = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
        ["no-store", "no-cache", "private"]
            .iter()
            .any(|directive| value.contains(directive))
    });
    let size = http_body::Body::size_hint(response.body()).upper();
    response.status() == StatusCode::OK
        && !forbidden
        && !headers.contains_key(header::SET_COOKIE)
        && !headers.contains_key(header::VARY)
        && size.is_some_and(|size| size <= LARGEST)
}

/// Answers from the cache, or fills it; requests for an answer that is being made wait for it.
///
/// The key is the path, because the handlers behind it read nothing else: queries that are made up fill no memory.
pub(crate) async fn cached(
    State(cache): State<AnswerCache>,
    mut request: Request,
    next: Next,
) -> Response {
    if !cache.serves(&request) {
        let response = next.run(request).await;
        return with_status(response, HeaderValue::from_static("gateway; fwd=bypass"));
    }
    let key = request.uri().path().to_owned();
    // The answer to HEAD has no body, and what is kept is for GET as well; whoever asked for the head gets it alone.
    *request.method_mut() = Method::GET;

    let mut call = Some((next, request));
    let mut own = None;
    let fill = async {
        let (next, request) = call.take().ok_or(NotKept)?;
        match Answer::of(next.run(request).await).await {
            Ok(answer) => Ok(Arc::new(answer)),
            Err(response) => {
                own = Some(*response);
                Err(NotKept)
            }
        }
    };
    let found = cache.answers.entry(key).or_try_insert_with(fill).await;
    if let Ok(entry) = found {
        let fresh = entry.is_fresh();
        return cache.response(entry.value(), fresh);
    }
    // Not kept: whoever waited for it asks for an answer of its own.
    let response = match (own, call) {
        (Some(response), _) => response,
        (None, Some((next, request))) => next.run(request).await,
        (None, None) => failed(),
    };
    with_status(response, HeaderValue::from_static("gateway; fwd=miss"))
}

fn failed() -> Response {
    IntoResponse::into_response(Rejection::new(Code::Internal))
}

fn with_status(mut response: Response, status: HeaderValue) -> Response {
    response.headers_mut().insert(CACHE_STATUS, status);
    response
}

#[cfg(test)]
mod tests;
