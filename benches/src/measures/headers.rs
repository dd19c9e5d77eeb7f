//! `headers/*`, beside tower-http, tower-helmet and axum-helmet.

use std::convert::Infallible;
use std::error::Error;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::task::{Context, Poll};

use axum::body::Body;
use axum_helmet::{Helmet, HelmetLayer};
use http::{Request, Response, StatusCode};
use palisade_headers::{CspNonce, RequestIdLayer, SecurityHeadersLayer};
use tower::ServiceBuilder;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_layer::Layer;
use tower_service::Service;

use crate::exchange::{Handler, Template, side};
use crate::goal::Goal;
use crate::harness::{Mode, Outcome, compare};
use crate::measure::Measure;
use crate::ours;
use crate::peers::{ORIGIN, cors, set_header};
use crate::versions::version;

pub(crate) const MEASURES: &[Measure] = &[
    Measure {
        name: "headers/six",
        what: "six security headers, unless the handler set them",
        goals: &[Goal::RatioAtMost(0.5)],
        run: six,
    },
    Measure {
        name: "headers/twelve",
        what: "12 to 14 security headers",
        goals: &[Goal::RatioAtMost(0.35), Goal::AllocsAtMost(2.0)],
        run: twelve,
    },
    Measure {
        name: "headers/cors-credentials",
        what: "CORS for one origin with credentials, a plain request",
        goals: &[Goal::RatioAtMost(0.35)],
        run: cors_credentials,
    },
    Measure {
        name: "headers/cors-1000-origins",
        what: "the same with 1,000 origins, of which the last one asks",
        goals: &[Goal::RatioAtMost(1.3)],
        run: cors_many_origins,
    },
    Measure {
        name: "headers/request-id",
        what: "an id made, and put into the response",
        goals: &[Goal::RatioAtMost(0.2)],
        run: request_id,
    },
    Measure {
        name: "headers/off",
        what: "a layer that is off around a handler",
        goals: &[Goal::AtMost(25.0), Goal::AllocsAtMost(0.0)],
        run: off,
    },
    Measure {
        name: "headers/nonce",
        what: "the preset for pages, with a nonce that the handler reads",
        goals: &[Goal::AtMost(250.0)],
        run: nonce,
    },
];

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn six(mode: Mode) -> Result<Outcome> {
    let theirs = ServiceBuilder::new()
        .layer(set_header(0))
        .layer(set_header(1))
        .layer(set_header(2))
        .layer(set_header(3))
        .layer(set_header(4))
        .layer(set_header(5))
        .service(Handler::<Body>::new());
    let theirs = side::<_, Body, _>(theirs, &Template::get(), StatusCode::OK)?;
    let ours = ours::six_headers().layer(Handler::<Body>::new());
    let ours = side::<_, Body, _>(ours, &Template::get(), StatusCode::OK)?;
    Ok(compare(
        mode,
        Some(ours),
        vec![(version("tower-http"), theirs)],
    ))
}

fn twelve(mode: Mode) -> Result<Outcome> {
    let tower = tower_helmet::HelmetLayer::with_defaults().layer(Handler::<Body>::new());
    let tower = side::<_, Body, _>(tower, &Template::get(), StatusCode::OK)?;
    let axum: HelmetLayer = Helmet::default()
        .try_into()
        .map_err(|error| format!("{error:?}"))?;
    let axum = side::<_, Body, _>(
        axum.layer(Handler::<Body>::new()),
        &Template::get(),
        StatusCode::OK,
    )?;
    let peers = vec![
        (version("tower-helmet"), tower),
        (version("axum-helmet"), axum),
    ];
    let ours = SecurityHeadersLayer::owasp()
        .leak()
        .layer(Handler::<Body>::new());
    let ours = side::<_, Body, _>(ours, &Template::get(), StatusCode::OK)?;
    Ok(compare(mode, Some(ours), peers))
}

fn from_origin() -> Template {
    Template::get().header("origin", ORIGIN)
}

fn cors_credentials(mode: Mode) -> Result<Outcome> {
    let theirs = cors(1)?.layer(Handler::<Body>::new());
    let theirs = side::<_, Body, _>(theirs, &from_origin(), StatusCode::OK)?;
    let ours = ours::cors(1)?.layer(Handler::<Body>::new());
    let ours = side::<_, Body, _>(ours, &from_origin(), StatusCode::OK)?;
    Ok(compare(
        mode,
        Some(ours),
        vec![(version("tower-http"), theirs)],
    ))
}

/// Beside our own with one origin, since what counts is that a list is not walked through.
fn cors_many_origins(mode: Mode) -> Result<Outcome> {
    let theirs = cors(1_000)?.layer(Handler::<Body>::new());
    let theirs = side::<_, Body, _>(theirs, &from_origin(), StatusCode::OK)?;
    let one = ours::cors(1)?.layer(Handler::<Body>::new());
    let one = side::<_, Body, _>(one, &from_origin(), StatusCode::OK)?;
    let ours = ours::cors(1_000)?.layer(Handler::<Body>::new());
    let ours = side::<_, Body, _>(ours, &from_origin(), StatusCode::OK)?;
    let peers = vec![
        ("ours with one origin".to_owned(), one),
        (version("tower-http"), theirs),
    ];
    Ok(compare(mode, Some(ours), peers))
}

fn request_id(mode: Mode) -> Result<Outcome> {
    let theirs = ServiceBuilder::new()
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .layer(PropagateRequestIdLayer::x_request_id())
        .service(Handler::<Body>::new());
    let theirs = side::<_, Body, _>(theirs, &Template::get(), StatusCode::OK)?;
    let name = format!("{} with {}", version("tower-http"), version("uuid"));
    let ours = RequestIdLayer::new().leak().layer(Handler::<Body>::new());
    let ours = side::<_, Body, _>(ours, &Template::get(), StatusCode::OK)?;
    Ok(compare(mode, Some(ours), vec![(name, theirs)]))
}

fn off(mode: Mode) -> Result<Outcome> {
    let ours = RequestIdLayer::off().layer(Handler::<Body>::new());
    let ours = side::<_, Body, _>(ours, &Template::get(), StatusCode::OK)?;
    Ok(compare(mode, Some(ours), Vec::new()))
}

/// A handler that writes the nonce into its page, or would.
#[derive(Debug, Clone)]
struct Page;

impl Service<Request<Body>> for Page {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<std::result::Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let nonce = CspNonce::of(request.extensions());
        black_box(nonce.as_ref().map(CspNonce::as_str));
        ready(Ok(Response::new(Body::default())))
    }
}

fn nonce(mode: Mode) -> Result<Outcome> {
    let ours = SecurityHeadersLayer::page().leak().layer(Page);
    let ours = side::<_, Body, _>(ours, &Template::get(), StatusCode::OK)?;
    Ok(compare(mode, Some(ours), Vec::new()))
}
