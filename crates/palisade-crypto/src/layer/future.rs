use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::response::Parts;
use http::{Response, StatusCode};
use http_body::Body;
use palisade_core::{
    Code, EventKind, Handle, Rejection, RejectionContext, ResponseBody, SecurityEvent,
};

use super::body;
use super::config::{Binding, Config, Form};
use super::counters::Message;

/// The work to do on the response to one request.
pub(super) struct Job {
    pub(super) config: Handle<Config>,
    pub(super) binding: Option<Binding>,
    pub(super) context: RejectionContext,
}

pin_project_lite::pin_project! {
    /// The response future of [`FieldCrypto`](super::FieldCrypto).
    ///
    /// Dropping it drops the response that was being collected; nothing else is held.
    pub struct ResponseFuture<F, B> {
        #[pin]
        state: State<F, B>,
        // Out of line, so that requests that do not concern it carry one pointer.
        job: Option<Box<Job>>,
    }
}

pin_project_lite::pin_project! {
    #[project = StateProj]
    enum State<F, B> {
        Waiting { #[pin] inner: F },
        Collecting { collecting: Pin<Box<Collecting<B>>> },
    }
}

pin_project_lite::pin_project! {
    /// A response whose body is being read.
    struct Collecting<B> {
        #[pin]
        body: B,
        collected: Collected,
        limit: usize,
        // Taken when the body has ended.
        rest: Option<Rest>,
    }
}

/// The rest of a response, until its body is there.
struct Rest {
    job: Box<Job>,
    head: Parts,
    form: Form,
}

/// The data of a body; a single piece is not copied.
#[derive(Default)]
pub(super) struct Collected {
    first: Bytes,
    all: BytesMut,
}

impl Collected {
    fn len(&self) -> usize {
        self.first.len() + self.all.len()
    }

    fn push(&mut self, data: Bytes) {
        if self.len() == 0 {
            self.first = data;
            return;
        }
        if !self.first.is_empty() {
            self.all.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.all.extend_from_slice(&data);
    }

    fn take(&mut self) -> Bytes {
        if self.all.is_empty() {
            std::mem::take(&mut self.first)
        } else {
            self.all.split().freeze()
        }
    }
}

impl<F, B> ResponseFuture<F, B> {
    pub(super) fn new(inner: F, job: Option<Box<Job>>) -> Self {
        Self {
            state: State::Waiting { inner },
            job,
        }
    }
}

impl<F, B, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.as_mut().project();
        match this.state.project() {
            StateProj::Waiting { inner } if this.job.is_none() => {
                let response = ready!(inner.poll(cx))?;
                Poll::Ready(Ok(response.map(ResponseBody::inner)))
            }
            _ => self.poll_job(cx),
        }
    }
}

impl<F, B, E> ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes>,
{
    /// Polls for a response that is to be rewritten.
    #[inline(never)]
    fn poll_job(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<ResponseBody<B>>, E>> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Waiting { inner } => {
                    let response = ready!(inner.poll(cx))?;
                    let form = match this.job {
                        Some(_) => body::form(response.headers()),
                        None => None,
                    };
                    let (Some(job), Some(form)) = (this.job.take(), form) else {
                        return Poll::Ready(Ok(response.map(ResponseBody::inner)));
                    };
                    let limit = job.config.limit;
                    if let Some(reason) = unfit(&response, form, limit) {
                        return Poll::Ready(Ok(job.refuse(reason)));
                    }
                    let (head, body) = response.into_parts();
                    let collecting = Box::pin(Collecting {
                        body,
                        collected: Collected::default(),
                        limit,
                        rest: Some(Rest { job, head, form }),
                    });
                    this.state.set(State::Collecting { collecting });
                }
                StateProj::Collecting { collecting } => {
                    let this = collecting.as_mut().project();
                    let gathered = ready!(gather(this.body, this.collected, *this.limit, cx));
                    // Only a future that is polled after it was ready has nothing left.
                    let Some(Rest { job, head, form }) = this.rest.take() else {
                        return Poll::Pending;
                    };
                    return Poll::Ready(Ok(match gathered {
                        Ok(data) => job.finish(head, data, form),
                        Err(reason) => job.refuse(reason),
                    }));
                }
            }
        }
    }
}

/// Returns the reason why a response cannot be rewritten, as far as its head tells.
fn unfit<B: Body>(response: &Response<B>, form: Form, limit: usize) -> Option<&'static str> {
    if response.body().is_end_stream() {
        None
    } else if form == Form::Unreadable || response.status() == StatusCode::PARTIAL_CONTENT {
        Some("unreadable_form")
    } else if body::is_encoded(response.headers()) {
        Some("encoded_body")
    } else if response.body().size_hint().lower() > limit as u64 {
        Some("body_over_limit")
    } else {
        None
    }
}

/// Collects data up to the limit, and drops trailers.
pub(super) fn gather<B: Body<Data = Bytes>>(
    mut body: Pin<&mut B>,
    collected: &mut Collected,
    limit: usize,
    cx: &mut Context<'_>,
) -> Poll<Result<Bytes, &'static str>> {
    loop {
        match ready!(body.as_mut().poll_frame(cx)) {
            None => return Poll::Ready(Ok(collected.take())),
            Some(Err(_)) => return Poll::Ready(Err("body_failed")),
            Some(Ok(frame)) => {
                let Ok(data) = frame.into_data() else {
                    continue;
                };
                if data.len() > limit.saturating_sub(collected.len()) {
                    return Poll::Ready(Err("body_over_limit"));
                }
                collected.push(data);
            }
        }
    }
}

impl Job {
    fn finish<B>(&self, mut head: Parts, data: Bytes, form: Form) -> Response<ResponseBody<B>> {
        if data.is_empty() {
            // The answer to HEAD, or one without content; its headers may speak of the body in clear.
            body::restate(&mut head.headers, None);
            return Response::from_parts(head, ResponseBody::empty());
        }
        let Some(task) = &self.config.response else {
            return self.refuse("no_task");
        };
        let scope = self.context.scope();
        let binding = self.binding.as_ref();
        match self.config.rewrite(task, form, &data, binding, scope) {
            Ok(changed) => {
                let data = changed.map_or(data, Bytes::from);
                body::restate(&mut head.headers, Some(data.len()));
                Response::from_parts(head, ResponseBody::full(data))
            }
            // The error itself names members of the document, which do not belong in a log.
            Err(error) => self.refuse(error.code()),
        }
    }

    fn refuse<B>(&self, reason: &'static str) -> Response<ResponseBody<B>> {
        tracing::error!(target: "palisade_crypto", reason, "a response could not be rewritten");
        self.config.counters.count(Message::Response, reason);
        if let Some(scope) = self.context.scope() {
            scope.record(SecurityEvent::new(EventKind::CryptoFailure).reason(reason));
        }
        Rejection::new(Code::Internal).into_response(&self.context)
    }
}

impl<F, B> fmt::Debug for ResponseFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
