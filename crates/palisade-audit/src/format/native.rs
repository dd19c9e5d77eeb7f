use http::Method;

use super::json::{self, TimeText};
use super::view::View;
use crate::capture::{BodyKind, Capture};
use crate::entry::Entry;
use crate::redact::Kept;
use crate::{Cleaner, Level};

/// The state that all lines of a trail share.
#[derive(Debug)]
pub(crate) struct Tools {
    pub(crate) service: Box<str>,
    pub(crate) redaction: Cleaner,
    pub(crate) time: TimeText,
}

impl Tools {
    /// Appends `,"member":"value"`, cleaned as a value of the name that palisade's own JSON has for it.
    pub(super) fn member(&mut self, out: &mut Vec<u8>, member: &str, name: &str, value: &str) {
        json::key(out, member);
        self.redaction.named(out, name, value.as_bytes());
    }
}

/// Appends a method, which a client may have made up.
pub(super) fn method(out: &mut Vec<u8>, method: &Method, tools: &mut Tools) {
    tools.redaction.text(out, method.as_str().as_bytes());
}

/// Appends a record without its closing brace, behind which the seal goes.
pub(crate) fn open(out: &mut Vec<u8>, seq: u64, view: &View<'_>, tools: &mut Tools) {
    out.extend_from_slice(b"{\"timestamp\":\"");
    tools.time.write(out, view.at);
    out.extend_from_slice(b"\",\"seq\":");
    json::number(out, seq);
    json::text(out, "event", view.event.as_bytes());
    json::word(out, "severity", view.severity.as_str());
    json::word(out, "class", view.class.as_str());
    json::text(out, "service", tools.service.as_bytes());
    if let Some(outcome) = view.outcome {
        json::word(out, "outcome", outcome.as_str());
    }
    who(out, view, tools);
    if let Some(id) = view.request_id {
        json::key(out, "request_id");
        tools.redaction.text(out, id.as_bytes());
    }
    if let Some(trace) = view.trace {
        json::key(out, "trace_id");
        out.push(b'"');
        json::hex(out, &trace.trace_id);
        out.push(b'"');
    }
    request(out, view, tools);
    why(out, view, tools);
}

/// Begins the object of another format for what that has no place for.
pub(super) fn extra(out: &mut Vec<u8>, name: &str, view: &View<'_>, tools: &mut Tools) {
    json::key(out, name);
    out.extend_from_slice(b"{\"class\":\"");
    out.extend_from_slice(view.class.as_str().as_bytes());
    out.push(b'"');
    if let Some(outcome) = view.outcome {
        json::word(out, "outcome", outcome.as_str());
    }
    for (name, value) in [("action", view.action), ("resource", view.resource)] {
        if let Some(value) = value {
            json::key(out, name);
            tools.redaction.text(out, value.as_bytes());
        }
    }
    if let Some(policy) = view.policy {
        json::text(out, "policy", policy.as_bytes());
    }
    if let (Some(entry), Some(_)) = (view.request, view.duration) {
        if let Some(status) = entry.grpc_status {
            json::count(out, "grpc_status", status.into());
        }
        if let Some(stage) = entry.stage {
            json::word(out, "stage", stage);
        }
        headers(out, entry, tools);
        bodies(out, entry, view.level, tools);
    }
    if !view.details.is_empty() {
        json::key(out, "details");
        tools.redaction.details(out, view.details);
    }
}

fn who(out: &mut Vec<u8>, view: &View<'_>, tools: &mut Tools) {
    if let Some(who) = view.who() {
        tools.member(out, "actor", "actor", who);
    }
    if let Some(principal) = view.principal {
        json::word(out, "actor_type", principal.kind().as_str());
        tools.member(out, "issuer", "issuer", principal.issuer());
        if let Some(tenant) = principal.tenant_name() {
            tools.member(out, "tenant", "tenant", tenant);
        }
    }
    for (name, value) in [("action", view.action), ("resource", view.resource)] {
        if let Some(value) = value {
            json::key(out, name);
            tools.redaction.text(out, value.as_bytes());
        }
    }
    if let Some(ip) = view.client {
        json::ip(out, "client_ip", ip);
    }
}

fn request(out: &mut Vec<u8>, view: &View<'_>, tools: &mut Tools) {
    let Some(entry) = view.request else { return };
    json::key(out, "method");
    method(out, &entry.method, tools);
    json::key(out, "path");
    tools.redaction.kept(out, entry.sent_path());
    let Some(duration) = view.duration else {
        return;
    };
    if let Some(query) = entry.query() {
        json::key(out, "query");
        tools.redaction.query(out, query);
    }
    if let Some(host) = entry.host() {
        json::key(out, "host");
        tools.redaction.kept(out, host);
    }
    if let Some(agent) = entry.user_agent() {
        json::key(out, "user_agent");
        tools.redaction.kept(out, agent);
    }
    headers(out, entry, tools);
    if let Some(status) = entry.status {
        json::count(out, "status", status.as_u16().into());
    }
    if let Some(status) = entry.grpc_status {
        json::count(out, "grpc_status", status.into());
    }
    if let Some(stage) = entry.stage {
        json::word(out, "stage", stage);
    }
    bodies(out, entry, view.level, tools);
    json::count(out, "bytes", entry.sent);
    json::count(
        out,
        "duration_us",
        u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
    );
}

/// The headers that are recorded beside the user agent, in an object of their own: a client chooses their values, and
/// the operator their names, and neither is to stand for a member of the record.
fn headers(out: &mut Vec<u8>, entry: &Entry, tools: &mut Tools) {
    let others = || {
        let all = entry.headers();
        all.filter(|(name, _)| **name != http::header::USER_AGENT)
    };
    if others().next().is_none() {
        return;
    }
    json::object(out, "headers", |out| {
        for (name, value) in others() {
            json::key(out, name.as_str());
            tools.redaction.named_kept(out, name.as_str(), value);
        }
    });
}

fn bodies(out: &mut Vec<u8>, entry: &Entry, level: Level, tools: &mut Tools) {
    if level >= Level::Request
        && let Some(capture) = &entry.request_body
    {
        let keys = ["request_body", "request_body_bytes", "request_body_sha256"];
        body(out, keys, &capture.lock(), tools);
    }
    if level >= Level::RequestResponse
        && let Some(capture) = &entry.response_body
    {
        let keys = [
            "response_body",
            "response_body_bytes",
            "response_body_sha256",
        ];
        body(out, keys, capture, tools);
    }
}

/// A body that can be redacted, or else its length and digest alone.
fn body(out: &mut Vec<u8>, keys: [&str; 3], capture: &Capture, tools: &mut Tools) {
    let [key, bytes, digest] = keys;
    json::count(out, bytes, capture.total());
    if capture.total() == 0 {
        return;
    }
    let before = out.len();
    let readable = match capture.whole() {
        Some((BodyKind::Json, whole)) => {
            json::key(out, key);
            tools.redaction.json(whole, out).is_ok()
        }
        Some((BodyKind::Form, whole)) => {
            json::key(out, key);
            tools.redaction.query(out, Kept::whole(whole));
            true
        }
        _ => false,
    };
    if !readable {
        out.truncate(before);
        json::key(out, digest);
        out.push(b'"');
        json::hex(out, capture.digest().as_ref());
        out.push(b'"');
    }
}

fn why(out: &mut Vec<u8>, view: &View<'_>, tools: &mut Tools) {
    if let Some(policy) = view.policy {
        json::text(out, "policy", policy.as_bytes());
    }
    if let Some(reason) = view.reason {
        tools.member(out, "reason", "reason", reason);
    }
    if let Some(text) = view.text {
        json::key(out, "detail");
        tools.redaction.text(out, text.as_bytes());
    }
    if !view.details.is_empty() {
        json::key(out, "details");
        tools.redaction.details(out, view.details);
    }
}
