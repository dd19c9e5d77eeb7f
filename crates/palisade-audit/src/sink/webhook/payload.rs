//! The bodies of webhooks.

use std::fmt;

use bytes::Bytes;
use palisade_core::Severity;
use ring::digest;
use serde_json::{Value, json};

use crate::sink::news::Fresh;

/// The longest summary in characters (PagerDuty, Events API v2, `payload.summary`).
const LONGEST_SUMMARY: usize = 1_024;

/// The form of a body.
#[derive(Clone)]
pub(super) enum Form {
    /// PagerDuty's Events API v2, with the routing key of a service.
    PagerDuty(Box<str>),
    /// Slack's incoming webhooks.
    Slack,
    Json,
}

/// An alert, before it has a form.
pub(super) struct Alert<'a> {
    /// The record in palisade's own JSON, redacted.
    pub(super) record: &'a Value,
    pub(super) severity: Severity,
    pub(super) fresh: &'a Fresh,
}

/// A body that is ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) body: Bytes,
    /// The same for every attempt, and for no other message.
    pub(super) id: Box<str>,
}

impl Form {
    pub(super) fn message(&self, alert: &Alert<'_>) -> Message {
        let dedup_key = alert.dedup_key();
        let body = match self {
            Self::PagerDuty(routing_key) => json!({
                "routing_key": **routing_key,
                "event_action": "trigger",
                "dedup_key": dedup_key,
                "payload": {
                    "summary": alert.summary(),
                    "source": alert.text("service"),
                    "severity": match alert.severity {
                        Severity::Critical => "critical",
                        Severity::Warn => "warning",
                        _ => "info",
                    },
                    "timestamp": alert.text("timestamp"),
                    "component": alert.text("service"),
                    "class": alert.text("event"),
                    "custom_details": { "held_back": alert.fresh.held_back, "record": alert.record },
                },
            }),
            Self::Slack => json!({ "text": escaped_for_slack(&alert.summary()) }),
            Self::Json => json!({
                "service": alert.text("service"),
                "event": alert.text("event"),
                "severity": alert.severity.as_str(),
                "summary": alert.summary(),
                "dedup_key": dedup_key,
                "held_back": alert.fresh.held_back,
                "record": alert.record,
            }),
        };
        Message {
            body: body.to_string().into(),
            id: format!("{dedup_key}-{}", alert.record["seq"]).into(),
        }
    }
}

impl Alert<'_> {
    fn text(&self, member: &str) -> &str {
        self.record[member].as_str().unwrap_or_default()
    }

    /// A key of bounded length that is the same for the same alert of one service.
    fn dedup_key(&self) -> String {
        let identity = [self.text("service"), &self.fresh.key].join("\n");
        let hash = digest::digest(&digest::SHA256, identity.as_bytes());
        let mut key = Vec::with_capacity(32);
        crate::format::json::hex(&mut key, hash.as_ref().get(..16).unwrap_or_default());
        String::from_utf8(key).unwrap_or_default()
    }

    /// One line for people: what happened in which service, by whom, from where, and why.
    fn summary(&self) -> String {
        let mut line = format!("{}: {}", self.text("service"), self.text("event"));
        for (word, member) in [
            ("by", "actor"),
            ("from", "client_ip"),
            ("for", "method"),
            ("", "path"),
            ("reason", "reason"),
            ("policy", "policy"),
        ] {
            let value = self.text(member);
            if !value.is_empty() {
                let gap = if word.is_empty() { "" } else { " " };
                line.push_str(&format!("{gap}{word} {value}"));
            }
        }
        if self.fresh.held_back > 0 {
            let again = format!(" ({} more since the last alert)", self.fresh.held_back);
            line = shortened(&line, LONGEST_SUMMARY - again.chars().count());
            line.push_str(&again);
        }
        shortened(&line, LONGEST_SUMMARY)
    }
}

/// The text, or its beginning and an ellipsis.
fn shortened(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    let kept = text.chars().take(longest.saturating_sub(1));
    kept.chain(['…']).collect()
}

/// The three characters that Slack reads as markup of its own ("Formatting text for app surfaces").
fn escaped_for_slack(text: &str) -> String {
    let text = text.replace('&', "&amp;");
    text.replace('<', "&lt;").replace('>', "&gt;")
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PagerDuty(_) => "PagerDuty",
            Self::Slack => "Slack",
            Self::Json => "Json",
        })
    }
}

#[cfg(test)]
mod tests;
