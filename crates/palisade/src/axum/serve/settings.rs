use std::fmt;
#[cfg(feature = "tls")]
use std::sync::Arc;
use std::time::Duration;

/// The most that a semaphore of tokio counts on every platform.
pub(super) const MOST_CONNECTIONS: usize = u32::MAX as usize >> 4;

/// The longest time between two checks of a connection.
const LONGEST_CHECK: Duration = Duration::from_secs(5);

/// The idle time of a connection while others wait for its place.
pub(super) const IDLE_WHEN_FULL: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) header: Duration,
    pub(super) idle: Duration,
    pub(super) transfer: Duration,
    /// Bytes a second; zero for none.
    pub(super) least_rate: u32,
    pub(super) connections: usize,
    pub(super) per_address: Option<usize>,
    pub(super) drain: Duration,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<Arc<tokio_rustls::rustls::ServerConfig>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            header: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            transfer: Duration::from_secs(30),
            least_rate: 500,
            connections: 10_000,
            per_address: None,
            drain: Duration::from_secs(30),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

impl Settings {
    /// The time between two checks of a connection.
    pub(super) fn check_every(&self) -> Duration {
        let shortest = self.header.min(self.idle).min(self.transfer);
        (shortest / 4).clamp(Duration::from_millis(1), LONGEST_CHECK)
    }

    pub(super) fn per_address(&self) -> usize {
        self.per_address
            .unwrap_or_else(|| (self.connections / 4).max(1))
    }

    /// The longest time of a transfer of so many bytes.
    pub(super) fn allowance(&self, bytes: u64) -> Duration {
        let by_rate = bytes.checked_div(u64::from(self.least_rate)).unwrap_or(0);
        self.transfer.saturating_add(Duration::from_secs(by_rate))
    }

    /// Whether any progress starts the time of a transfer anew.
    pub(super) const fn any_progress_will_do(&self) -> bool {
        self.least_rate == 0
    }
}

pub(super) fn at_least_a_milli(time: Duration) -> Duration {
    time.max(Duration::from_millis(1))
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("header_timeout", &self.header)
            .field("idle_timeout", &self.idle)
            .field("transfer_timeout", &self.transfer)
            .field("least_rate", &self.least_rate)
            .field("max_connections", &self.connections)
            .field("max_connections_per_address", &self.per_address())
            .field("drain", &self.drain)
            .finish_non_exhaustive()
    }
}
