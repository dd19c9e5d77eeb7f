//! The verdicts of a real browser and of graders: `cargo xtask test --browser`, or `PALISADE_BROWSER=1 cargo test`.
//!
//! Without that variable these tests do nothing and say so, because Chromium and Node are not on every machine. With it
//! they fail where something is missing, and name what to install.

#[path = "../cors/policies.rs"]
mod policies;
mod server;
mod suite;

use suite::Suite;

#[test]
fn chromium_agrees_with_every_cell_of_the_cors_matrix() {
    if let Some(suite) = Suite::start() {
        suite.node("cors.mjs");
    }
}

#[test]
fn chromium_runs_the_script_with_the_nonce_and_no_injected_one() {
    if let Some(suite) = Suite::start() {
        suite.node("nonce.mjs");
    }
}

#[test]
fn chromium_runs_the_script_of_a_stored_page_after_a_304() {
    if let Some(suite) = Suite::start() {
        suite.node("stored.mjs");
    }
}

#[test]
fn the_http_observatory_grades_the_api_and_the_page_preset_a_plus() {
    if let Some(suite) = Suite::start() {
        suite.node("observatory.mjs");
    }
}

#[test]
fn csp_evaluator_finds_nothing_of_weight_in_the_api_and_the_page_preset() {
    if let Some(suite) = Suite::start() {
        suite.node("csp.mjs");
    }
}
