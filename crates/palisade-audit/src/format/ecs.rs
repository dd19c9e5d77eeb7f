//! Elastic Common Schema 8: fields and allowed values after its field reference.

use palisade_core::Severity;

use super::host;
use super::json;
use super::native::{self, Tools};
use super::view::View;
use crate::{Class, Outcome};

const VERSION: &str = "8.11.0";

/// Appends a record; it ends inside the object `palisade`, which holds what the schema has no field for.
pub(super) fn open(out: &mut Vec<u8>, seq: u64, view: &View<'_>, tools: &mut Tools) {
    out.extend_from_slice(b"{\"@timestamp\":\"");
    tools.time.write(out, view.at);
    out.push(b'"');
    json::object(out, "ecs", |out| json::word(out, "version", VERSION));
    event(out, seq, view, tools);
    json::object(out, "log", |out| {
        json::word(out, "level", level(view.severity));
    });
    json::object(out, "service", |out| {
        json::text(out, "name", tools.service.as_bytes());
    });
    if let Some(ip) = view.client {
        json::object(out, "client", |out| json::ip(out, "ip", ip));
        json::object(out, "source", |out| json::ip(out, "ip", ip));
    }
    user(out, view, tools);
    if let Some(trace) = view.trace {
        json::object(out, "trace", |out| {
            json::key(out, "id");
            out.push(b'"');
            json::hex(out, &trace.trace_id);
            out.push(b'"');
        });
    }
    http(out, view, tools);
    if let Some(policy) = view.policy {
        json::object(out, "rule", |out| {
            json::text(out, "name", policy.as_bytes());
        });
    }
    if let Some(text) = view.text {
        json::key(out, "message");
        tools.redaction.text(out, text.as_bytes());
    }
    native::extra(out, "palisade", view, tools);
}

fn event(out: &mut Vec<u8>, seq: u64, view: &View<'_>, tools: &mut Tools) {
    let (category, types) = category(view);
    json::object(out, "event", |out| {
        json::word(out, "kind", "event");
        json::list(out, "category", &[category]);
        json::list(out, "type", types);
        json::text(out, "action", view.event.as_bytes());
        json::word(out, "outcome", outcome(view.outcome));
        json::count(out, "sequence", seq);
        if let Some(duration) = view.duration {
            let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
            json::count(out, "duration", nanos);
        }
        if let Some(reason) = view.reason {
            tools.member(out, "reason", "reason", reason);
        }
    });
}

/// A category, and types that the schema expects in it.
const fn category(view: &View<'_>) -> (&'static str, &'static [&'static str]) {
    match view.class {
        Class::Authentication => ("authentication", &["info"]),
        Class::Authorization => ("iam", &["info"]),
        Class::Admin => ("iam", &["admin"]),
        Class::Configuration => ("configuration", &["change"]),
        Class::Data => ("database", &["access"]),
        Class::Access => match view.outcome {
            Some(Outcome::Error | Outcome::Panic) => ("web", &["access", "error"]),
            _ => ("web", &["access"]),
        },
        Class::Operations => ("process", &["info"]),
    }
}

const fn outcome(outcome: Option<Outcome>) -> &'static str {
    match outcome {
        Some(Outcome::Success) => "success",
        Some(Outcome::Denied | Outcome::Failure | Outcome::Error | Outcome::Panic) => "failure",
        Some(Outcome::Aborted | Outcome::Incomplete) | None => "unknown",
    }
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warn => "warn",
        _ => "critical",
    }
}

fn user(out: &mut Vec<u8>, view: &View<'_>, tools: &mut Tools) {
    if let Some(who) = view.who() {
        json::object(out, "user", |out| {
            tools.member(out, "id", "actor", who);
            if let Some(principal) = view.principal {
                tools.member(out, "domain", "issuer", principal.issuer());
            }
        });
    }
    if let Some(tenant) = view.principal.and_then(|principal| principal.tenant_name()) {
        json::object(out, "organization", |out| {
            tools.member(out, "id", "tenant", tenant);
        });
    }
}

fn http(out: &mut Vec<u8>, view: &View<'_>, tools: &mut Tools) {
    let Some(entry) = view.request else {
        if let Some(id) = view.request_id {
            json::object(out, "http", |out| {
                json::object(out, "request", |out| request_id(out, id, tools));
            });
        }
        return;
    };
    json::object(out, "http", |out| {
        json::object(out, "request", |out| {
            json::key(out, "method");
            native::method(out, &entry.method, tools);
            if let Some(id) = view.request_id {
                request_id(out, id, tools);
            }
        });
        if let (Some(status), Some(_)) = (entry.status, view.duration) {
            json::object(out, "response", |out| {
                json::count(out, "status_code", status.as_u16().into());
                json::object(out, "body", |out| json::count(out, "bytes", entry.sent));
            });
        }
    });
    json::object(out, "url", |out| {
        json::key(out, "path");
        tools.redaction.kept(out, entry.sent_path());
        if let Some(query) = entry.query() {
            json::key(out, "query");
            tools.redaction.query(out, query);
        }
        if let Some((name, port)) = entry.host().map(|host| host::split(host.text)) {
            json::key(out, "domain");
            tools.redaction.text(out, name);
            if let Some(port) = port {
                json::count(out, "port", port.into());
            }
        }
    });
    if let Some(agent) = entry.user_agent() {
        json::object(out, "user_agent", |out| {
            json::key(out, "original");
            tools.redaction.kept(out, agent);
        });
    }
}

fn request_id(out: &mut Vec<u8>, id: &str, tools: &mut Tools) {
    json::key(out, "id");
    tools.redaction.text(out, id.as_bytes());
}
