use http::StatusCode;
use palisade_core::random;
use secrecy::SecretString;

use super::life::Life;
use crate::ProviderError;

/// A token.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) token: SecretString,
    /// The number of its login.
    pub(super) login: u64,
    pub(super) life: Life,
}

/// The outcome of asking for more time.
pub(super) enum Renewal {
    Granted(Life),
    /// There is no more, and asking again does not help.
    Ended,
    Failed(ProviderError),
}

/// Whether a renewal was refused for good: it is not renewable, not known, or the token was revoked.
pub(super) fn is_final(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND
    )
}

/// Without random bytes the jitter is none, which does no harm.
pub(super) fn jitter() -> f64 {
    f64::from(random::bytes::<1>().unwrap_or_default()[0]) / 255.0
}
