use palisade_core::{EventKind, Severity};

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal => $answer:ident,)*) => {
        /// The reason for which a request was refused: a closed list of stable codes, for events, logs and metrics.
        ///
        /// The caller never reads them. The response says only what RFC 6750 lets it say.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Refusal {
            $($(#[$doc])* $name,)*
        }

        impl Refusal {
            /// Every reason, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable code, such as `token_expired`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }

            pub(crate) const fn answer(self) -> Answer {
                match self {
                    $(Self::$name => Answer::$answer,)*
                }
            }
        }
    };
}

/// The answer to a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 401 without an error code: nothing was presented (RFC 6750, section 3).
    Unauthenticated,
    /// 401 `invalid_token`.
    InvalidToken,
    /// 401 `invalid_dpop_proof` (RFC 9449, section 7.1).
    InvalidProof,
    /// 401 `use_dpop_nonce` (RFC 9449, section 9).
    UseNonce,
    /// 400 `invalid_request`.
    InvalidRequest,
    /// 403 `insufficient_scope`.
    InsufficientScope,
    /// 403 without a challenge: another credential would not help by its scope.
    Forbidden,
    /// 401 `insufficient_user_authentication` (RFC 9470, section 3).
    StepUp,
    /// 503: a store that decides is not there.
    Unavailable,
    /// 500: this service is put together wrongly.
    Misconfigured,
}

reasons! {
    /// Nothing was presented.
    NoCredential = "no_credential" => Unauthenticated,
    /// More than one credential was presented.
    SeveralCredentials = "several_credentials" => InvalidRequest,
    /// The header that carries the credential is not of its form.
    MalformedCredential = "malformed_credential" => InvalidRequest,
    /// A bearer token was presented, but none of the configured kinds knows it.
    UnknownToken = "unknown_token" => InvalidToken,
    /// The token is longer than 8 KiB.
    TokenTooLong = "token_too_long" => InvalidToken,
    /// The token is not three segments of strict base64url, or its JSON is not valid or names a member twice.
    TokenMalformed = "token_malformed" => InvalidToken,
    /// The header uses `crit`, `b64` or `zip`.
    ExtensionRefused = "extension_refused" => InvalidToken,
    /// The algorithm is unknown, `none`, or not one that the issuer's keys are for.
    AlgorithmNotAllowed = "algorithm_not_allowed" => InvalidToken,
    /// The issuer is not configured.
    UnknownIssuer = "unknown_issuer" => InvalidToken,
    /// The issuer has no such key, or the token does not say which of several.
    UnknownKey = "unknown_key" => InvalidToken,
    /// The signature does not hold.
    BadSignature = "bad_signature" => InvalidToken,
    /// The token's type is not one that the issuer's access tokens have.
    WrongType = "wrong_type" => InvalidToken,
    /// The token is bound to a key (`cnf`), and the request does not prove that its sender has it; or it is bound to none
    /// where it must be.
    SenderConstrained = "sender_constrained" => InvalidToken,
    /// A token of the scheme `DPoP` came without a proof.
    DpopProofMissing = "dpop_proof_missing" => InvalidProof,
    /// The DPoP proof does not hold, or is for another request or another token.
    DpopProofInvalid = "dpop_proof_invalid" => InvalidProof,
    /// The DPoP proof was used before.
    DpopProofReplayed = "dpop_proof_replayed" => InvalidProof,
    /// The DPoP proof has no nonce of this server, or one that is too old.
    DpopNonceRequired = "dpop_nonce_required" => UseNonce,
    /// A claim has the wrong JSON type or an impossible value.
    ClaimsMalformed = "claims_malformed" => InvalidToken,
    /// There is no `exp`.
    ExpiryMissing = "expiry_missing" => InvalidToken,
    /// There is no `sub`.
    SubjectMissing = "subject_missing" => InvalidToken,
    /// There is no `iat`, which this issuer's tokens have.
    IssuedAtMissing = "issued_at_missing" => InvalidToken,
    /// `exp` has passed.
    TokenExpired = "token_expired" => InvalidToken,
    /// `nbf` has not come yet.
    NotYetValid = "token_not_yet_valid" => InvalidToken,
    /// `iat` lies in the future.
    IssuedInFuture = "issued_in_future" => InvalidToken,
    /// The token lives longer than its issuer's may.
    LifetimeTooLong = "lifetime_too_long" => InvalidToken,
    /// The audience is missing, or another.
    WrongAudience = "wrong_audience" => InvalidToken,
    /// The token, its session or its subject was revoked.
    Revoked = "token_revoked" => InvalidToken,
    /// The API key is not of the form of one.
    KeyMalformed = "key_malformed" => InvalidToken,
    /// There is no such API key, or its secret is another.
    KeyUnknown = "key_unknown" => InvalidToken,
    /// The API key has expired.
    KeyExpired = "key_expired" => InvalidToken,
    /// The session is unknown, expired or revoked.
    SessionUnknown = "session_unknown" => Unauthenticated,
    /// The request carries a cookie but comes from an origin that is not allowed.
    OriginNotAllowed = "origin_not_allowed" => Forbidden,
    /// The account has been disabled.
    AccountDisabled = "account_disabled" => InvalidToken,
    /// The user name or the password is wrong.
    WrongPassword = "wrong_password" => InvalidToken,
    /// The refresh token is unknown, forged, expired or revoked.
    RefreshInvalid = "refresh_invalid" => InvalidToken,
    /// The refresh token had been used already, so its family was revoked.
    RefreshReused = "refresh_reuse" => InvalidToken,
    /// A scope is missing.
    InsufficientScope = "insufficient_scope" => InsufficientScope,
    /// A role is missing.
    InsufficientRole = "insufficient_role" => Forbidden,
    /// A permission is missing.
    InsufficientPermission = "insufficient_permission" => Forbidden,
    /// The principal is not of the kind, or not the service, that may pass.
    WrongKind = "wrong_kind" => Forbidden,
    /// The sign-in was not strong or not recent enough.
    InsufficientAuthentication = "insufficient_user_authentication" => StepUp,
    /// The custom claims are not of the form that the handler asked for.
    ForeignClaims = "foreign_claims" => InvalidToken,
    /// A store that decides could not be asked.
    StoreUnavailable = "store_unavailable" => Unavailable,
    /// Too much of a bounded resource is in use.
    Overloaded = "overloaded" => Unavailable,
    /// A guard or an extractor stands where no `AuthLayer` ran before it.
    LayerMissing = "auth_layer_missing" => Misconfigured,
}

impl Refusal {
    pub(crate) const fn event_kind(self) -> EventKind {
        match self {
            Self::Revoked => EventKind::RevokedTokenUse,
            Self::RefreshReused => EventKind::RefreshReuse,
            Self::StoreUnavailable => EventKind::StoreUnavailable,
            Self::LayerMissing => EventKind::ConfigurationChange,
            Self::SeveralCredentials | Self::MalformedCredential => {
                EventKind::InputValidationFailure
            }
            _ => match self.answer() {
                Answer::InsufficientScope | Answer::Forbidden | Answer::StepUp => {
                    EventKind::AuthorizationFailure
                }
                _ => EventKind::LoginFailure,
            },
        }
    }

    pub(crate) const fn severity(self) -> Severity {
        match self {
            // A browser that has not signed in yet is no attack.
            Self::NoCredential
            | Self::TokenExpired
            | Self::SessionUnknown
            | Self::DpopNonceRequired => Severity::Info,
            Self::LayerMissing => Severity::Critical,
            // One caller without a scope is ordinary; what matters shows in numbers.
            _ => match self.event_kind() {
                EventKind::AuthorizationFailure => Severity::Warn,
                other => other.severity(),
            },
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_reasons_share_a_code() {
        let codes: HashSet<&str> = Refusal::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(codes.len(), Refusal::ALL.len());
    }
}
