//! `secrets/*`, which no peer offers in a form that can stand beside.

use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use http::StatusCode;
use palisade_core::Name;
use palisade_core::time::now;
use palisade_secrets::{
    BearerLayer, Environment, Fetched, Provider, ProviderError, Secret, Secrets, Stage,
};
use tower_layer::Layer;

use crate::exchange::{Handler, Template, drive, side};
use crate::goal::Goal;
use crate::harness::{Figure, Mode, Outcome, Side, compare, median};
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
        name: "secrets/read-during-refresh",
        what: "the 99th percentile of reads, each timed by itself, while another thread stores what it read anew",
        goals: &[Goal::AtMost(1_000.0)],
        run: read_during_refresh,
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

/// Reads that a refresh could hold up. Each takes the clock's own time too.
fn read_during_refresh(mode: Mode) -> Result<Outcome> {
    const READS: usize = 200_000;
    let rounds = match mode {
        Mode::Time { rounds } => rounds.div_ceil(30),
        Mode::Count(_) | Mode::Profile => 1,
    };
    // Absence is not remembered, so that whoever asks for what is not there stores that each time.
    let one = One(Secret::new(tokens::secret()?));
    let building = Secrets::builder(Environment::Production)
        .provider(one)
        .negative_ttl(Duration::ZERO)
        .require([TOKEN])
        .build();
    let secrets = drive(building)?.leak();
    let done = AtomicBool::new(false);
    let refreshes = AtomicUsize::new(0);
    let mut percentiles = Vec::with_capacity(rounds);
    std::thread::scope(|scope| -> Result<()> {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let absent = drive(secrets.secret("ABSENT"));
                refreshes.fetch_add(usize::from(absent.is_err()), Ordering::Relaxed);
            }
        });
        let mut read = || -> Result<()> {
            let mut each = Vec::with_capacity(READS);
            for _ in 0..READS {
                let before = now();
                drive(secrets.secret(TOKEN))?;
                each.push(before.elapsed().as_nanos());
            }
            each.sort_unstable();
            percentiles.push(each[READS * 99 / 100] as f64);
            Ok(())
        };
        let outcome = (0..rounds).try_for_each(|_| read());
        done.store(true, Ordering::Relaxed);
        outcome
    })?;
    if refreshes.load(Ordering::Relaxed) < 1_000 {
        return Err("nothing was stored meanwhile".into());
    }
    Ok(Outcome {
        unit: "ns",
        ours: Some(Figure {
            best: percentiles.iter().copied().fold(f64::MAX, f64::min),
            median: median(&percentiles),
            allocs: None,
        }),
        peers: Vec::new(),
        disturbed: false,
    })
}

fn bearer(mode: Mode) -> Result<Outcome> {
    let layer = BearerLayer::rotating(&secrets()?, TOKEN).leak();
    let service = layer.layer(Handler::<Body>::new());
    let ours = side::<_, Body, _>(service, &Template::get(), StatusCode::OK)?;
    Ok(compare(mode, Some(ours), Vec::new()))
}
