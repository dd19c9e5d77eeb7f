use std::borrow::Cow;

use crate::Name;

/// The kind of a security event, in the words of the OWASP logging vocabulary where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// A sign-in or credential was accepted.
    LoginSuccess,
    /// A sign-in or credential was refused.
    LoginFailure,
    /// A token that had been revoked was presented.
    RevokedTokenUse,
    /// A refresh token was used twice, so its family was revoked.
    RefreshReuse,
    /// A token was issued.
    TokenCreated,
    /// A token or a session was revoked.
    TokenRevoked,
    /// An authenticated principal was refused.
    AuthorizationFailure,
    /// An administrator did something.
    AdminAction,
    /// A client went over its limit.
    ExcessRateLimit,
    /// A request came from an origin that is not allowed.
    MaliciousCors,
    /// A request with effects came from another origin.
    CrossOriginRequest,
    /// A request or a configuration was malformed in a way that attackers use.
    InputValidationFailure,
    /// A breaker changed its state.
    BreakerTransition,
    /// A call was refused by an open breaker.
    BreakerRejection,
    /// A field could not be sealed or opened.
    CryptoFailure,
    /// Sensitive data was read.
    DataAccess,
    /// A configuration was changed.
    ConfigurationChange,
    /// A store that decides could not be reached.
    StoreUnavailable,
}

impl EventKind {
    /// The stable name that appears in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LoginSuccess => "authn_login_success",
            Self::LoginFailure => "authn_login_fail",
            Self::RevokedTokenUse => "authn_token_reuse",
            Self::RefreshReuse => "refresh_reuse",
            Self::TokenCreated => "authn_token_created",
            Self::TokenRevoked => "authn_token_revoked",
            Self::AuthorizationFailure => "authz_fail",
            Self::AdminAction => "authz_admin",
            Self::ExcessRateLimit => "excess_rate_limit_exceeded",
            Self::MaliciousCors => "malicious_cors",
            Self::CrossOriginRequest => "malicious_cross_origin",
            Self::InputValidationFailure => "input_validation_fail",
            Self::BreakerTransition => "breaker_transition",
            Self::BreakerRejection => "breaker_rejection",
            Self::CryptoFailure => "crypto_fail",
            Self::DataAccess => "sensitive_read",
            Self::ConfigurationChange => "sys_config_change",
            Self::StoreUnavailable => "store_unavailable",
        }
    }

    /// The severity of events of this kind, unless an event sets another.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self {
            Self::LoginSuccess | Self::TokenCreated | Self::TokenRevoked | Self::DataAccess => {
                Severity::Info
            }
            Self::RefreshReuse
            | Self::RevokedTokenUse
            | Self::AuthorizationFailure
            | Self::MaliciousCors => Severity::Critical,
            _ => Severity::Warn,
        }
    }
}

/// The severity of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// Ordinary, kept for the record.
    Info,
    /// Worth a look in numbers.
    Warn,
    /// Worth a look each time.
    Critical,
}

impl Severity {
    /// `info`, `warn` or `critical`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Critical => "critical",
        }
    }
}

/// Something that matters for security, noted by the layer that saw it.
///
/// It names no secret: `reason` is a fixed code from a closed list, `subject` is an account or a principal, never a
/// credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityEvent {
    kind: EventKind,
    severity: Severity,
    reason: Option<&'static str>,
    policy: Option<Name>,
    subject: Option<Box<str>>,
    detail: Option<Cow<'static, str>>,
}

impl SecurityEvent {
    /// An event of this kind, with the kind's own severity.
    #[must_use]
    pub const fn new(kind: EventKind) -> Self {
        Self {
            kind,
            severity: kind.severity(),
            reason: None,
            policy: None,
            subject: None,
            detail: None,
        }
    }

    /// Sets the severity of this event.
    #[must_use]
    pub const fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Sets the code of the reason, such as `token_expired`.
    #[must_use]
    pub const fn reason(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }

    /// Sets the policy, breaker or service that decided.
    #[must_use]
    pub const fn policy(mut self, policy: Name) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Sets the account or principal that it is about.
    #[must_use]
    pub fn subject(mut self, subject: &str) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Sets a free text for people, which must not hold a secret.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The kind of the event.
    #[must_use]
    pub const fn kind(&self) -> EventKind {
        self.kind
    }

    /// The severity of the event.
    #[must_use]
    pub const fn how_severe(&self) -> Severity {
        self.severity
    }

    /// The code of the reason.
    #[must_use]
    pub const fn reason_code(&self) -> Option<&'static str> {
        self.reason
    }

    /// The policy, breaker or service that decided.
    #[must_use]
    pub const fn policy_name(&self) -> Option<Name> {
        self.policy
    }

    /// The account or principal that it is about.
    #[must_use]
    pub fn about(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// The text for people.
    #[must_use]
    pub fn detail_text(&self) -> Option<&str> {
        self.detail.as_deref()
    }
}
