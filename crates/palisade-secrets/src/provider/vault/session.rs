//! The token that reads are made with, and how it lives on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use palisade_core::time;
use serde::Serialize;
use tokio::sync::{Mutex, Notify};

use super::lease::Lease;
use super::life::{Life, Next};
use super::login::Login;
use super::token::{Held, Renewal, is_final, jitter};
use super::wire::{Reply, Server};
use crate::ProviderError;

/// A login, its token and its leases, shared by all clones.
pub(super) struct Session {
    pub(super) server: Server,
    login: Login,
    /// Held while a token is had or renewed, so that readers who need one wait for one login and no more.
    pub(super) state: Mutex<State>,
    /// Wakes the keeper, because there is something else to keep.
    pub(super) changed: Arc<Notify>,
}

#[derive(Default)]
pub(super) struct State {
    held: Option<Held>,
    logins: u64,
    /// By path.
    pub(super) leases: BTreeMap<Box<str>, Lease>,
    is_closed: bool,
}

#[derive(Serialize)]
struct Empty {}

impl Session {
    pub(super) fn new(server: Server, login: Login) -> Self {
        Self {
            server,
            login,
            state: Mutex::default(),
            changed: Arc::default(),
        }
    }

    /// Reads a path. After a refusal that is due to a token that has ended, it logs in once and reads once more.
    pub(super) async fn read(&self, path: &str) -> Result<Reply, ProviderError> {
        let held = self.held(&mut *self.state.lock().await).await?;
        let reply = self.server.read(path, &held.token).await?;
        if reply.status != StatusCode::FORBIDDEN {
            return Ok(reply);
        }
        let next = self
            .after_refusal(&mut *self.state.lock().await, &held)
            .await?;
        match next {
            Some(next) => self.server.read(path, &next.token).await,
            None => Ok(reply),
        }
    }

    /// The token to read with. Logs in if there is none, or if it has ended.
    pub(super) async fn held(&self, state: &mut State) -> Result<Held, ProviderError> {
        if state.is_closed {
            return Err(ProviderError::new("it was shut down"));
        }
        if let Some(held) = &state.held
            && !held.life.is_over(time::now())
        {
            return Ok(held.clone());
        }
        self.log_in(state).await
    }

    /// A token to try again with after a refusal, if it was the token's: a policy that forbids a path refuses every
    /// token, and another login would end the leases of this one.
    pub(super) async fn after_refusal(
        &self,
        state: &mut State,
        refused: &Held,
    ) -> Result<Option<Held>, ProviderError> {
        if let Some(held) = &state.held
            && held.login != refused.login
        {
            return Ok(Some(held.clone()));
        }
        let own = self
            .server
            .read("auth/token/lookup-self", &refused.token)
            .await?;
        if own.status != StatusCode::FORBIDDEN {
            return Ok(None);
        }
        state.held = None;
        if self.login.is_repeatable() {
            self.log_in(state).await.map(Some)
        } else {
            Err(ProviderError::new(
                "the token has ended or was revoked, and there is no other",
            ))
        }
    }

    async fn log_in(&self, state: &mut State) -> Result<Held, ProviderError> {
        // The time of what is granted begins before it is known here.
        let now = time::now();
        let granted = self.login.log_in(&self.server).await?;
        state.logins += 1;
        let held = Held {
            token: granted.token,
            login: state.logins,
            life: Life::new(now, granted.time, granted.renewable, jitter()),
        };
        state.held = Some(held.clone());
        self.changed.notify_one();
        Ok(held)
    }

    /// Renews the token, or replaces it, if that is due.
    pub(super) async fn tend_token(&self, state: &mut State) {
        let Some(held) = state
            .held
            .clone()
            .filter(|held| held.life.is_due(time::now()))
        else {
            return;
        };
        let renewed = match held.life.next() {
            Next::Renew => self.renew(&held).await,
            Next::Replace => Renewal::Ended,
        };
        let life = match renewed {
            Renewal::Granted(life) => life,
            Renewal::Ended if !self.login.is_repeatable() => held.life.left_alone(),
            Renewal::Ended => match self.log_in(state).await {
                Ok(_) => return,
                Err(error) => {
                    tracing::warn!(target: "palisade_secrets", %error, "vault: no new login");
                    held.life.postponed(time::now())
                }
            },
            Renewal::Failed(error) => {
                tracing::warn!(target: "palisade_secrets", %error, "vault: token not renewed");
                held.life.postponed(time::now())
            }
        };
        state.held = Some(Held { life, ..held });
    }

    async fn renew(&self, held: &Held) -> Renewal {
        let now = time::now();
        let asked = self
            .server
            .write("auth/token/renew-self", Some(&held.token), &Empty {});
        let reply = match asked.await {
            Ok(reply) => reply,
            Err(error) => return Renewal::Failed(error),
        };
        if is_final(reply.status) {
            return Renewal::Ended;
        }
        match reply.success() {
            Ok(answer) => match answer.auth {
                Some(auth) => {
                    let time = Duration::from_secs(auth.lease_duration);
                    Renewal::Granted(held.life.renewed(now, time, auth.renewable, jitter()))
                }
                None => Renewal::Ended,
            },
            Err(error) => Renewal::Failed(error),
        }
    }

    /// Revokes the leases and the token of a login, and closes.
    pub(super) async fn shutdown(&self) -> Result<(), ProviderError> {
        let mut state = self.state.lock().await;
        state.is_closed = true;
        let leases = std::mem::take(&mut state.leases);
        let Some(held) = state.held.take() else {
            return Ok(());
        };
        let mut outcome = Ok(());
        for lease in leases
            .into_values()
            .filter(|lease| lease.login == held.login)
        {
            outcome = outcome.and(lease.revoke(&self.server, &held.token).await);
        }
        if self.login.is_repeatable() {
            let revoked = self
                .server
                .write("auth/token/revoke-self", Some(&held.token), &Empty {});
            outcome = outcome.and(revoked.await.and_then(
                |reply| match reply.status.is_success() {
                    true => Ok(()),
                    false => Err(reply.refusal()),
                },
            ));
        }
        self.changed.notify_one();
        outcome
    }
}

/// So that the keeper, which holds no share of it, ends at once.
impl Drop for Session {
    fn drop(&mut self) {
        self.changed.notify_one();
    }
}

impl State {
    pub(super) const fn token(&self) -> Option<&Held> {
        self.held.as_ref()
    }

    pub(super) const fn is_closed(&self) -> bool {
        self.is_closed
    }
}
