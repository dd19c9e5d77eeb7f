use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use palisade_core::time::UnixTime;
use palisade_core::{Principal, RequestId, SecurityEvent, Severity, TraceParent};
use serde_json::Value;

use crate::entry::{Entry, outcome_of_event};
use crate::{Class, Level, Outcome, Record};

/// The content of a line, whatever its subject and its format.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) at: UnixTime,
    pub(crate) event: &'a str,
    pub(crate) class: Class,
    pub(crate) severity: Severity,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) actor: Option<&'a str>,
    pub(crate) principal: Option<&'a Principal>,
    pub(crate) action: Option<&'a str>,
    pub(crate) resource: Option<&'a str>,
    pub(crate) client: Option<IpAddr>,
    pub(crate) request_id: Option<&'a str>,
    pub(crate) trace: Option<TraceParent>,
    pub(crate) policy: Option<&'a str>,
    pub(crate) reason: Option<&'a str>,
    pub(crate) text: Option<&'a str>,
    pub(crate) details: &'a [(Cow<'static, str>, Value)],
    /// The request that it is about or that it happened in.
    pub(crate) request: Option<&'a Entry>,
    /// The level of detail about the request.
    pub(crate) level: Level,
    /// Set when the line is the request's own record.
    pub(crate) duration: Option<Duration>,
}

pub(crate) const REQUEST_EVENT: &str = "http_request";

impl<'a> View<'a> {
    pub(crate) fn of_request(entry: &'a Entry, level: Level) -> Self {
        let most_severe = entry.most_severe();
        let policy = most_severe
            .and_then(SecurityEvent::policy_name)
            .or(entry.limited_by);
        Self {
            at: entry.at,
            event: REQUEST_EVENT,
            class: Class::Access,
            severity: entry.severity(),
            outcome: entry.outcome,
            actor: None,
            principal: entry.principal.as_deref(),
            action: None,
            resource: None,
            client: entry.client.map(palisade_core::ClientAddr::ip),
            request_id: entry.request_id(),
            trace: entry.trace,
            policy: policy.map(palisade_core::Name::as_str),
            reason: most_severe.and_then(SecurityEvent::reason_code),
            text: None,
            details: &[],
            request: Some(entry),
            level,
            duration: Some(entry.duration),
        }
    }

    /// An event that a layer noted about a request.
    pub(crate) fn of_event(entry: &'a Entry, event: &'a SecurityEvent, level: Level) -> Self {
        Self {
            event: event.kind().as_str(),
            class: Class::of(event.kind()),
            severity: event.how_severe(),
            outcome: Some(outcome_of_event(event.kind())),
            actor: event.about(),
            policy: event.policy_name().map(palisade_core::Name::as_str),
            reason: event.reason_code(),
            text: event.detail_text(),
            duration: None,
            ..Self::of_request(entry, level)
        }
    }

    pub(crate) fn of_record(at: UnixTime, record: &'a Record) -> Self {
        Self {
            at,
            event: record.event,
            class: record.class,
            severity: record.severity,
            outcome: record.outcome,
            actor: record.actor.as_deref(),
            principal: record.principal.as_deref(),
            action: record.action.as_deref(),
            resource: record.resource.as_deref(),
            client: record.client.map(palisade_core::ClientAddr::ip),
            request_id: record.request_id.as_ref().map(RequestId::as_str),
            trace: record.trace,
            policy: record.policy.map(palisade_core::Name::as_str),
            reason: record.reason.as_deref(),
            text: record.text.as_deref(),
            details: &record.details,
            request: None,
            level: Level::None,
            duration: None,
        }
    }

    /// Returns the actor: the account that an event names, or else the principal.
    pub(crate) fn who(&self) -> Option<&'a str> {
        self.actor.or(self.principal.map(Principal::subject))
    }
}
