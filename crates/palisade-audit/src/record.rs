use std::borrow::Cow;
use std::sync::Arc;

use palisade_core::{
    ClientAddr, EventKind, Name, Principal, RequestId, RequestScope, SecurityEvent, Severity,
    TraceParent,
};
use serde_json::Value;

use crate::Class;

/// The outcome of what is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It was done.
    Success,
    /// It was refused: 401, 403, 407, 429 or 511 for a request.
    Denied,
    /// It failed: any other status from 400 on, or a gRPC status other than 0.
    Failure,
    /// The service returned an error instead of a response.
    Error,
    /// The request was dropped before there was a response: the client hung up, or a timeout outside took over.
    Aborted,
    /// The response began and was dropped before its body ended, or the body failed.
    Incomplete,
    /// The service panicked.
    Panic,
}

impl Outcome {
    #[cfg(feature = "metrics")]
    pub(crate) const ALL: [Self; 7] = [
        Self::Success,
        Self::Denied,
        Self::Failure,
        Self::Error,
        Self::Aborted,
        Self::Incomplete,
        Self::Panic,
    ];

    /// The name of the outcome in records, such as `success`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Denied => "denied",
            Self::Failure => "failure",
            Self::Error => "error",
            Self::Aborted => "aborted",
            Self::Incomplete => "incomplete",
            Self::Panic => "panic",
        }
    }
}

/// Something that the application itself puts on record: an administrator's action, a login, access to data, a change
/// of the configuration.
///
/// Texts and details are redacted by name, and no text can forge a line, whatever a client put into it.
///
/// # Example
///
/// ```
/// use palisade_audit::{Outcome, Record};
/// use palisade_core::EventKind;
///
/// let record = Record::new(EventKind::AdminAction)
///     .actor("ada")
///     .action("room.delete")
///     .resource("rooms/7")
///     .outcome(Outcome::Success)
///     .detail("bookings_cancelled", 3);
/// assert_eq!(record.event(), "authz_admin");
/// ```
#[derive(Debug, Clone)]
pub struct Record {
    pub(crate) event: &'static str,
    pub(crate) class: Class,
    pub(crate) severity: Severity,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) actor: Option<Box<str>>,
    pub(crate) principal: Option<Arc<Principal>>,
    pub(crate) action: Option<Cow<'static, str>>,
    pub(crate) resource: Option<Cow<'static, str>>,
    pub(crate) reason: Option<Cow<'static, str>>,
    pub(crate) policy: Option<Name>,
    pub(crate) text: Option<Cow<'static, str>>,
    pub(crate) client: Option<ClientAddr>,
    pub(crate) request_id: Option<RequestId>,
    pub(crate) trace: Option<TraceParent>,
    pub(crate) details: Vec<(Cow<'static, str>, Value)>,
}

impl Record {
    /// A record of a kind of the common vocabulary, with that kind's severity and class.
    #[must_use]
    pub fn new(kind: EventKind) -> Self {
        Self::with(kind.as_str(), Class::of(kind), kind.severity())
    }

    /// A record of the application's own kind, with severity [`Info`](Severity::Info).
    #[must_use]
    pub fn named(event: Name, class: Class) -> Self {
        Self::with(event.as_str(), class, Severity::Info)
    }

    pub(crate) const fn with(event: &'static str, class: Class, severity: Severity) -> Self {
        Self {
            event,
            class,
            severity,
            outcome: None,
            actor: None,
            principal: None,
            action: None,
            resource: None,
            reason: None,
            policy: None,
            text: None,
            client: None,
            request_id: None,
            trace: None,
            details: Vec::new(),
        }
    }

    /// Sets how grave it is.
    #[must_use]
    pub const fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Sets how it went.
    #[must_use]
    pub const fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = Some(outcome);
        self
    }

    /// Sets who did it, where that is not the principal of a scope, such as the account that a login was tried for.
    #[must_use]
    pub fn actor(mut self, actor: &str) -> Self {
        self.actor = Some(actor.into());
        self
    }

    /// Sets what was done, such as `room.delete`.
    #[must_use]
    pub fn action(mut self, action: impl Into<Cow<'static, str>>) -> Self {
        self.action = Some(action.into());
        self
    }

    /// Sets to what it was done, such as `rooms/7`.
    #[must_use]
    pub fn resource(mut self, resource: impl Into<Cow<'static, str>>) -> Self {
        self.resource = Some(resource.into());
        self
    }

    /// Sets the code of the reason, such as `wrong_password`.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<Cow<'static, str>>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Adds something that is worth keeping. A value whose name says that it is secret is redacted, at any depth.
    #[must_use]
    pub fn detail(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> Self {
        self.details.push((name.into(), value.into()));
        self
    }

    /// Takes the principal, the client's address, the request's id and its trace from a request.
    #[must_use]
    pub fn in_scope(mut self, scope: &RequestScope) -> Self {
        self.principal = scope.principal();
        self.client = scope.client();
        self.request_id = scope.request_id().cloned();
        self.trace = scope.trace_parent();
        self
    }

    /// The name of the event.
    #[must_use]
    pub const fn event(&self) -> &'static str {
        self.event
    }

    /// Returns its class.
    #[must_use]
    pub const fn class(&self) -> Class {
        self.class
    }

    /// The record of an event that came after its request was over.
    pub(crate) fn late(request_id: Option<&RequestId>, event: &SecurityEvent) -> Self {
        let mut record = Self::new(event.kind()).severity(event.how_severe());
        record.request_id = request_id.cloned();
        record.reason = event.reason_code().map(Cow::Borrowed);
        record.policy = event.policy_name();
        record.actor = event.about().map(Into::into);
        record.text = event.detail_text().map(|text| Cow::Owned(text.to_owned()));
        record
    }
}
