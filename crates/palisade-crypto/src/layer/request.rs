//! Requests whose bodies are rewritten, and change their type by it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use palisade_core::{
    Code, EventKind, Handle, Rejection, RejectionContext, RequestScope, ResponseBody, SecurityEvent,
};
use tower_service::Service;

use super::body;
use super::config::{Config, Form, RequestHead};
use super::counters::Message;
use super::future::{Collected, Job, ResponseFuture, gather};
use super::service::FieldCrypto;

/// Requests get their bodies from a function.
#[derive(Clone, Copy)]
pub struct Mapped<F>(F);

impl<F> Mapped<F> {
    pub(super) const fn new(make: F) -> Self {
        Self(make)
    }
}

impl<F> fmt::Debug for Mapped<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mapped")
    }
}

impl<S, F, Rq, Made, B> Service<Request<Rq>> for FieldCrypto<S, Mapped<F>>
where
    S: Service<Request<Made>, Response = Response<B>> + Clone,
    F: Fn(ResponseBody<Rq>) -> Made + Clone,
    Rq: Body<Data = Bytes>,
    B: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<B>>;
    type Error = S::Error;
    type Future = RequestFuture<S, F, Rq, S::Future, B>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Rq>) -> Self::Future {
        let job = self.job(&mut request);
        let Some((config, form)) = self.to_rewrite(&request) else {
            let inner = self
                .inner
                .call(request.map(|body| (self.requests.0)(ResponseBody::inner(body))));
            return RequestFuture::responding(inner, job);
        };
        let (mut head, body) = request.into_parts();
        if let Some(refusal) = unfit(&head, &body, form, config.limit) {
            return RequestFuture::refused(refusal.response(&config, &mut head));
        }
        // The service that was polled ready waits for the body; its clone takes its place and is polled again.
        let clone = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, clone);
        RequestFuture {
            state: State::Gathering {
                body,
                collected: Collected::default(),
                limit: config.limit,
                rest: Some(Rest {
                    head,
                    form,
                    config,
                    job,
                    inner: ready,
                    make: self.requests.0.clone(),
                }),
            },
        }
    }
}

impl<S, F> FieldCrypto<S, Mapped<F>> {
    fn to_rewrite<Rq: Body>(&self, request: &Request<Rq>) -> Option<(Handle<Config>, Form)> {
        let config = self.config.as_ref()?;
        config.request.as_ref()?;
        if request.body().is_end_stream() || !config.concerns(&RequestHead::of(request)) {
            return None;
        }
        Some((config.clone(), body::form(request.headers())?))
    }
}

/// The reason to refuse a request.
enum Refusal {
    TooLarge,
    /// With a code for the event; the caller learns no more than that it is wrong.
    Wrong(&'static str),
}

fn unfit<B: Body>(head: &Parts, body: &B, form: Form, limit: usize) -> Option<Refusal> {
    if form == Form::Unreadable {
        Some(Refusal::Wrong("unreadable_form"))
    } else if body::is_encoded(&head.headers) {
        Some(Refusal::Wrong("encoded_body"))
    } else if body.size_hint().lower() > limit as u64 {
        Some(Refusal::TooLarge)
    } else {
        None
    }
}

impl Refusal {
    fn response<B>(self, config: &Config, head: &mut Parts) -> Response<ResponseBody<B>> {
        let (code, reason) = match self {
            Self::TooLarge => (Code::PayloadTooLarge, "body_over_limit"),
            Self::Wrong(reason) => (Code::Validation, reason),
        };
        tracing::warn!(target: "palisade_crypto", reason, "a request could not be rewritten");
        config.counters.count(Message::Request, reason);
        RequestScope::enter(&mut head.extensions)
            .record(SecurityEvent::new(EventKind::CryptoFailure).reason(reason));
        let mut request = Request::new(());
        *request.method_mut() = head.method.clone();
        *request.headers_mut() = std::mem::take(&mut head.headers);
        *request.extensions_mut() = std::mem::take(&mut head.extensions);
        Rejection::new(code).into_response(&RejectionContext::of(&request))
    }
}

/// The outcome for a request once its body is there.
struct Rest<S, F> {
    head: Parts,
    form: Form,
    config: Handle<Config>,
    job: Option<Box<Job>>,
    inner: S,
    make: F,
}

impl<S, F> Rest<S, F> {
    fn rewritten(&mut self, gathered: Result<Bytes, &'static str>) -> Result<Bytes, Refusal> {
        let data = gathered.map_err(|reason| match reason {
            "body_over_limit" => Refusal::TooLarge,
            reason => Refusal::Wrong(reason),
        })?;
        let (Some(task), false) = (&self.config.request, data.is_empty()) else {
            return Ok(data);
        };
        let head = RequestHead::of_parts(&self.head);
        let scope = RequestScope::current(&self.head.extensions);
        let binding = self.config.binding_by_closure(&head);
        let rewritten = self
            .config
            .rewrite(task, self.form, &data, binding.as_ref(), scope);
        match rewritten {
            Ok(changed) => Ok(changed.map_or(data, Bytes::from)),
            // The error itself names members of the document, which do not belong in a log.
            Err(error) => Err(Refusal::Wrong(error.code())),
        }
    }
}

pin_project_lite::pin_project! {
    /// The response future of a [`FieldCrypto`] that works on requests.
    ///
    /// Dropping it while the body is being read drops the body and the service that waits for it; nothing was called.
    pub struct RequestFuture<S, F, Rq, Fut, B> {
        #[pin]
        state: State<S, F, Rq, Fut, B>,
    }
}

pin_project_lite::pin_project! {
    #[project = StateProj]
    enum State<S, F, Rq, Fut, B> {
        Gathering {
            #[pin] body: Rq,
            collected: Collected,
            limit: usize,
            // Taken when the body has ended.
            rest: Option<Rest<S, F>>,
        },
        Responding { #[pin] inner: ResponseFuture<Fut, B> },
        Refused { response: Option<Response<ResponseBody<B>>> },
    }
}

impl<S, F, Rq, Fut, B> RequestFuture<S, F, Rq, Fut, B> {
    fn responding(inner: Fut, job: Option<Box<Job>>) -> Self {
        Self {
            state: State::Responding {
                inner: ResponseFuture::new(inner, job),
            },
        }
    }

    const fn refused(response: Response<ResponseBody<B>>) -> Self {
        Self {
            state: State::Refused {
                response: Some(response),
            },
        }
    }
}

impl<S, F, Rq, Made, B> Future for RequestFuture<S, F, Rq, S::Future, B>
where
    S: Service<Request<Made>, Response = Response<B>>,
    F: Fn(ResponseBody<Rq>) -> Made,
    Rq: Body<Data = Bytes>,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<B>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Gathering {
                    body,
                    collected,
                    limit,
                    rest,
                } => {
                    let gathered = ready!(gather(body, collected, *limit, cx));
                    // Only a future that is polled after it was ready has nothing left.
                    let Some(mut rest) = rest.take() else {
                        return Poll::Pending;
                    };
                    match rest.rewritten(gathered) {
                        Err(refusal) => {
                            return Poll::Ready(Ok(refusal.response(&rest.config, &mut rest.head)));
                        }
                        Ok(data) => {
                            body::restate(&mut rest.head.headers, Some(data.len()));
                            let body = (rest.make)(ResponseBody::full(data));
                            let inner = rest.inner.call(Request::from_parts(rest.head, body));
                            let inner = ResponseFuture::new(inner, rest.job);
                            this.state.set(State::Responding { inner });
                        }
                    }
                }
                StateProj::Responding { inner } => return inner.poll(cx),
                StateProj::Refused { response } => {
                    return match response.take() {
                        Some(response) => Poll::Ready(Ok(response)),
                        None => Poll::Pending,
                    };
                }
            }
        }
    }
}

impl<S, F, Rq, Fut, B> fmt::Debug for RequestFuture<S, F, Rq, Fut, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestFuture").finish_non_exhaustive()
    }
}
