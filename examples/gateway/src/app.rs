//! The state that handlers share.

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;
use palisade::audit::Audit;
use palisade::auth::{JwtVerifier, Roles, TokenIssuer};
use palisade::config::Assembly;
use tokio::sync::watch;

use crate::bookings::Bookings;
use crate::cache::AnswerCache;
use crate::counts::Counts;
use crate::quotes::Quotes;
use crate::reload::ConfigState;
use crate::shared::Families;
use crate::upstream::Switch;
use crate::users::Users;

/// Made once at start-up and kept as long as the process lives, so that a request counts no references.
pub(crate) struct App {
    pub(crate) bookings: Bookings,
    pub(crate) users: Users,
    pub(crate) tokens: TokenIssuer,
    /// Says when the credential of an open WebSocket ends.
    pub(crate) verifier: JwtVerifier,
    pub(crate) refresh: Families,
    pub(crate) roles: Roles,
    /// Makes the stack; it has the limits of the latest one.
    pub(crate) assembly: Arc<Assembly>,
    /// The state of the configuration.
    pub(crate) config: ConfigState,
    /// Answers of `/api/public`.
    pub(crate) public: AnswerCache,
    pub(crate) quotes: Quotes,
    pub(crate) upstream: Switch,
    pub(crate) audit: Audit,
    pub(crate) counts: Counts,
    pub(crate) metrics: PrometheusHandle,
    /// Becomes true when the process is told to stop.
    pub(crate) stopping: watch::Receiver<bool>,
}

/// The state of every handler.
pub(crate) type State = axum::extract::State<&'static App>;
