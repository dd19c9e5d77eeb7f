use std::sync::{Arc, Weak};
use std::time::Duration;

use palisade_core::time;
use tokio::sync::Notify;
use tokio::time::timeout_at;

use super::life::Life;
use super::session::Session;

/// The longest time between two looks, where nothing is due.
const LONGEST: Duration = Duration::from_secs(3600);

/// Keeps a token and its leases alive, until the last user of the session is gone or it is shut down.
pub(super) async fn keep(session: Weak<Session>, changed: Arc<Notify>) {
    loop {
        let next = match session.upgrade() {
            None => return,
            Some(session) => {
                let mut state = session.state.lock().await;
                if state.is_closed() {
                    return;
                }
                session.tend_token(&mut state).await;
                session.tend_leases(&mut state).await;
                let lives = state.leases.values().map(|lease| &lease.life);
                let lives = lives.chain(state.token().map(|held| &held.life));
                lives.filter_map(Life::act_at).min()
            }
        };
        let latest = time::now() + LONGEST;
        // A wake-up and the time come to the same: it looks again.
        let _ = timeout_at(
            next.map_or(latest, |next| next.min(latest)),
            changed.notified(),
        )
        .await;
    }
}
