//! A second try with another token.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body::Body;
use palisade_core::{Handle, ResponseBody};
use tower_service::Service;

use super::service::Bearer;
use super::token::{Signature, Tokens};

/// Requests are copied by a function, so that they can be sent again.
#[derive(Clone, Copy)]
pub struct Replay<F>(F);

impl<F> Replay<F> {
    pub(super) const fn new(copy: F) -> Self {
        Self(copy)
    }
}

impl<F> fmt::Debug for Replay<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Replay")
    }
}

impl<S, F, Rq, B> Service<Request<Rq>> for Bearer<S, Replay<F>>
where
    S: Service<Request<Rq>, Response = Response<B>> + Clone,
    F: Fn(&Rq) -> Option<Rq>,
    B: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<B>>;
    type Error = S::Error;
    type Future = ReplayFuture<S, Rq, S::Future, B>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        ready!(self.poll_token(cx));
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Rq>) -> Self::Future {
        let signature = match self.sign(&mut request) {
            Ok(signature) => signature,
            Err(refusal) => {
                let response = Some(*refusal);
                return ReplayFuture {
                    state: State::Refused { response },
                };
            }
        };
        let spare = signature
            .zip(self.tokens.clone())
            .and_then(|(signature, tokens)| {
                Some(Spare {
                    request: copied(&request, (self.repeat.0)(request.body())?),
                    signature,
                    tokens,
                    inner: self.inner.clone(),
                })
            });
        ReplayFuture {
            state: State::First {
                inner: self.inner.call(request),
                spare,
            },
        }
    }
}

fn copied<Rq>(request: &Request<Rq>, body: Rq) -> Request<Rq> {
    let mut copy = Request::new(body);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    *copy.extensions_mut() = request.extensions().clone();
    copy
}

/// What a second try needs.
struct Spare<S, Rq> {
    request: Request<Rq>,
    signature: Signature,
    tokens: Handle<Tokens>,
    inner: S,
}

type Another = Pin<Box<dyn Future<Output = Option<Signature>> + Send>>;

impl<S, Rq> Spare<S, Rq> {
    fn another(&self) -> Another {
        let (tokens, refused) = (self.tokens.clone(), self.signature.clone());
        Box::pin(async move { tokens.another_than(&refused).await })
    }
}

pin_project_lite::pin_project! {
    /// The response future of a [`Bearer`] that may send a request twice.
    pub struct ReplayFuture<S, Rq, Fut, B> {
        #[pin]
        state: State<S, Rq, Fut, B>,
    }
}

pin_project_lite::pin_project! {
    #[project = StateProj]
    enum State<S, Rq, Fut, B> {
        First { #[pin] inner: Fut, spare: Option<Spare<S, Rq>> },
        // The first answer is kept, in case there is no other token.
        Asking { another: Another, refused: Option<(Response<B>, Spare<S, Rq>)> },
        Preparing { spare: Option<Spare<S, Rq>> },
        Second { #[pin] inner: Fut },
        Refused { response: Option<Response<ResponseBody<B>>> },
    }
}

impl<S, Rq, B> Future for ReplayFuture<S, Rq, S::Future, B>
where
    S: Service<Request<Rq>, Response = Response<B>>,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<B>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProj::First { inner, spare } => {
                    let response = ready!(inner.poll(cx))?;
                    match spare.take() {
                        Some(spare) if response.status() == StatusCode::UNAUTHORIZED => {
                            State::Asking {
                                another: spare.another(),
                                refused: Some((response, spare)),
                            }
                        }
                        _ => return Poll::Ready(Ok(response.map(ResponseBody::inner))),
                    }
                }
                StateProj::Asking { another, refused } => {
                    let another = ready!(another.as_mut().poll(cx));
                    // Only a future that is polled after it was ready has nothing left; so below.
                    let Some((response, mut spare)) = refused.take() else {
                        return Poll::Pending;
                    };
                    let Some(signature) = another else {
                        return Poll::Ready(Ok(response.map(ResponseBody::inner)));
                    };
                    let headers = spare.request.headers_mut();
                    headers.insert(header::AUTHORIZATION, signature.value);
                    State::Preparing { spare: Some(spare) }
                }
                StateProj::Preparing { spare } => {
                    let Some(ready_for) = spare else {
                        return Poll::Pending;
                    };
                    ready!(ready_for.inner.poll_ready(cx))?;
                    let Some(Spare {
                        mut inner, request, ..
                    }) = spare.take()
                    else {
                        return Poll::Pending;
                    };
                    State::Second {
                        inner: inner.call(request),
                    }
                }
                StateProj::Second { inner } => {
                    let response = ready!(inner.poll(cx))?;
                    return Poll::Ready(Ok(response.map(ResponseBody::inner)));
                }
                StateProj::Refused { response } => {
                    return response
                        .take()
                        .map_or(Poll::Pending, |response| Poll::Ready(Ok(response)));
                }
            };
            this.state.set(next);
        }
    }
}

impl<S, Rq, Fut, B> fmt::Debug for ReplayFuture<S, Rq, Fut, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayFuture").finish_non_exhaustive()
    }
}
