//! `headers/*`, beside tower-http, tower-helmet and axum-helmet.

use std::error::Error;

use axum::body::Body;
use axum_helmet::{Helmet, HelmetLayer};
use http::StatusCode;
use tower::ServiceBuilder;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_layer::Layer;

use crate::exchange::{Handler, Template, side};
use crate::goal::Goal;
use crate::harness::{Mode, Outcome, compare};
use crate::measure::Measure;
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
        name: "headers/request-id",
        what: "an id made, and put into the response",
        goals: &[Goal::RatioAtMost(0.2)],
        run: request_id,
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
    Ok(compare(mode, None, vec![(version("tower-http"), theirs)]))
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
    Ok(compare(mode, None, peers))
}

fn from_origin() -> Template {
    Template::get().header("origin", ORIGIN)
}

fn cors_credentials(mode: Mode) -> Result<Outcome> {
    let theirs = cors(1)?.layer(Handler::<Body>::new());
    let theirs = side::<_, Body, _>(theirs, &from_origin(), StatusCode::OK)?;
    Ok(compare(mode, None, vec![(version("tower-http"), theirs)]))
}

fn request_id(mode: Mode) -> Result<Outcome> {
    let theirs = ServiceBuilder::new()
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .layer(PropagateRequestIdLayer::x_request_id())
        .service(Handler::<Body>::new());
    let theirs = side::<_, Body, _>(theirs, &Template::get(), StatusCode::OK)?;
    let name = format!("{} with {}", version("tower-http"), version("uuid"));
    Ok(compare(mode, None, vec![(name, theirs)]))
}
