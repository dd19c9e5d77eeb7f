//! `secrets/*`, which no peer offers in a form that can stand beside.

use std::error::Error;

use axum::body::Body;
use http::StatusCode;
use palisade_core::Name;
use palisade_secrets::{
    BearerLayer, Environment, Fetched, Provider, ProviderError, Secret, Secrets, Stage,
};
use tower_layer::Layer;

use crate::exchange::{Handler, Template, drive, side};
use crate::goal::Goal;
use crate::harness::{Mode, Outcome, Side, compare};
use crate::measure::Measure;
use crate::tokens;

pub(crate) const MEASURES: &[Measure] = &[
    Measure {
        name: "secrets/cached-read",
        what: "a secret that was read before",
        goals: &[Goal::AtMost(50.0), Goal::AllocsAtMost(0.0)],
        run: cached_read,
    },
    Measure {
        name: "secrets/bearer",
        what: "an outbound request signed with a token that may rotate",
        goals: &[Goal::AtMost(150.0)],
        run: bearer,
    },
];

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const TOKEN: &str = "BACKEND_SERVICE_TOKEN";

/// A provider that has one secret, which may change at any time for all that its readers know.
struct One(Secret);

impl Provider for One {
    fn name(&self) -> Name {
        Name::from_static("bench")
    }

    async fn fetch(
        &self,
        name: &str,
        stage: Stage,
    ) -> std::result::Result<Option<Fetched>, ProviderError> {
        let known = name == TOKEN && stage == Stage::Current;
        Ok(known.then(|| Fetched::new(self.0.clone())))
    }
}

fn secrets() -> Result<Secrets> {
    let one = One(Secret::new(tokens::secret()?));
    let building = Secrets::builder(Environment::Production)
        .provider(one)
        .require([TOKEN])
        .build();
    Ok(drive(building)?.leak())
}

fn cached_read(mode: Mode) -> Result<Outcome> {
    let secrets = secrets()?;
    drive(secrets.secret(TOKEN))?;
    let ours = Side::new(move || drive(secrets.secret(TOKEN)).is_ok());
    Ok(compare(mode, Some(ours), Vec::new()))
}

fn bearer(mode: Mode) -> Result<Outcome> {
    let layer = BearerLayer::rotating(&secrets()?, TOKEN).leak();
    let service = layer.layer(Handler::<Body>::new());
    let ours = side::<_, Body, _>(service, &Template::get(), StatusCode::OK)?;
    Ok(compare(mode, Some(ours), Vec::new()))
}
