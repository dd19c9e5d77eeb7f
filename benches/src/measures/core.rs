//! `core/*`: what layers share.

use std::error::Error;

use axum::extract::ConnectInfo;
use http::Extensions;
use palisade_core::RequestScope;

use crate::goal::Goal;
use crate::harness::{Mode, Outcome, Side, compare};
use crate::measure::Measure;

pub(crate) const MEASURES: &[Measure] = &[
    Measure {
        name: "core/scope-enter",
        what: "a scope entered on a request that already has extensions, as every server's has",
        goals: &[Goal::AllocsAtMost(2.0)],
        run: enter,
    },
    Measure {
        name: "core/scope-enter-fresh",
        what: "the same on a request without extensions",
        goals: &[Goal::AllocsAtMost(4.0)],
        run: enter_fresh,
    },
];

fn enter(mode: Mode) -> Result<Outcome, Box<dyn Error>> {
    let extensions = || {
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(std::net::SocketAddr::from((
            [203, 0, 113, 7],
            4433,
        ))));
        extensions
    };
    let entered = Side::new(move || {
        let mut extensions = extensions();
        let scope = RequestScope::enter(&mut extensions);
        (extensions, scope)
    });
    Ok(compare(mode, Some(entered.over(extensions)), Vec::new()))
}

fn enter_fresh(mode: Mode) -> Result<Outcome, Box<dyn Error>> {
    let entered = Side::new(|| {
        let mut extensions = Extensions::new();
        let scope = RequestScope::enter(&mut extensions);
        (extensions, scope)
    });
    Ok(compare(
        mode,
        Some(entered.over(Extensions::new)),
        Vec::new(),
    ))
}
