use std::time::Duration;

use palisade_core::EventKind;

/// The subject of a record, which decides how hard the trail tries to keep it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Class {
    /// A plain request.
    Access,
    /// Somebody proved who they are, or failed to.
    Authentication,
    /// A principal was refused, or a limit or an origin check said no.
    Authorization,
    /// An administrator did something.
    Admin,
    /// A configuration or a key was changed.
    Configuration,
    /// Sensitive data was read or written.
    Data,
    /// Operation of the service itself: breakers, stores, the trail.
    Operations,
}

impl Class {
    pub(crate) const ALL: [Self; 7] = [
        Self::Access,
        Self::Authentication,
        Self::Authorization,
        Self::Admin,
        Self::Configuration,
        Self::Data,
        Self::Operations,
    ];

    /// The class of a security event.
    #[must_use]
    pub const fn of(kind: EventKind) -> Self {
        match kind {
            EventKind::LoginSuccess
            | EventKind::LoginFailure
            | EventKind::RevokedTokenUse
            | EventKind::RefreshReuse
            | EventKind::TokenCreated
            | EventKind::TokenRevoked => Self::Authentication,
            EventKind::AuthorizationFailure => Self::Authorization,
            EventKind::AdminAction => Self::Admin,
            EventKind::ConfigurationChange => Self::Configuration,
            EventKind::DataAccess => Self::Data,
            // A flood of refusals must not be able to hold up the service that refuses them.
            EventKind::ExcessRateLimit
            | EventKind::MaliciousCors
            | EventKind::CrossOriginRequest
            | EventKind::InputValidationFailure => Self::Access,
            _ => Self::Operations,
        }
    }

    /// The name of the class in records and metrics, such as `authentication`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Authentication => "authentication",
            Self::Authorization => "authorization",
            Self::Admin => "admin",
            Self::Configuration => "configuration",
            Self::Data => "data",
            Self::Operations => "operations",
        }
    }
}

/// The guarantee for a record, from the weakest to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[non_exhaustive]
pub enum Delivery {
    /// Never holds a request up. When the queue is full the record is lost, and the trail says how many were, where
    /// they are missing (`audit_gap`).
    #[default]
    BestEffort,
    /// Holds the response back until the queue has room, at most this long; then the record is lost and counted.
    Block(Duration),
    /// Holds the response back until the record is on the disk (one `fsync` serves all that wait), at most
    /// [`AuditBuilder::sync_timeout`](crate::AuditBuilder::sync_timeout); then the response goes out and the record follows.
    Durable,
    /// As [`Durable`](Self::Durable), and the client gets 503 instead of a response that has no record. While the
    /// trail cannot be written the request does not reach the service at all.
    FailClosed,
}

impl Delivery {
    /// The time that a response waits for the disk by default: 5 seconds, well above what a busy disk needs and below what most
    /// clients and proxies wait.
    pub const SYNC_TIMEOUT: Duration = Duration::from_secs(5);

    /// The default of [`Block`](Self::Block): 1 second, long against a slow write, short against a
    /// client's patience.
    pub const BLOCK_TIMEOUT: Duration = Duration::from_secs(1);

    /// Whether the response waits until its record is on the disk.
    #[must_use]
    pub const fn is_synced(self) -> bool {
        matches!(self, Self::Durable | Self::FailClosed)
    }
}

/// The delivery of each class.
#[derive(Debug, Clone)]
pub(crate) struct Deliveries {
    of: [Delivery; Class::ALL.len()],
    any_fails_closed: bool,
    all_best_effort: bool,
}

impl Default for Deliveries {
    fn default() -> Self {
        let block = Delivery::Block(Delivery::BLOCK_TIMEOUT);
        let mut deliveries = Self {
            of: [Delivery::BestEffort; Class::ALL.len()],
            any_fails_closed: false,
            all_best_effort: true,
        };
        for class in [
            Class::Authentication,
            Class::Authorization,
            Class::Admin,
            Class::Configuration,
        ] {
            deliveries.set(class, block);
        }
        deliveries
    }
}

impl Deliveries {
    pub(crate) fn set(&mut self, class: Class, delivery: Delivery) {
        self.of[class as usize] = delivery;
        self.any_fails_closed = self.of.contains(&Delivery::FailClosed);
        self.all_best_effort = self.of == [Delivery::BestEffort; Class::ALL.len()];
    }

    pub(crate) const fn of(&self, class: Class) -> Delivery {
        self.of[class as usize]
    }

    pub(crate) const fn any_fails_closed(&self) -> bool {
        self.any_fails_closed
    }

    pub(crate) const fn all_best_effort(&self) -> bool {
        self.all_best_effort
    }
}

/// The policy while the file of a trail cannot be written: the disk is full, or fails, or has not answered for
/// [`AuditBuilder::sync_timeout`](crate::AuditBuilder::sync_timeout).
///
/// In each case the reserve of the file is released first; see [`RollingFile::reserve`](crate::RollingFile::reserve).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OnFailure {
    /// The writer tries again until it can. Records wait in the queue; once that is full, each class is delivered as
    /// far as its [`Delivery`] goes. The default: nothing is lost that needs not be, and the service goes on.
    #[default]
    Block,
    /// As [`Block`](Self::Block), and every request gets 503 meanwhile, whatever its class: no trail, no service.
    FailClosed,
    /// Lines go to standard error; in the file they are missing, and it says so (`audit_gap`) once it can be written.
    Stderr,
}
