/// The purpose of an issuer's tokens: none passes for one of another purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Access tokens, which speak for somebody.
    Access,
    /// ID tokens (OpenID Connect Core 1.0, section 2), which say who has signed in.
    #[cfg(feature = "oidc")]
    SignIn,
    /// Claims of the userinfo endpoint in a signed token (OpenID Connect Core 1.0, section 5.3.2).
    #[cfg(feature = "oidc")]
    Userinfo,
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
            Self::SignIn | Self::Userinfo => true,
            #[cfg(feature = "oidc")]
            Self::Logout => false,
        }
    }

    /// Whether a token must say when it ends. Claims are no credential, and few providers end them.
    pub(super) const fn needs_expiry(self) -> bool {
        match self {
            Self::Access => true,
            #[cfg(feature = "oidc")]
            Self::SignIn | Self::Logout => true,
            #[cfg(feature = "oidc")]
            Self::Userinfo => false,
        }
    }
}
