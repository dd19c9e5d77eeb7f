//! Open Cybersecurity Schema Framework 1.3: API Activity (6003), Authentication (3002) and Authorize Session (3003).

use http::Method;
use palisade_core::{PrincipalKind, Severity};

use super::host;
use super::json;
use super::native::{self, Tools};
use super::view::View;
use crate::{Class, Outcome};

const VERSION: &str = "1.3.0";

const AUTHENTICATION: u64 = 3002;

/// The values that the schema has for `http_method`.
const METHODS: [Method; 8] = [
    Method::CONNECT,
    Method::DELETE,
    Method::GET,
    Method::HEAD,
    Method::OPTIONS,
    Method::POST,
    Method::PUT,
    Method::TRACE,
];

/// Appends a record; it ends inside the object `unmapped`, which holds what the schema has no attribute for.
pub(super) fn open(out: &mut Vec<u8>, seq: u64, view: &View<'_>, tools: &mut Tools) {
    let (category, class, activity) = class(view);
    out.extend_from_slice(b"{\"time\":");
    let millis = view.at.as_duration().as_millis();
    json::number(out, u64::try_from(millis).unwrap_or(u64::MAX));
    json::count(out, "category_uid", category);
    json::count(out, "class_uid", class);
    json::count(out, "activity_id", activity);
    json::count(out, "type_uid", class * 100 + activity);
    severity(out, view.severity);
    status(out, view, tools);
    metadata(out, seq, view, tools);
    if let Some(duration) = view.duration {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        json::count(out, "duration", millis);
    }
    if let Some(text) = view.text {
        json::key(out, "message");
        tools.redaction.text(out, text.as_bytes());
    }
    json::object(out, "src_endpoint", |out| match view.client {
        Some(ip) => json::ip(out, "ip", ip),
        None => json::word(out, "name", "unknown"),
    });
    if category == 3 {
        user(out, view, tools);
        if class == AUTHENTICATION {
            service(out, tools);
        } else {
            privileges(out, view, tools);
        }
    } else {
        json::object(out, "actor", |out| {
            if view.who().is_none() && view.request.is_none() {
                json::text(out, "app_name", tools.service.as_bytes());
            } else {
                user(out, view, tools);
            }
        });
        api(out, view, tools);
    }
    request(out, view, tools);
    native::extra(out, "unmapped", view, tools);
    unmapped(out, view, tools);
}

/// Category, class and activity.
fn class(view: &View<'_>) -> (u64, u64, u64) {
    match view.class {
        Class::Authentication => {
            let activity = match view.event {
                "authn_token_revoked" => 2,
                "authn_token_created" => 4,
                _ => 1,
            };
            (3, AUTHENTICATION, activity)
        }
        Class::Authorization => (3, 3003, 1),
        _ => {
            let activity = match view.request.map(|entry| &entry.method) {
                Some(&Method::POST) => 1,
                Some(&Method::GET | &Method::HEAD | &Method::OPTIONS) => 2,
                Some(&Method::PUT | &Method::PATCH) => 3,
                Some(&Method::DELETE) => 4,
                _ => 99,
            };
            (6, 6003, activity)
        }
    }
}

fn severity(out: &mut Vec<u8>, severity: Severity) {
    let (id, name) = match severity {
        Severity::Info => (1, "Informational"),
        Severity::Warn => (3, "Medium"),
        _ => (5, "Critical"),
    };
    json::count(out, "severity_id", id);
    json::word(out, "severity", name);
}

fn status(out: &mut Vec<u8>, view: &View<'_>, tools: &mut Tools) {
    let (id, name) = match view.outcome {
        None => (0, "Unknown"),
        Some(Outcome::Success) => (1, "Success"),
        Some(Outcome::Aborted | Outcome::Incomplete) => (99, "Other"),
        Some(_) => (2, "Failure"),
    };
    json::count(out, "status_id", id);
    json::word(out, "status", name);
    if let (Some(status), Some(_)) = (view.request.and_then(|entry| entry.status), view.duration) {
        json::word(out, "status_code", status.as_str());
    }
    if let Some(reason) = view.reason {
        tools.member(out, "status_detail", "reason", reason);
    }
}

fn metadata(out: &mut Vec<u8>, seq: u64, view: &View<'_>, tools: &mut Tools) {
    json::object(out, "metadata", |out| {
        json::word(out, "version", VERSION);
        json::object(out, "product", |out| {
            json::word(out, "name", "palisade-audit");
            json::word(out, "vendor_name", "palisade");
            json::word(out, "version", env!("CARGO_PKG_VERSION"));
        });
        json::text(out, "log_name", tools.service.as_bytes());
        json::text(out, "event_code", view.event.as_bytes());
        json::count(out, "sequence", seq);
        if let Some(id) = view.request_id {
            json::key(out, "correlation_uid");
            tools.redaction.text(out, id.as_bytes());
        }
        if let Some(tenant) = view.principal.and_then(|principal| principal.tenant_name()) {
            tools.member(out, "tenant_uid", "tenant", tenant);
        }
    });
}

fn user(out: &mut Vec<u8>, view: &View<'_>, tools: &mut Tools) {
    json::object(out, "user", |out| {
        match view.who() {
            Some(who) => tools.member(out, "uid", "actor", who),
            None => json::word(out, "name", "anonymous"),
        }
        if let Some(principal) = view.principal {
            tools.member(out, "domain", "issuer", principal.issuer());
            let kind = if principal.kind() == PrincipalKind::User {
                1
            } else {
                3
            };
            json::count(out, "type_id", kind);
        }
    });
}

fn api(out: &mut Vec<u8>, view: &View<'_>, tools: &mut Tools) {
    json::object(out, "api", |out| {
        match (view.action, view.request) {
            (Some(action), _) => {
                json::key(out, "operation");
                tools.redaction.text(out, action.as_bytes());
            }
            (None, Some(entry)) => {
                json::key(out, "operation");
                native::method(out, &entry.method, tools);
            }
            (None, None) => json::text(out, "operation", view.event.as_bytes()),
        }
        service(out, tools);
    });
    if let Some(resource) = view.resource {
        json::key(out, "resources");
        out.extend_from_slice(b"[{\"name\":");
        tools.redaction.text(out, resource.as_bytes());
        out.extend_from_slice(b"}]");
    }
}

/// Appends the service that the user was authenticated to, or that was called.
fn service(out: &mut Vec<u8>, tools: &Tools) {
    json::object(out, "service", |out| {
        json::text(out, "name", tools.service.as_bytes());
    });
}

/// Returns the privilege that the principal asked for: the action, or else the request's method and path.
fn privileges(out: &mut Vec<u8>, view: &View<'_>, tools: &mut Tools) {
    json::key(out, "privileges");
    out.push(b'[');
    match (view.action, view.request) {
        (Some(action), _) => tools.redaction.text(out, action.as_bytes()),
        (None, Some(entry)) => {
            let asked = format!("{} {}", entry.method, entry.path());
            tools.redaction.text(out, asked.as_bytes());
        }
        (None, None) => json::string(out, view.event.as_bytes()),
    }
    out.push(b']');
}

fn request(out: &mut Vec<u8>, view: &View<'_>, tools: &mut Tools) {
    let Some(entry) = view.request else { return };
    json::object(out, "http_request", |out| {
        if METHODS.contains(&entry.method) {
            json::word(out, "http_method", entry.method.as_str());
        }
        json::object(out, "url", |out| {
            json::key(out, "path");
            tools.redaction.kept(out, entry.sent_path());
            if let Some(query) = entry.query() {
                json::key(out, "query_string");
                tools.redaction.query(out, query);
            }
            if let Some((name, port)) = entry.host().map(|host| host::split(host.text)) {
                if host::is_name(name) {
                    json::key(out, "hostname");
                    tools.redaction.text(out, name);
                }
                if let Some(port) = port {
                    json::count(out, "port", port.into());
                }
            }
        });
        if let Some(agent) = entry.user_agent() {
            json::key(out, "user_agent");
            tools.redaction.kept(out, agent);
        }
        if let Some(id) = view.request_id {
            json::key(out, "uid");
            tools.redaction.text(out, id.as_bytes());
        }
    });
}

/// Values that the attribute of the schema does not take: methods beyond its list, and what is no name of
/// a host.
fn unmapped(out: &mut Vec<u8>, view: &View<'_>, tools: &mut Tools) {
    let Some(entry) = view.request else { return };
    if !METHODS.contains(&entry.method) {
        json::key(out, "method");
        native::method(out, &entry.method, tools);
    }
    if let Some(host) = entry.host()
        && !host::is_name(host::split(host.text).0)
    {
        json::key(out, "host");
        tools.redaction.kept(out, host);
    }
}
