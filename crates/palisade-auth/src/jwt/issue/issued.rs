use std::fmt;
use std::time::Duration;

use palisade_core::time::UnixTime;

/// A token just issued. Its `Debug` does not show it.
#[derive(Clone)]
pub struct IssuedToken {
    pub(super) token: String,
    pub(super) id: String,
    pub(super) expires_at: UnixTime,
    pub(super) expires_in: Duration,
}

impl IssuedToken {
    /// The token itself, for the response to the one it was made for and nowhere else.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.token
    }

    /// The token itself, taken out.
    #[must_use]
    pub fn into_string(self) -> String {
        self.token
    }

    /// `jti`, by which the token can be revoked. Not a secret.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// `exp`.
    #[must_use]
    pub const fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// Returns the lifetime from now on, the value of `expires_in` (RFC 6749, section 5.1).
    #[must_use]
    pub const fn expires_in(&self) -> Duration {
        self.expires_in
    }
}

impl fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedToken")
            .field("token", &"[redacted]")
            .field("id", &self.id)
            .field("expires_at", &self.expires_at)
            .finish()
    }
}
