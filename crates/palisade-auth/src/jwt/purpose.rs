/// The purpose of an issuer's tokens: none passes for one of another purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Access tokens, which speak for somebody.
    Access,
    /// ID tokens (OpenID Connect Core 1.0, section 2), which say who has signed in.
    #[cfg(feature = "oidc")]
    SignIn,
    /// Logout tokens (OpenID Connect Back-Channel Logout 1.0, section 2.4).
    #[cfg(feature = "oidc")]
    Logout,
}

impl Purpose {
    /// Whether a token must say whom it is about.
    pub(super) const fn needs_subject(self) -> bool {
        match self {
            Self::Access => true,
            #[cfg(feature = "oidc")]
            Self::SignIn => true,
            #[cfg(feature = "oidc")]
            Self::Logout => false,
        }
    }
}
