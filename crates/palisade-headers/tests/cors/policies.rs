//! The policies of `matrix.tsv`, for the model here and for the server that Chromium talks to.

use http::Method;
use palisade_headers::{CorsBuilder, CorsLayer};

/// The policy of this name.
pub(crate) fn policy(name: &str) -> CorsLayer {
    match name {
        "api" => CorsLayer::api(),
        "list" => listed().try_build().unwrap(),
        "cookie" => listed().credentials(true).try_build().unwrap(),
        "off" => CorsLayer::off(),
        other => panic!("no policy {other:?}"),
    }
}

fn listed() -> CorsBuilder {
    CorsLayer::builder()
        .origins(["https://app.test", "https://*.tenant.test"])
        .methods([Method::GET, Method::POST, Method::PUT])
        .headers(["content-type", "x-own"])
}
