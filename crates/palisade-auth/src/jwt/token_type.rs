use super::parse::Header;

/// The `typ` of an issuer's access tokens (RFC 8725, section 3.11).
///
/// Whatever is chosen, a token that says of itself that it is an ID or a refresh token is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenType {
    /// `at+jwt` alone (RFC 9068, section 2.1): the default for tokens of our own.
    AccessToken,
    /// Absent, `JWT` or `at+jwt`: the default for other issuers, few of which set `at+jwt`.
    Common,
    /// Exactly this one, in any case and with or without `application/`.
    Exactly(Box<str>),
}

impl TokenType {
    pub(crate) fn accepts(&self, header: &Header<'_>) -> bool {
        match self {
            Self::AccessToken => header.is_type("at+jwt"),
            Self::Common => {
                header.typ.is_none() || header.is_type("JWT") || header.is_type("at+jwt")
            }
            Self::Exactly(typ) => header.is_type(typ),
        }
    }
}
