mod reuse;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready as ready_or_return};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AGE, CONTENT_LENGTH, WARNING};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body::{Body, Frame, SizeHint};
use palisade_core::ResponseBody;
use palisade_core::time::{self, Instant};

use crate::refuse::unavailable;
use crate::{Refuse, Rejected};

/// Answers refused calls with the last good response to the same request; see
/// [`BreakerLayer::last_good`](crate::BreakerLayer::last_good).
#[derive(Clone)]
pub struct LastGood<F> {
    key: F,
    store: Arc<Store>,
}

struct Store {
    entries: usize,
    cap: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    responses: HashMap<String, Arc<Good>>,
    /// The keys, the oldest first.
    order: VecDeque<String>,
}

/// A whole response.
struct Good {
    head: Head,
    body: Vec<Bytes>,
}

/// The part of a response's head that is kept.
struct Head {
    headers: HeaderMap,
    came: Instant,
    age_then: Duration,
}

impl Head {
    fn of(headers: &HeaderMap) -> Self {
        Self {
            headers: reuse::end_to_end(headers),
            came: time::now(),
            age_then: reuse::age_on_arrival(headers),
        }
    }

    fn age(&self) -> HeaderValue {
        let since = time::now().saturating_duration_since(self.came);
        reuse::age(self.age_then.saturating_add(since))
    }
}

impl<F> LastGood<F> {
    pub(crate) fn new(entries: usize, cap: usize, key: F) -> Self {
        Self {
            key,
            store: Arc::new(Store {
                entries: entries.max(1),
                cap,
                kept: Mutex::default(),
            }),
        }
    }
}

impl Store {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, key: String, good: Good) {
        let mut kept = self.kept();
        if kept.responses.insert(key.clone(), Arc::new(good)).is_some() {
            return;
        }
        kept.order.push_back(key);
        if kept.order.len() > self.entries
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.responses.remove(&oldest);
        }
    }
}

impl<F, Rq, B, Err> Refuse<Request<Rq>, Response<B>, Err> for LastGood<F>
where
    F: Fn(&Request<Rq>) -> Option<String>,
{
    type RequestInfo = Option<String>;
    type Output = Response<ResponseBody<KeepBody<B>>>;
    type Error = Err;
    type Future = Ready<Result<Self::Output, Err>>;

    fn inspect(&self, request: &Request<Rq>) -> Option<String> {
        // What has effects has no last good response, whatever the key says.
        (request.method() == Method::GET)
            .then(|| (self.key)(request))
            .flatten()
    }

    fn refuse(&self, mut request: Request<Rq>, rejected: Rejected) -> Self::Future {
        let key = <Self as Refuse<Request<Rq>, Response<B>, Err>>::inspect(self, &request);
        let good = key.and_then(|key| self.store.kept().responses.get(&key).cloned());
        ready(Ok(match good {
            Some(good) => good.again(),
            None => unavailable(&mut request, rejected),
        }))
    }

    fn output(&self, key: Option<String>, out: Response<B>) -> Self::Output {
        let keeping = key.filter(|_| reuse::may_be_kept(&out)).map(|key| Keeping {
            key,
            store: Arc::clone(&self.store),
            head: Head::of(out.headers()),
            frames: Vec::new(),
            len: 0,
        });
        out.map(|inner| ResponseBody::inner(KeepBody { inner, keeping }))
    }

    fn error(&self, error: Err) -> Err {
        error
    }
}

impl Good {
    fn again<B>(&self) -> Response<ResponseBody<B>> {
        let body: Vec<u8> = self.body.concat();
        let mut response = Response::new(ResponseBody::empty());
        *response.headers_mut() = self.head.headers.clone();
        let headers = response.headers_mut();
        headers.insert(AGE, self.head.age());
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        // RFC 7234, section 5.5.1: what is shown is stale.
        headers.append(
            WARNING,
            HeaderValue::from_static("110 - \"Response is Stale\""),
        );
        *response.body_mut() = ResponseBody::full(body);
        response
    }
}

/// A response that is being kept while its body passes.
struct Keeping {
    key: String,
    store: Arc<Store>,
    head: Head,
    frames: Vec<Bytes>,
    len: usize,
}

pin_project_lite::pin_project! {
    /// The body of a response that [`LastGood`] keeps, if it ends well and is not too long.
    pub struct KeepBody<B> {
        #[pin]
        inner: B,
        keeping: Option<Keeping>,
    }
}

impl<B: Body<Data = Bytes>> Body for KeepBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let frame = ready_or_return!(this.inner.as_mut().poll_frame(cx));
        match (&frame, this.keeping.as_mut()) {
            (_, None) => {}
            (Some(Ok(frame)), Some(keeping)) => match frame.data_ref() {
                Some(data) if keeping.len + data.len() <= keeping.store.cap => {
                    keeping.len += data.len();
                    keeping.frames.push(data.clone());
                }
                // Too long, or trailers, which have no place in a kept response.
                _ => *this.keeping = None,
            },
            (Some(Err(_)), Some(_)) => *this.keeping = None,
            (None, Some(_)) => {}
        }
        // Servers and clients may stop at the last frame, without asking for the end.
        if (frame.is_none() || this.inner.is_end_stream())
            && let Some(keeping) = this.keeping.take()
        {
            keeping.keep();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Keeping {
    fn keep(self) {
        let good = Good {
            head: self.head,
            body: self.frames,
        };
        self.store.keep(self.key, good);
    }
}

impl<B: Default> Default for KeepBody<B> {
    fn default() -> Self {
        Self {
            inner: B::default(),
            keeping: None,
        }
    }
}

impl<B: fmt::Debug> fmt::Debug for KeepBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeepBody").field(&self.inner).finish()
    }
}

impl<F> fmt::Debug for LastGood<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LastGood")
            .field("entries", &self.store.entries)
            .field("cap", &self.store.cap)
            .finish_non_exhaustive()
    }
}
