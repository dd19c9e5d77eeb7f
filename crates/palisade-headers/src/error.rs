use palisade_core::Problems;

/// A configuration that cannot be used, with everything that is wrong with it.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadersError {
    /// The CORS policy.
    #[error("CORS: {0}")]
    Cors(Problems),
    /// The security headers.
    #[error("security headers: {0}")]
    Security(Problems),
    /// The cross-origin guard.
    #[error("cross-origin guard: {0}")]
    CrossOrigin(Problems),
    /// The request ids.
    #[error("request ids: {0}")]
    RequestId(Problems),
    /// The redirect to HTTPS.
    #[error("redirect to HTTPS: {0}")]
    HttpsRedirect(Problems),
    /// The hardening of cookies.
    #[error("cookies: {0}")]
    Cookies(Problems),
}

impl HeadersError {
    /// Every problem, in the order in which it was found.
    #[must_use]
    pub const fn problems(&self) -> &Problems {
        match self {
            Self::Cors(problems)
            | Self::Security(problems)
            | Self::CrossOrigin(problems)
            | Self::RequestId(problems)
            | Self::HttpsRedirect(problems)
            | Self::Cookies(problems) => problems,
        }
    }
}

palisade_core::debug_as_display!(HeadersError);
