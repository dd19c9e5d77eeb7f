//! The shape of every server-side layer: hooks around a service, of which core makes the service and its future.
//!
//! A [`Filter`] says what happens to a request on its way in and to its response on its way out. [`Filtered`] is the
//! one tower service around it, whose future is written once for all. A pair of filters is a filter, so that a whole
//! stack is one service too: requests and responses are not moved through a service for each of its layers.
//!
//! # A filter of one's own
//!
//! ```
//! use std::convert::Infallible;
//!
//! use http::{HeaderValue, Request, Response, header};
//! use palisade_core::filter::{Exchange, Filter, FilterLayer, ReplaceBody, Step};
//! use palisade_core::{Code, Rejection};
//! use tower::{Layer, ServiceExt};
//!
//! /// Refuses requests without `Accept-Language`, and names the language on the response.
//! #[derive(Clone)]
//! struct NeedsLanguage;
//!
//! impl Filter for NeedsLanguage {
//!     type Kept = HeaderValue;
//!     type Wait = Infallible;
//!     type Watch = ();
//!
//!     fn on_request<B>(&self, exchange: &mut Exchange, request: &mut Request<B>) -> Step<Self> {
//!         match request.headers().get(header::ACCEPT_LANGUAGE) {
//!             Some(language) => Step::Pass(language.clone()),
//!             None => exchange.reject(request, Rejection::new(Code::Validation)),
//!         }
//!     }
//!
//!     fn on_response<B: ReplaceBody>(
//!         &self,
//!         _: &mut Exchange,
//!         language: HeaderValue,
//!         response: &mut Response<B>,
//!     ) {
//!         response.headers_mut().insert(header::CONTENT_LANGUAGE, language);
//!     }
//! }
//!
//! # tokio_test::block_on(async {
//! let service = FilterLayer::new(NeedsLanguage).layer(tower::service_fn(|_: Request<()>| async {
//!     Ok::<_, Infallible>(Response::new(http_body_util::Empty::<bytes::Bytes>::new()))
//! }));
//! let polite = Request::get("/").header("accept-language", "eo").body(())?;
//! assert_eq!(service.clone().oneshot(polite).await?.headers()["content-language"], "eo");
//! assert_eq!(service.oneshot(Request::new(())).await?.status(), 400);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

mod exchange;
mod future;
mod pair;
mod park;
mod service;
mod shared;

use std::fmt;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};

pub use self::exchange::Exchange;
pub use self::future::ResponseFuture;
pub use self::pair::{PairKept, PairWait};
pub use self::park::Park;
pub use self::service::{FilterLayer, Filtered};
pub use self::shared::{Reload, SharedFilter, SharedKept, SharedWait};
use crate::Rejection;
pub use crate::body::{BodyEnd, ReplaceBody, Watch};

/// The hooks of a server-side layer around a service.
///
/// Of the filters in one service [`on_request`](Self::on_request) runs from the outermost to the innermost, and
/// [`poll_response`](Self::poll_response) and [`on_response`](Self::on_response) from the innermost to the outermost.
/// An answer of one filter passes through those that the request had passed before, so that it gets their header
/// fields and their record.
///
/// # Cancel safety
///
/// A request whose future is dropped drops what the filters kept of it. What must be settled is settled there, in the
/// `Drop` of [`Kept`](Self::Kept) and of [`Wait`](Self::Wait).
pub trait Filter: Sized {
    /// State of one request, from [`on_request`](Self::on_request) until its response.
    type Kept;

    /// A pending query of one request; [`Infallible`](std::convert::Infallible) for a filter that decides at once.
    type Wait: Wait<Self>;

    /// An observer of the body of the response; `()` for a filter that needs none.
    type Watch: Watch;

    /// The most header fields that it usually adds to a response, so that room for all filters is reserved at once;
    /// default: none.
    fn response_fields(&self) -> usize {
        0
    }

    /// Decides about a request, and may change it.
    fn on_request<B>(&self, exchange: &mut Exchange, request: &mut Request<B>) -> Step<Self>;

    /// Whether the hooks below have something to do for a request that has passed with this; default: they do.
    ///
    /// If no filter of the service has anything to do, none of these hooks is called, and the values that they kept are
    /// dropped before the inner service is called.
    #[inline]
    fn needs_response(&self, kept: &Self::Kept) -> bool {
        let _ = kept;
        true
    }

    /// Waits before the response may leave, for as long as it is pending; default: not at all.
    ///
    /// The response is kept meanwhile, and may be replaced.
    #[inline]
    fn poll_response<B: ReplaceBody>(
        &self,
        exchange: &mut Exchange,
        kept: &mut Self::Kept,
        response: &mut Response<B>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let _ = (exchange, kept, response, cx);
        Poll::Ready(())
    }

    /// Changes the response, and returns the observer of its body; default: leaves both alone.
    #[inline]
    fn on_response<B: ReplaceBody>(
        &self,
        exchange: &mut Exchange,
        kept: Self::Kept,
        response: &mut Response<B>,
    ) -> Self::Watch {
        let _ = (exchange, kept, response);
        Self::Watch::default()
    }

    /// Settles a request that got no response; default: drops what was kept.
    #[inline]
    fn on_failure(&self, exchange: &mut Exchange, kept: Self::Kept, failure: Failure) {
        let _ = (exchange, kept, failure);
    }
}

/// The reason why a request got no response, beside cancellation, which drops what was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Failure {
    /// The inner service returned an error, which is passed on.
    Error,
    /// The inner service panicked.
    Panic,
}

/// A query that a request waits for, such as one to a store.
pub trait Wait<F: Filter> {
    /// Polls the query. Not called again once it is ready.
    fn poll_wait(&mut self, filter: &F, cx: &mut Context<'_>) -> Poll<()>;

    /// Goes on with the request once the query is ready.
    fn resume<B>(self, filter: &F, exchange: &mut Exchange, request: &mut Request<B>) -> Step<F>;
}

impl<F: Filter> Wait<F> for std::convert::Infallible {
    fn poll_wait(&mut self, _: &F, _: &mut Context<'_>) -> Poll<()> {
        match *self {}
    }

    fn resume<B>(self, _: &F, _: &mut Exchange, _: &mut Request<B>) -> Step<F> {
        match self {}
    }
}

/// A response that a filter gives in place of the inner service, out of line because it is rare.
pub type Answer = Box<Response<Bytes>>;

/// The decision of a filter about a request.
pub enum Step<F: Filter> {
    /// The request goes on, and this is kept for its response.
    Pass(F::Kept),
    /// The request is answered. What is kept, if anything, meets the answer in
    /// [`on_response`](Filter::on_response).
    Answer(Answer, Option<F::Kept>),
    /// The request waits for a query.
    Wait(F::Wait),
}

impl<F: Filter> Step<F> {
    /// Answers the request, and keeps nothing of it.
    #[must_use]
    pub fn answer(response: Response<Bytes>) -> Self {
        Self::Answer(Box::new(response), None)
    }
}

impl<F: Filter> fmt::Debug for Step<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass(_) => "Pass",
            Self::Answer(..) => "Answer",
            Self::Wait(_) => "Wait",
        })
    }
}

impl Exchange {
    /// Answers the request with a rejection in the form that its caller reads, and keeps nothing of it.
    #[cold]
    pub fn reject<F: Filter, B>(&mut self, request: &Request<B>, rejection: Rejection) -> Step<F> {
        Step::Answer(Box::new(self.render(request, rejection)), None)
    }
}
