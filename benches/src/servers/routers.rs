//! The same hello world three times.

use std::convert::Infallible;
use std::error::Error;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::get;
use futures_util::future::{FutureExt as _, Map};
use jwt_authorizer::AuthError;
use palisade::axum::{ProtectedRouter, protect};
use palisade_audit::Audit;
use tower::ServiceBuilder;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_layer::{Layer, layer_fn};
use tower_service::Service;

use crate::json_log::trace_layer;
use crate::ours;
use crate::peers::{Rate, cors, governor_with_headers, jwt_authorizer, set_header};

/// The router with no layer.
pub(crate) fn bare() -> Router {
    Router::new().route("/v1/ping", get(|| async { "hello, world" }))
}

/// The router behind our stack.
pub(crate) fn ours(secret: &str, audit: Audit) -> Result<ProtectedRouter, Box<dyn Error>> {
    Ok(protect(bare(), ours::stack(secret, audit)?))
}

/// The router behind the peers' best stack, in one layer, which costs axum least.
pub(crate) fn theirs(secret: &str) -> Result<Router, Box<dyn Error>> {
    let authorize = jwt_authorizer(secret)?;
    Ok(bare().layer(
        ServiceBuilder::new()
            .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
            .layer(trace_layer())
            .layer(PropagateRequestIdLayer::x_request_id())
            .layer(set_header(0))
            .layer(set_header(1))
            .layer(set_header(2))
            .layer(set_header(3))
            .layer(set_header(4))
            .layer(set_header(5))
            .layer(cors(1)?)
            .layer(governor_with_headers(Rate::ENDLESS)?)
            .layer(layer_fn(move |inner| Outer(authorize.layer(Inner(inner))))),
    ))
}

/// A response that jwt-authorizer, which knows only axum 0.7, can make. Nothing is boxed on the way.
struct Answer(Response);

impl From<AuthError> for Answer {
    fn from(error: AuthError) -> Self {
        Self(axum07::response::Response::from(error).map(Body::new))
    }
}

/// Around the user's service: from axum 0.8 to what jwt-authorizer knows.
#[derive(Clone)]
struct Inner<S>(S);

/// Around jwt-authorizer: back again.
#[derive(Clone)]
struct Outer<S>(S);

type Wrap<F> = Map<F, fn(Result<Response, Infallible>) -> Result<Answer, Infallible>>;
type Unwrap<F> = Map<F, fn(Result<Answer, Infallible>) -> Result<Response, Infallible>>;

impl<S> Service<Request> for Inner<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Answer;
    type Error = Infallible;
    type Future = Wrap<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        self.0.call(request).map(|result| result.map(Answer))
    }
}

impl<S> Service<Request> for Outer<S>
where
    S: Service<Request, Response = Answer, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Unwrap<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        self.0
            .call(request)
            .map(|result| result.map(|answer| answer.0))
    }
}
