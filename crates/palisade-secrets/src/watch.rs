use std::time::Duration;

use palisade_core::time;

use crate::{Secret, Secrets, Stage};

/// Waits for a secret to change; made by [`Secrets::watch`].
///
/// It reads the secret anew whenever that is due, without a task of its own.
#[derive(Debug)]
pub struct Watch {
    secrets: Secrets,
    name: Box<str>,
    seen: Option<Secret>,
}

impl Watch {
    pub(crate) fn new(secrets: Secrets, name: &str) -> Self {
        let seen = secrets.known(name, Stage::Current).secret.clone();
        Self {
            secrets,
            name: name.into(),
            seen,
        }
    }

    /// The next value that differs from the last one seen. A secret that was not there yet changes when it comes.
    ///
    /// A source that fails is asked again later; of a secret that never changes this waits for ever.
    ///
    /// # Cancel safety
    ///
    /// A change is not lost when this is dropped.
    pub async fn changed(&mut self) -> Secret {
        loop {
            if let Ok(secret) = self.secrets.secret(&self.name).await
                && !self
                    .seen
                    .as_ref()
                    .is_some_and(|seen| seen.same_value(&secret))
            {
                self.seen = Some(secret.clone());
                return secret;
            }
            match self.secrets.known(&self.name, Stage::Current).refresh_at() {
                // Reading at that time starts to read anew, and the value is there a little later.
                Some(at) => tokio::time::sleep_until(at.max(time::now() + LEAST_WAIT)).await,
                None => std::future::pending::<()>().await,
            }
        }
    }
}

/// So that nothing spins, whatever the times are set to.
const LEAST_WAIT: Duration = Duration::from_millis(100);
