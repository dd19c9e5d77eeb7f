//! Credentials that are made for their reader, and end with their lease.

use std::time::Duration;

use palisade_core::time::{self, Instant};
use secrecy::SecretString;
use serde::Serialize;

use super::life::{Life, Next};
use super::token::{Held, Renewal, is_final, jitter};
use super::wire::{Answer, Server};
use crate::provider::Fetched;
use crate::{ProviderError, Secret};

/// Credentials and their lease.
pub(super) struct Lease {
    id: String,
    secret: Secret,
    /// The number of the login whose token they end with.
    pub(super) login: u64,
    pub(super) life: Life,
    /// Whether the next reader gets others.
    is_spent: bool,
}

#[derive(Serialize)]
struct LeaseId<'a> {
    lease_id: &'a str,
    /// In seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    increment: Option<u64>,
}

impl Lease {
    /// Makes a lease of the answer to a request that was sent at `asked_at`, when its time began at the earliest.
    pub(super) fn new(
        held: &Held,
        secret: SecretString,
        answer: Answer<'_>,
        asked_at: Instant,
    ) -> Self {
        let time = Duration::from_secs(answer.lease_duration);
        Self {
            // Each lease is a version of its own.
            secret: Secret::new(secret).version(short(&answer.lease_id)),
            id: answer.lease_id,
            login: held.login,
            life: Life::new(asked_at, time, answer.renewable, jitter()),
            is_spent: false,
        }
    }

    /// Whether readers get these credentials, and not new ones.
    pub(super) fn is_good(&self, held: &Held, now: Instant) -> bool {
        let must_be_replaced = self.life.is_due(now) && self.life.next() == Next::Replace;
        let ends_with_token = held.life.is_due(now) && held.life.next() == Next::Replace;
        self.login == held.login
            && !self.is_spent
            && !must_be_replaced
            && !ends_with_token
            && !self.life.is_over(now)
    }

    /// The credentials until their lease or their token ends, whichever is earlier.
    pub(super) fn fetched(&self, held: &Held, now: Instant) -> Fetched {
        let fetched = Fetched::new(self.secret.clone());
        let ends = [self.life.left(now), held.life.left(now)];
        match ends.into_iter().flatten().min() {
            Some(left) => fetched.good_for(left),
            None => fetched,
        }
    }

    pub(super) fn spend(&mut self) {
        self.is_spent = true;
        self.life = self.life.left_alone();
    }

    pub(super) async fn renew(&self, server: &Server, token: &SecretString) -> Renewal {
        let now = time::now();
        let body = LeaseId {
            lease_id: &self.id,
            increment: Some(self.life.full().as_secs()),
        };
        let reply = match server.write("sys/leases/renew", Some(token), &body).await {
            Ok(reply) => reply,
            Err(error) => return Renewal::Failed(error),
        };
        if is_final(reply.status) {
            return Renewal::Ended;
        }
        match reply.success() {
            Ok(answer) => {
                let time = Duration::from_secs(answer.lease_duration);
                Renewal::Granted(self.life.renewed(now, time, answer.renewable, jitter()))
            }
            Err(error) => Renewal::Failed(error),
        }
    }

    pub(super) async fn revoke(
        &self,
        server: &Server,
        token: &SecretString,
    ) -> Result<(), ProviderError> {
        let body = LeaseId {
            lease_id: &self.id,
            increment: None,
        };
        let reply = server
            .write("sys/leases/revoke", Some(token), &body)
            .await?;
        if reply.status.is_success() {
            Ok(())
        } else {
            Err(reply.refusal())
        }
    }
}

/// The last part of a lease's identifier, which tells it from others of its path.
fn short(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}
