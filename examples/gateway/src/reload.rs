//! Takes the configuration again while the gateway runs: on SIGHUP, and when its file has changed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use palisade::audit::{Audit, Outcome, Record};
use palisade::breaker::BreakerHandle;
use palisade::config::{Assembly, Change, Config, ConfigError};
use palisade::time::WallClock;
use palisade::{EventKind, Reload, Stack};
use serde_json::{Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::config_file::{ConfigFile, Fingerprint};

/// The file is looked at so often. One that has changed is read once it has stood still for as long, so that nothing is
/// read that somebody is still writing.
const LOOK: Duration = Duration::from_secs(1);

/// The state of the configuration, for the dashboard.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConfigState(Arc<Mutex<Value>>);

impl ConfigState {
    /// The latest outcome as JSON.
    pub(crate) fn now(&self) -> Value {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.clone()
    }

    fn set(&self, state: Value) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

/// Everything that a new configuration changes.
pub(crate) struct Reloader {
    pub(crate) file: ConfigFile,
    pub(crate) current: Config,
    pub(crate) assembly: Arc<Assembly>,
    /// Replaces the stack.
    pub(crate) stack: Reload,
    /// Replaces the limit around `/v1/ping`.
    pub(crate) ping: Reload,
    pub(crate) breaker: BreakerHandle,
    pub(crate) audit: Audit,
    pub(crate) state: ConfigState,
}

/// The reason why the gateway looked at its configuration.
#[derive(Debug, Clone, Copy)]
enum Trigger {
    Signal,
    File,
}

impl Trigger {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Signal => "SIGHUP",
            Self::File => "file",
        }
    }
}

impl Reloader {
    /// The limit around `/v1/ping`, as the latest stack has it.
    pub(crate) fn ping(assembly: &Assembly) -> Stack {
        Stack::new().limit_clients(assembly.rate_limit("ping"))
    }

    /// Waits for changes for the rest of the process.
    ///
    /// # Errors
    ///
    /// Fails where the system lets nobody wait for SIGHUP.
    pub(crate) fn spawn(mut self) -> std::io::Result<()> {
        let signals = signal(SignalKind::hangup())?;
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut watch = Watch {
            signals,
            look,
            taken: self.file.fingerprint(),
            seen: self.file.fingerprint(),
        };
        self.state.set(json!({
            "outcome": "start",
            "file": self.file.path().display().to_string(),
            "time": WallClock::system().now().to_string(),
        }));
        tokio::spawn(async move {
            loop {
                let trigger = watch.changed(&self.file).await;
                self.take(trigger).await;
            }
        });
        Ok(())
    }

    /// Reads the configuration and puts it into place, or leaves everything as it is; and says so.
    async fn take(&mut self, trigger: Trigger) {
        let file = self.file.clone();
        let read = tokio::task::spawn_blocking(move || (file.load(), file.owner())).await;
        let Ok((loaded, owner)) = read else {
            return;
        };
        let taken = loaded.and_then(|newer| self.put_in_place(newer));
        self.tell(trigger, owner, taken).await;
    }

    fn put_in_place(&mut self, newer: Config) -> Result<Vec<Change>, ConfigError> {
        let stack = self.assembly.stack(&newer)?;
        let changes = self.current.changes_to(&newer);
        self.stack.replace(stack);
        self.ping.replace(Self::ping(&self.assembly));
        if changes.iter().any(|change| change.key() == BREAKER_MODE) {
            self.switch_breaker(&newer);
        }
        self.current = newer;
        Ok(changes)
    }

    fn switch_breaker(&self, newer: &Config) {
        use palisade::breaker::Mode;
        let mode = newer.breakers.get("upstream").map(|breaker| breaker.mode);
        match mode {
            None | Some(Some(Mode::Off)) => self.breaker.disable(),
            Some(Some(Mode::MetricsOnly)) => self.breaker.metrics_only(),
            Some(_) => self.breaker.reset(),
        }
    }

    /// Tells the log, the dashboard and the trail.
    async fn tell(
        &self,
        trigger: Trigger,
        owner: Option<String>,
        taken: Result<Vec<Change>, ConfigError>,
    ) {
        let file = self.file.path().display().to_string();
        // A signal does not say who sent it; only root and the owner of this process can.
        let who = owner.unwrap_or_else(|| "(nobody: no file)".to_owned());
        let lines = |changes: &[Change]| changes.iter().map(ToString::to_string).collect();
        let (outcome, said, later): (_, Vec<String>, Vec<String>) = match &taken {
            Ok(changes) => {
                let later = changes.iter().filter(|change| waits(change));
                let later = later.map(|change| change.key().to_owned()).collect();
                (Outcome::Success, lines(changes), later)
            }
            Err(error) => {
                let mistakes = error.mistakes().map(ToString::to_string).collect();
                (Outcome::Failure, mistakes, Vec::new())
            }
        };
        let trigger = trigger.as_str();
        match outcome {
            Outcome::Success => {
                tracing::warn!(%file, by = %who, trigger, changes = ?said, at_restart = ?later, "the configuration was taken");
            }
            _ => {
                tracing::error!(%file, by = %who, trigger, mistakes = ?said, "the configuration was refused; the old one stays");
            }
        }
        self.state.set(json!({
            "outcome": outcome.as_str(),
            "file": file,
            "time": WallClock::system().now().to_string(),
            "by": who,
            "trigger": trigger,
            "said": said,
            "at_restart": later,
        }));
        let record = Record::new(EventKind::ConfigurationChange)
            .actor(&who)
            .action("configuration.reload")
            .resource(file)
            .outcome(outcome)
            .detail("trigger", trigger)
            .detail("said", said)
            .detail("at_restart", later);
        if let Err(error) = self.audit.commit(record).await {
            tracing::error!(%error, "a change of the configuration is not on record");
        }
    }
}

const BREAKER_MODE: &str = "breakers.upstream.mode";

/// Whether a change holds from the next start on.
fn waits(change: &Change) -> bool {
    let key = change.key();
    let of_trail = key.starts_with("audit.") && key != "audit.mode";
    let of_calls =
        key.starts_with("retries.") || key.starts_with("breakers.") && key != BREAKER_MODE;
    of_trail || of_calls || key.starts_with("limits.") && key.ends_with(".capacity")
}

/// Waits for SIGHUP, or for a file that differs and stands still.
struct Watch {
    signals: Signal,
    look: Interval,
    /// The file as it was taken or refused last.
    taken: Fingerprint,
    /// The file as it was looked at last.
    seen: Fingerprint,
}

impl Watch {
    async fn changed(&mut self, file: &ConfigFile) -> Trigger {
        loop {
            let by_signal = tokio::select! {
                signal = self.signals.recv() => signal.is_some(),
                _ = self.look.tick() => false,
            };
            let now = file.fingerprint();
            let stands_still = now == self.seen;
            self.seen = now.clone();
            if by_signal || now != self.taken && stands_still {
                self.taken = now;
                return match by_signal {
                    true => Trigger::Signal,
                    false => Trigger::File,
                };
            }
        }
    }
}
