use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{StatusCode, header};
use palisade_core::Handle;
use tower_service::Service;

use super::outbound::Outbound;
use super::token::{BoxFuture, Signature, Tokens};
use crate::Error;

pin_project_lite::pin_project! {
    /// The response future of [`Bearer`](super::Bearer).
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the request. A read of the token that it waited for goes on, for the calls after it.
    pub struct ResponseFuture<S, Req>
    where
        S: Service<Req>,
        Req: Outbound<S::Response>,
    {
        #[pin]
        state: State<S, Req, S::Future, S::Response, Req::Output>,
    }
}

pin_project_lite::pin_project! {
    // What is rare is boxed: the states of every call are as small as the call inside lets them be.
    #[project = StateProj]
    enum State<S, Req, F, Res, Out> {
        Waiting { waiting: Option<Box<Waiting<S, Req>>> },
        Sent { #[pin] inner: F, second: Option<Box<SecondAttempt<S, Req>>> },
        // The first answer is kept, in case there is no other token.
        Asking { signature: BoxFuture<Option<Signature>>, refused: Option<Box<(Res, Box<SecondAttempt<S, Req>>)>> },
        Preparing { second: Option<Box<SecondAttempt<S, Req>>> },
        Refused { response: Option<Box<Out>> },
    }
}

/// A request whose token must be read first, with the service that is ready for it.
pub(super) struct Waiting<S, Req> {
    pub(super) signature: BoxFuture<Result<Signature, Error>>,
    pub(super) request: Req,
    pub(super) copy: Option<Req>,
    pub(super) service: S,
    pub(super) tokens: Handle<Tokens>,
}

/// The parts that a second attempt needs.
pub(super) struct SecondAttempt<S, Req> {
    request: Req,
    /// The signature that may be refused.
    signature: Signature,
    tokens: Handle<Tokens>,
    service: S,
}

impl<S, Req> SecondAttempt<S, Req> {
    pub(super) fn new(
        request: Req,
        signature: Signature,
        tokens: Handle<Tokens>,
        service: S,
    ) -> Box<Self> {
        Box::new(Self {
            request,
            signature,
            tokens,
            service,
        })
    }
}

impl<S, Req> ResponseFuture<S, Req>
where
    S: Service<Req>,
    Req: Outbound<S::Response>,
{
    #[inline]
    pub(super) const fn sent(inner: S::Future, second: Option<Box<SecondAttempt<S, Req>>>) -> Self {
        Self {
            state: State::Sent { inner, second },
        }
    }

    #[cold]
    pub(super) fn waiting(waiting: Waiting<S, Req>) -> Self {
        Self {
            state: State::Waiting {
                waiting: Some(Box::new(waiting)),
            },
        }
    }

    #[cold]
    pub(super) fn refused(request: Req, error: &Error) -> Self {
        Self {
            state: refused::<S, Req>(request, error),
        }
    }
}

type StateOf<S, Req> = State<
    S,
    Req,
    <S as Service<Req>>::Future,
    <S as Service<Req>>::Response,
    <Req as Outbound<<S as Service<Req>>::Response>>::Output,
>;

fn refused<S, Req>(request: Req, error: &Error) -> StateOf<S, Req>
where
    S: Service<Req>,
    Req: Outbound<S::Response>,
{
    tracing::error!(target: "palisade_secrets", %error, "no token to sign with");
    State::Refused {
        response: Some(Box::new(request.refuse())),
    }
}

impl<S: Clone, Req> Waiting<S, Req> {
    /// Sends the request once its token is known.
    fn send(mut self, signature: Result<Signature, Error>) -> StateOf<S, Req>
    where
        S: Service<Req>,
        Req: Outbound<S::Response>,
    {
        let signature = match signature {
            Ok(signature) => signature,
            Err(error) => return refused::<S, Req>(self.request, &error),
        };
        let headers = self.request.headers_mut();
        headers.insert(header::AUTHORIZATION, signature.value.clone());
        let (tokens, clone) = (self.tokens, &self.service);
        let second = self
            .copy
            .map(|copy| SecondAttempt::new(copy, signature, tokens, clone.clone()));
        State::Sent {
            inner: self.service.call(self.request),
            second,
        }
    }
}

impl<S, Req> Future for ResponseFuture<S, Req>
where
    S: Service<Req> + Clone,
    Req: Outbound<S::Response>,
{
    type Output = Result<Req::Output, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProj::Sent { inner, second } => {
                    let response = ready!(inner.poll(cx))?;
                    match second.take() {
                        Some(second) if Req::status(&response) == StatusCode::UNAUTHORIZED => {
                            let tokens = second.tokens.clone();
                            State::Asking {
                                signature: Tokens::another_than(tokens, second.signature.clone()),
                                refused: Some(Box::new((response, second))),
                            }
                        }
                        _ => return Poll::Ready(Ok(Req::output(response))),
                    }
                }
                // Only a future that is polled after it was ready has nothing left; so below.
                StateProj::Waiting { waiting } => {
                    let Some(waited) = waiting else {
                        return Poll::Pending;
                    };
                    let signature = ready!(waited.signature.as_mut().poll(cx));
                    let Some(waited) = waiting.take() else {
                        return Poll::Pending;
                    };
                    waited.send(signature)
                }
                StateProj::Asking { signature, refused } => {
                    let signature = ready!(signature.as_mut().poll(cx));
                    let Some(refused) = refused.take() else {
                        return Poll::Pending;
                    };
                    let (response, mut second) = *refused;
                    let Some(signature) = signature else {
                        return Poll::Ready(Ok(Req::output(response)));
                    };
                    let headers = second.request.headers_mut();
                    headers.insert(header::AUTHORIZATION, signature.value);
                    State::Preparing {
                        second: Some(second),
                    }
                }
                StateProj::Preparing { second } => {
                    if let Some(second) = second {
                        ready!(second.service.poll_ready(cx))?;
                    }
                    let Some(second) = second.take() else {
                        return Poll::Pending;
                    };
                    let SecondAttempt {
                        mut service,
                        request,
                        ..
                    } = *second;
                    State::Sent {
                        inner: service.call(request),
                        second: None,
                    }
                }
                StateProj::Refused { response } => {
                    return response
                        .take()
                        .map_or(Poll::Pending, |response| Poll::Ready(Ok(*response)));
                }
            };
            this.state.set(next);
        }
    }
}

impl<S, Req> fmt::Debug for ResponseFuture<S, Req>
where
    S: Service<Req>,
    Req: Outbound<S::Response>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
