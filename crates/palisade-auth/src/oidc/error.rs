#[cfg(feature = "axum")]
use palisade_core::EventKind;
use palisade_core::{Code, Rejection};

use crate::Refusal;

/// The reason for which a sign-in or a logout at a provider failed.
///
/// The browser never reads the reason: [`code`](Self::code) is for records, and the answer that a
/// [`Rejection`] makes of it says only whether to start again. Nothing of what the provider wrote is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OidcError {
    /// The request is not of the form of a callback, or not of a back-channel logout.
    #[error("the request is not of its form")]
    Malformed,
    /// This browser has not begun this sign-in, or has begun it too long ago.
    #[error("no sign-in of this browser has this state")]
    StateUnknown,
    /// The callback of this sign-in came before.
    #[error("the state was used before")]
    StateUsed,
    /// The response names another issuer than the one that was asked, or none where the provider names itself (RFC 9207,
    /// section 2.4).
    #[error("the response is of another issuer")]
    WrongIssuer,
    /// The user or the provider has declined (`access_denied`).
    #[error("the sign-in was declined")]
    Declined,
    /// The provider has refused the request for another reason.
    #[error("the provider refused the request")]
    ProviderRefused,
    /// The provider does not accept the code or the refresh token: it was used, has expired or was revoked.
    #[error("the provider does not accept the grant")]
    GrantRefused,
    /// The provider does not accept the client, its secret or its redirect URI.
    #[error("the provider does not accept this client")]
    ClientRefused,
    /// The provider does not answer, or something that this service keeps is not there.
    #[error("the provider or a store is not available")]
    Unavailable,
    /// An answer of the provider is not what the standards say.
    #[error("an answer of the provider is not of its form")]
    BadAnswer,
    /// The ID token or the logout token does not hold.
    #[error("the token does not hold: {}", .0.as_str())]
    Token(Refusal),
    /// The ID token has another nonce, or none.
    #[error("the nonce is another")]
    WrongNonce,
    /// The ID token is for an audience that is not trusted too, or was given to another client (`azp`).
    #[error("the token is for another client too")]
    WrongParty,
    /// The ID token was made for another access token (`at_hash`).
    #[error("the access token is another")]
    WrongAccessToken,
    /// The ID token, or what it tells of, is too old.
    #[error("the authentication is too old")]
    TooOld,
    /// A claim of the ID token is not one of those that
    /// [`OidcBuilder::require_claim`](crate::oidc::OidcBuilder::require_claim) admits.
    #[error("the ID token lacks a claim that is required")]
    NotAdmitted,
    /// The claims of the userinfo endpoint, or of a later ID token, are about somebody else.
    #[error("the claims are about another subject")]
    WrongSubject,
    /// A logout token does not say what it must.
    #[error("the logout token does not name the event, or neither subject nor session")]
    WrongEvent,
    /// A logout token was used before.
    #[error("the logout token was used before")]
    Replayed,
    /// There is no account for this identity, and none is to be made.
    #[error("there is no account for this identity")]
    NoAccount,
}

/// The answer to an error.
enum Answer {
    Restart,
    Refused,
    Unavailable,
    Misconfigured,
}

impl OidcError {
    /// The stable code for records, such as `sign_in_wrong_nonce`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "sign_in_malformed",
            Self::StateUnknown => "sign_in_state_unknown",
            Self::StateUsed => "sign_in_state_used",
            Self::WrongIssuer => "sign_in_wrong_issuer",
            Self::Declined => "sign_in_declined",
            Self::ProviderRefused => "sign_in_provider_refused",
            Self::GrantRefused => "sign_in_grant_refused",
            Self::ClientRefused => "sign_in_client_refused",
            Self::Unavailable => "sign_in_unavailable",
            Self::BadAnswer => "sign_in_bad_answer",
            Self::Token(refusal) => refusal.as_str(),
            Self::WrongNonce => "sign_in_wrong_nonce",
            Self::WrongParty => "sign_in_wrong_party",
            Self::WrongAccessToken => "sign_in_wrong_access_token",
            Self::TooOld => "sign_in_too_old",
            Self::NotAdmitted => "sign_in_not_admitted",
            Self::WrongSubject => "sign_in_wrong_subject",
            Self::WrongEvent => "logout_wrong_event",
            Self::Replayed => "logout_replayed",
            Self::NoAccount => "sign_in_no_account",
        }
    }

    #[cfg(feature = "axum")]
    pub(super) const fn event_kind(self) -> EventKind {
        match self {
            Self::Unavailable | Self::Token(Refusal::StoreUnavailable) => {
                EventKind::StoreUnavailable
            }
            _ => EventKind::LoginFailure,
        }
    }

    /// The part of an error that a page of the application is told.
    #[cfg(feature = "axum")]
    pub(super) const fn shown(self) -> &'static str {
        match (self, self.answer()) {
            (Self::Declined, _) => "declined",
            (_, Answer::Restart) => "restart",
            (_, Answer::Refused) => "refused",
            (_, Answer::Unavailable | Answer::Misconfigured) => "unavailable",
        }
    }

    const fn answer(self) -> Answer {
        match self {
            Self::Malformed | Self::StateUnknown | Self::StateUsed => Answer::Restart,
            Self::Unavailable | Self::BadAnswer | Self::Token(Refusal::StoreUnavailable) => {
                Answer::Unavailable
            }
            Self::ClientRefused => Answer::Misconfigured,
            _ => Answer::Refused,
        }
    }
}

impl From<OidcError> for Rejection {
    /// 400 for a callback that no sign-in of the browser belongs to, 503 where the provider is away, 500 where it refuses
    /// this client, and otherwise 401. It does not say why.
    fn from(error: OidcError) -> Self {
        match error.answer() {
            Answer::Restart => Self::new(Code::Validation)
                .message("This sign-in has ended or began elsewhere. Start again"),
            Answer::Refused => {
                Self::new(Code::Authentication).message("The sign-in was not accepted")
            }
            Answer::Unavailable => {
                Self::new(Code::Unavailable).message("The sign-in is not available")
            }
            Answer::Misconfigured => Self::new(Code::Internal),
        }
    }
}
