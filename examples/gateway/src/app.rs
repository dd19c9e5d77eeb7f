//! What the handlers share.

use palisade::audit::Audit;
use palisade::auth::{RefreshTokens, Roles, TokenIssuer};
use palisade::ratelimit::RateLimiter;

use crate::bookings::Bookings;
use crate::quotes::Quotes;
use crate::upstream::Switch;
use crate::users::Users;

/// Made once at start-up and kept as long as the process lives, so that a request counts no references.
pub(crate) struct App {
    pub(crate) bookings: Bookings,
    pub(crate) users: Users,
    pub(crate) tokens: TokenIssuer,
    pub(crate) refresh: RefreshTokens,
    pub(crate) roles: Roles,
    pub(crate) failed_logins: RateLimiter,
    pub(crate) quotes: Quotes,
    pub(crate) upstream: Switch,
    pub(crate) audit: Audit,
}

/// The state of every handler.
pub(crate) type State = axum::extract::State<&'static App>;
