//! Reading and renewing leased credentials.

use http::StatusCode;
use palisade_core::time;

use super::lease::Lease;
use super::life::Next;
use super::places::encoded;
use super::session::{Session, State};
use super::token::{Held, Renewal};
use super::wire::value_of;
use crate::ProviderError;
use crate::provider::Fetched;

impl Session {
    /// The credentials of a path: those that are there, or new ones if those near their end.
    pub(super) async fn leased(&self, path: &str) -> Result<Option<Fetched>, ProviderError> {
        let mut state = self.state.lock().await;
        let held = self.held(&mut state).await?;
        let now = time::now();
        if let Some(lease) = state.leases.get(path)
            && lease.is_good(&held, now)
        {
            return Ok(Some(lease.fetched(&held, now)));
        }
        let Some(lease) = self.make(&mut state, held, path).await? else {
            return Ok(None);
        };
        let Some(held) = state.token() else {
            return Err(ProviderError::new("the token has ended"));
        };
        let fetched = lease.fetched(held, time::now());
        state.leases.insert(path.into(), lease);
        self.changed.notify_one();
        Ok(Some(fetched))
    }

    async fn make(
        &self,
        state: &mut State,
        mut held: Held,
        path: &str,
    ) -> Result<Option<Lease>, ProviderError> {
        let url = encoded(path)?;
        let asked_at = time::now();
        let mut reply = self.server.read(&url, &held.token).await?;
        if reply.status == StatusCode::FORBIDDEN
            && let Some(next) = self.after_refusal(state, &held).await?
        {
            held = next;
            reply = self.server.read(&url, &held.token).await?;
        }
        if reply.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let answer = reply.success()?;
        let secret = match answer.data {
            Some(data) => value_of(data, None)?,
            None => None,
        };
        let secret = secret.ok_or_else(|| ProviderError::new("answered without credentials"))?;
        Ok(Some(Lease::new(&held, secret, answer, asked_at)))
    }

    /// Renews the leases for which that is due.
    pub(super) async fn tend_leases(&self, state: &mut State) {
        let Some(held) = state.token().cloned() else {
            return;
        };
        let now = time::now();
        state.leases.retain(|_, lease| !lease.life.is_over(now));
        for lease in state.leases.values_mut() {
            if lease.login != held.login
                || (lease.life.is_due(now) && lease.life.next() == Next::Replace)
            {
                lease.spend();
            } else if lease.life.is_due(now) {
                match lease.renew(&self.server, &held.token).await {
                    Renewal::Granted(life) => lease.life = life,
                    Renewal::Ended => lease.spend(),
                    Renewal::Failed(error) => {
                        tracing::warn!(target: "palisade_secrets", %error, "vault: lease not renewed");
                        lease.life = lease.life.postponed(time::now());
                    }
                }
            }
        }
    }
}
