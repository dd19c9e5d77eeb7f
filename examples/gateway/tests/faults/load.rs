//! Clients that ask without a pause for thought, and what became of each request.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Client;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::support::{Gateway, PASSWORD};

/// A request that got no answer in this time, or a connection that ended, has this status.
pub(crate) const NO_ANSWER: u16 = 0;
/// No answer may take longer. What the gateway waits for takes less than a second; the rest is for a machine that is busy
/// with other tests.
pub(crate) const LONGEST: Duration = Duration::from_secs(10);

/// One request.
#[derive(Debug)]
pub(crate) struct Sample {
    kind: &'static str,
    sent: Instant,
    took: Duration,
    status: u16,
}

/// Clients at work until they are told to stop.
pub(crate) struct Load {
    clients: JoinSet<Vec<Sample>>,
    stop: watch::Sender<bool>,
}

/// Everything that the clients saw.
pub(crate) struct Samples(Vec<Sample>);

/// The requests of one kind in one phase.
#[derive(Debug, Default)]
pub(crate) struct Phase {
    pub(crate) statuses: BTreeMap<u16, usize>,
    pub(crate) p99: Duration,
    pub(crate) longest: Duration,
}

impl Load {
    /// So many clients, which ask for what is in `mix` in turn: `ping`, `me`, `forged` or a path. One in ten requests of the
    /// first client is a sign-in.
    pub(crate) fn start(
        gateway: &Gateway,
        token: &str,
        clients: u8,
        mix: &'static [&'static str],
    ) -> Self {
        let (stop, told) = watch::channel(false);
        let clients = (0..clients)
            .map(|number| {
                let asker = Asker {
                    // A pool of its own, as a client of its own has.
                    client: Client::builder().timeout(LONGEST).build().unwrap(),
                    url: gateway.url.clone(),
                    token: token.to_owned(),
                    number,
                    mix,
                };
                asker.run(told.clone())
            })
            .collect();
        Self { clients, stop }
    }

    pub(crate) async fn stop(self) -> Samples {
        self.stop.send_replace(true);
        Samples(
            self.clients
                .join_all()
                .await
                .into_iter()
                .flatten()
                .collect(),
        )
    }
}

struct Asker {
    client: Client,
    url: String,
    token: String,
    number: u8,
    mix: &'static [&'static str],
}

impl Asker {
    async fn run(self, stop: watch::Receiver<bool>) -> Vec<Sample> {
        let mut samples = Vec::new();
        let mut nth = 0_u32;
        while !*stop.borrow() {
            let kind = match nth {
                sign_in if self.number == 0 && sign_in % 10 == 0 => "login",
                _ => self.mix[nth as usize % self.mix.len()],
            };
            let sent = palisade_core::time::now();
            let status = self.ask(kind, nth).await;
            samples.push(Sample {
                kind,
                sent,
                took: sent.elapsed(),
                status,
            });
            nth += 1;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        samples
    }

    async fn ask(&self, kind: &str, nth: u32) -> u16 {
        let at = |path: &str| format!("{}{path}", self.url);
        let request = match kind {
            "login" => self
                .client
                .post(at("/auth/token"))
                .json(&json!({ "username": "alice", "password": PASSWORD })),
            "me" => self.client.get(at("/api/me")).bearer_auth(&self.token),
            "ping" => self
                .client
                .get(at("/v1/ping"))
                .header("x-track-id", format!("{}-{nth}", self.number)),
            "forged" => self.client.get(at("/api/me")).bearer_auth("a.b.c"),
            path => self.client.get(at(path)),
        };
        // Sign-ins are few a minute for each address; the others come from a thousand.
        let [_, _, high, low] = nth.to_be_bytes();
        let high = if kind == "login" { high } else { high % 4 };
        let address = format!("10.{}.{high}.{low}", self.number);
        let answer = request.header("x-forwarded-for", address).send().await;
        let Ok(answer) = answer else {
            return NO_ANSWER;
        };
        let status = answer.status().as_u16();
        match answer.bytes().await {
            Ok(_) => status,
            Err(_) => NO_ANSWER,
        }
    }
}

impl Samples {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The requests of this kind that were sent between two points in time.
    pub(crate) fn phase(&self, kind: &str, from: Instant, to: Instant) -> Phase {
        let of_phase = |sample: &&Sample| sample.kind == kind && (from..to).contains(&sample.sent);
        let mut took: Vec<Duration> = Vec::new();
        let mut phase = Phase::default();
        for sample in self.0.iter().filter(of_phase) {
            *phase.statuses.entry(sample.status).or_default() += 1;
            took.push(sample.took);
        }
        took.sort_unstable();
        phase.longest = took.last().copied().unwrap_or_default();
        phase.p99 = took.get(took.len() * 99 / 100).copied().unwrap_or_default();
        phase
    }

    /// The time from `since` until a request of this kind was answered with 200 that was sent after it.
    pub(crate) fn first_success(&self, kind: &str, since: Instant) -> Option<Duration> {
        let later = self
            .0
            .iter()
            .filter(|sample| sample.kind == kind && sample.sent >= since);
        let well = later.filter(|sample| sample.status == 200);
        let first = well.map(|sample| sample.sent + sample.took).min()?;
        Some(first.duration_since(since))
    }

    pub(crate) fn count(&self, status: u16) -> usize {
        self.0
            .iter()
            .filter(|sample| sample.status == status)
            .count()
    }
}

impl Phase {
    pub(crate) fn total(&self) -> usize {
        self.statuses.values().sum()
    }

    pub(crate) fn share(&self, status: u16) -> f64 {
        let count = self.statuses.get(&status).copied().unwrap_or_default();
        count as f64 / self.total().max(1) as f64
    }
}
