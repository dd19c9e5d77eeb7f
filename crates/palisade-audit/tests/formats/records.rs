//! Every kind of record, and where its members are.

use crate::support::{fetch, hello};
use http::{Request, Response};
use palisade_audit::{
    Audit, AuditLayer, Class, Format, MemorySink, Outcome, Record, Seal, SigningKey,
};
use palisade_core::{EventKind, Name, PeerAddr, Principal, RequestId, RequestScope, SecurityEvent};
use serde_json::Value;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;
use tower::{Layer, service_fn};

pub(crate) const KINDS: [EventKind; 18] = [
    EventKind::LoginSuccess,
    EventKind::LoginFailure,
    EventKind::RevokedTokenUse,
    EventKind::RefreshReuse,
    EventKind::TokenCreated,
    EventKind::TokenRevoked,
    EventKind::AuthorizationFailure,
    EventKind::AdminAction,
    EventKind::ExcessRateLimit,
    EventKind::MaliciousCors,
    EventKind::CrossOriginRequest,
    EventKind::InputValidationFailure,
    EventKind::BreakerTransition,
    EventKind::BreakerRejection,
    EventKind::CryptoFailure,
    EventKind::DataAccess,
    EventKind::ConfigurationChange,
    EventKind::StoreUnavailable,
];

pub(crate) const CLASSES: [Class; 7] = [
    Class::Access,
    Class::Authentication,
    Class::Authorization,
    Class::Admin,
    Class::Configuration,
    Class::Data,
    Class::Operations,
];

pub(crate) const OUTCOMES: [Outcome; 7] = [
    Outcome::Success,
    Outcome::Denied,
    Outcome::Failure,
    Outcome::Error,
    Outcome::Aborted,
    Outcome::Incomplete,
    Outcome::Panic,
];

/// A trail with every kind of record: of the trail itself, of requests with every event, and of the application.
pub(crate) async fn every_record(format: Format) -> Vec<Value> {
    let memory = MemorySink::new().format(format);
    let key = SigningKey::from_seed(&[7; 32]).unwrap();
    let (audit, guard) = Audit::builder("bookings")
        .sink(memory.clone())
        .headers(["x-note"])
        .seal(Seal::chain().checkpoint(key, 20, Duration::from_secs(60)))
        .open()
        .unwrap();
    for kind in KINDS {
        request_with(&audit, kind).await;
        audit.record(Record::new(kind));
    }
    for class in CLASSES {
        for outcome in OUTCOMES {
            let record = Record::named(Name::from_static("room_sold"), class);
            audit.record(record.clone().outcome(outcome));
            audit.record(
                record
                    .outcome(outcome)
                    .actor("ada")
                    .action("room.sell")
                    .resource("rooms/7")
                    .reason("no_longer_needed")
                    .detail("price", 7),
            );
        }
    }
    assert!(guard.shutdown(Duration::from_secs(5)).complete);
    let lines = memory.lines();
    let parsed = lines.iter().map(|line| serde_json::from_str(line).unwrap());
    parsed.collect()
}

/// Requests of every method and to hosts of every form, during which this happens.
pub(crate) async fn request_with(audit: &Audit, kind: EventKind) {
    let service =
        AuditLayer::new(audit.clone()).layer(service_fn(move |request: Request<()>| async move {
            let scope = RequestScope::current(request.extensions()).unwrap();
            scope.record(SecurityEvent::new(kind));
            let event = SecurityEvent::new(kind).reason("because").subject("eve");
            scope.record(event.policy(Name::from_static("logins")).detail("a text"));
            let status = match request.method().as_str() {
                "GET" => 200,
                "POST" => 401,
                "DELETE" => 500,
                _ => 404,
            };
            if status == 200 {
                let principal = Principal::user("https://idp.example/", "ada").tenant("acme");
                scope.push_principal(principal.into());
            } else if status == 500 {
                scope.push_principal(Principal::service("https://idp.example/", "billing").into());
            }
            Ok::<_, Infallible>(Response::builder().status(status).body(hello()).unwrap())
        }));
    for (method, uri, host) in [
        ("GET", "/rooms/7?page=2", "api.example:8443"),
        ("POST", "/login", "api.example"),
        ("PUT", "/", "[::1]:8443"),
        ("PATCH", "/", "no_name_of_a_host"),
        ("DELETE", "/", "203.0.113.7"),
        ("HEAD", "/", ""),
        ("OPTIONS", "*", "api.example:x"),
        ("TRACE", "/", "-"),
        ("CONNECT", "api.example:443", "api.example:443"),
        ("PROPFIND", "/", "api.example"),
        ("M-MADE-UP", "/", "a:b:c"),
    ] {
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header("host", host)
            .header("user-agent", "curl/8")
            .header("x-note", "a note")
            .body(())
            .unwrap();
        if method != "POST" {
            let peer = PeerAddr("203.0.113.7:1".parse().unwrap());
            request.extensions_mut().insert(peer);
            let id = RequestId::new("id-1").unwrap();
            RequestScope::enter(request.extensions_mut()).set_request_id(id);
        }
        fetch(service.clone(), request).await;
    }
}

/// The paths of all values in a record, but for what lies under `own`.
pub(crate) fn paths(record: &Value, own: &str) -> BTreeSet<String> {
    fn walk(value: &Value, path: &str, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    let path = if path.is_empty() {
                        name.clone()
                    } else {
                        format!("{path}.{name}")
                    };
                    walk(value, &path, found);
                }
            }
            _ => {
                found.insert(path.to_owned());
            }
        }
    }
    let mut found = BTreeSet::new();
    for (name, value) in record.as_object().unwrap() {
        if name != own {
            walk(value, name, &mut found);
        }
    }
    found
}

pub(crate) fn at<'a>(record: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(record, |value, name| &value[name])
}
