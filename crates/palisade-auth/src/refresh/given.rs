use std::fmt;
use std::sync::Arc;

use palisade_core::Principal;

/// A refresh token just given out. Its `Debug` does not show it.
#[derive(Clone)]
pub struct RefreshToken {
    pub(super) text: String,
    pub(super) principal: Arc<Principal>,
}

impl RefreshToken {
    /// The token itself, for the response to the one it was made for and nowhere else.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The principal as it signed in, with the family's session: issue the access token for it.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshToken")
            .field("principal", &self.principal)
            .finish_non_exhaustive()
    }
}
