//! Every kind of record in ECS and OCSF, against what is published of the schemas.
//!
//! Sources of the facts below: the ECS field reference, 8.11 (fields, and the types expected in each category), and the
//! Open Cybersecurity Schema Framework, 1.3.0 (<https://github.com/ocsf/ocsf-schema>: `events/`, `objects/`,
//! `dictionary.json`).

mod support;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use http::{Request, Response};
use palisade_audit::{
    Audit, AuditLayer, Class, Format, MemorySink, Outcome, Record, Seal, SigningKey,
};
use palisade_core::{EventKind, Name, PeerAddr, Principal, RequestId, RequestScope, SecurityEvent};
use serde_json::Value;
use support::{fetch, hello};
use tower::{Layer, service_fn};

const KINDS: [EventKind; 18] = [
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

const CLASSES: [Class; 7] = [
    Class::Access,
    Class::Authentication,
    Class::Authorization,
    Class::Admin,
    Class::Configuration,
    Class::Data,
    Class::Operations,
];

const OUTCOMES: [Outcome; 7] = [
    Outcome::Success,
    Outcome::Denied,
    Outcome::Failure,
    Outcome::Error,
    Outcome::Aborted,
    Outcome::Incomplete,
    Outcome::Panic,
];

/// A trail with every kind of record: of the trail itself, of requests with every event, and of the application.
async fn every_record(format: Format) -> Vec<Value> {
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
async fn request_with(audit: &Audit, kind: EventKind) {
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
fn paths(record: &Value, own: &str) -> BTreeSet<String> {
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

fn at<'a>(record: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(record, |value, name| &value[name])
}

#[tokio::test]
async fn every_record_keeps_to_the_fields_and_values_of_ecs() {
    // Of the field reference, those that are used, with their types.
    let fields = [
        ("@timestamp", "date"),
        ("client.ip", "ip"),
        ("ecs.version", "keyword"),
        ("event.action", "keyword"),
        ("event.category", "keywords"),
        ("event.duration", "long"),
        ("event.kind", "keyword"),
        ("event.outcome", "keyword"),
        ("event.reason", "keyword"),
        ("event.sequence", "long"),
        ("event.type", "keywords"),
        ("http.request.id", "keyword"),
        ("http.request.method", "keyword"),
        ("http.response.body.bytes", "long"),
        ("http.response.status_code", "long"),
        ("log.level", "keyword"),
        ("message", "keyword"),
        ("organization.id", "keyword"),
        ("rule.name", "keyword"),
        ("service.name", "keyword"),
        ("source.ip", "ip"),
        ("trace.id", "keyword"),
        ("url.domain", "keyword"),
        ("url.path", "keyword"),
        ("url.port", "long"),
        ("url.query", "keyword"),
        ("user.domain", "keyword"),
        ("user.id", "keyword"),
        ("user_agent.original", "keyword"),
    ];
    // The types that are expected in each category.
    let expected = [
        ("authentication", &["start", "end", "info"][..]),
        (
            "configuration",
            &["access", "change", "creation", "deletion", "info"],
        ),
        ("database", &["access", "change", "info", "error"]),
        (
            "iam",
            &[
                "admin", "change", "creation", "deletion", "group", "info", "user",
            ],
        ),
        ("process", &["access", "change", "end", "info", "start"]),
        ("web", &["access", "error", "info"]),
    ];
    let records = every_record(Format::Ecs).await;
    assert!(records.len() > 500, "{}", records.len());
    let mut seen = BTreeSet::new();
    for record in &records {
        for path in paths(record, "palisade") {
            let value = at(record, &path);
            let kind = fields.iter().find(|(name, _)| *name == path);
            let (_, kind) = kind.unwrap_or_else(|| panic!("{path} is no field: {record}"));
            let fits = match *kind {
                "long" => value.is_u64(),
                "keywords" => value
                    .as_array()
                    .is_some_and(|all| all.iter().all(Value::is_string)),
                "ip" => value
                    .as_str()
                    .is_some_and(|ip| ip.parse::<std::net::IpAddr>().is_ok()),
                "date" => value.as_str().is_some_and(|time| time.ends_with('Z')),
                _ => value.is_string(),
            };
            assert!(fits, "{path} is no {kind}: {record}");
        }
        let event = &record["event"];
        let category = event["category"][0].as_str().unwrap();
        let types = expected
            .iter()
            .find(|(name, _)| *name == category)
            .unwrap()
            .1;
        for kind in event["type"].as_array().unwrap() {
            assert!(types.contains(&kind.as_str().unwrap()), "{record}");
        }
        assert!(["success", "failure", "unknown"].contains(&event["outcome"].as_str().unwrap()));
        assert_eq!(event["kind"], "event");
        if let Some(domain) = record["url"]["domain"].as_str() {
            assert!(!domain.ends_with(":8443"), "{record}");
        }
        seen.insert(category);
    }
    assert_eq!(seen.len(), expected.len(), "{seen:?}");
    let with_port = |record: &&Value| record["url"]["port"] == 8443;
    let record = records.iter().find(with_port).unwrap();
    assert_eq!(record["url"]["domain"], "api.example");
}

/// The attributes of classes and objects that are used, beside those that every event may have.
const OCSF: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "activity_id",
            "category_uid",
            "class_uid",
            "duration",
            "message",
            "metadata",
            "severity",
            "severity_id",
            "status",
            "status_code",
            "status_detail",
            "status_id",
            "time",
            "type_uid",
            "unmapped",
            "src_endpoint",
            "http_request",
        ],
    ),
    ("3002", &["user", "service"]),
    ("3003", &["user", "privileges"]),
    ("6003", &["actor", "api", "resources"]),
    (
        "metadata",
        &[
            "version",
            "product",
            "log_name",
            "event_code",
            "sequence",
            "correlation_uid",
            "tenant_uid",
        ],
    ),
    ("metadata.product", &["name", "vendor_name", "version"]),
    ("http_request", &["http_method", "url", "user_agent", "uid"]),
    (
        "http_request.url",
        &["path", "query_string", "hostname", "port"],
    ),
    ("src_endpoint", &["ip", "name"]),
    ("user", &["uid", "name", "domain", "type_id"]),
    ("service", &["name"]),
    ("actor", &["user", "app_name"]),
    ("actor.user", &["uid", "name", "domain", "type_id"]),
    ("api", &["operation", "service"]),
    ("api.service", &["name"]),
];

fn has_only(record: &Value, object: &str, more: &str) {
    let value = if object.is_empty() {
        record
    } else {
        at(record, object)
    };
    let known = |name: &str| OCSF.iter().find(|(known, _)| *known == name).unwrap().1;
    for name in value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
    {
        let is_known =
            known(object).contains(&name) || (!more.is_empty() && known(more).contains(&name));
        assert!(is_known, "{object} has no {name}: {record}");
    }
}

#[tokio::test]
async fn every_record_keeps_to_the_attributes_and_constraints_of_ocsf() {
    const METHODS: [&str; 8] = [
        "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT", "TRACE",
    ];
    let records = every_record(Format::Ocsf).await;
    assert!(records.len() > 500, "{}", records.len());
    let mut classes = BTreeSet::new();
    for record in &records {
        let class = record["class_uid"].as_u64().unwrap();
        has_only(record, "", &class.to_string());
        for (object, _) in OCSF
            .iter()
            .filter(|(name, _)| name.starts_with(char::is_alphabetic))
        {
            has_only(record, object, "");
        }
        let required = match class {
            3002 => &["user", "service"][..],
            // At least one of `privileges` and `group`.
            3003 => &["user", "privileges"],
            6003 => &["actor", "api", "src_endpoint"],
            _ => panic!("{record}"),
        };
        let base = [
            "activity_id",
            "category_uid",
            "metadata",
            "severity_id",
            "time",
            "type_uid",
        ];
        for name in base.iter().chain(required) {
            assert!(!record[name].is_null(), "{name} is missing: {record}");
        }
        let activity = record["activity_id"].as_u64().unwrap();
        let activities = match class {
            3002 => 1..=5,
            3003 => 1..=2,
            _ => 1..=4,
        };
        assert!(activities.contains(&activity) || activity == 99, "{record}");
        assert_eq!(record["category_uid"], class / 1_000);
        assert_eq!(record["type_uid"], class * 100 + activity);
        assert!([0, 1, 2, 99].contains(&record["status_id"].as_u64().unwrap()));
        let request = &record["http_request"];
        if let Some(method) = request["http_method"].as_str() {
            assert!(METHODS.contains(&method), "{record}");
        } else if request.is_object() {
            assert!(record["unmapped"]["method"].is_string(), "{record}");
        }
        if let Some(host) = request["url"]["hostname"].as_str() {
            let fits = |found: char| found.is_ascii_alphanumeric() || matches!(found, '-' | '.');
            assert!(!host.is_empty() && host.chars().all(fits), "{record}");
        }
        if let Some(privileges) = record.get("privileges") {
            assert!(
                privileges
                    .as_array()
                    .is_some_and(|all| all.len() == 1 && all[0].is_string())
            );
        }
        classes.insert(class);
    }
    assert_eq!(classes.len(), 3);
    for (method, host, port) in [
        ("PATCH", "no_name_of_a_host", None),
        ("PROPFIND", "", None),
        ("PUT", "[::1]:8443", Some(8443)),
    ] {
        let found = records.iter().find(|record| {
            let unmapped = &record["unmapped"];
            let sent = unmapped["method"]
                .as_str()
                .or(record["http_request"]["http_method"].as_str());
            sent == Some(method)
        });
        let record = found.unwrap();
        assert_eq!(
            record["unmapped"]["host"].as_str().unwrap_or_default(),
            host,
            "{record}"
        );
        assert_eq!(
            record["http_request"]["url"]["port"].as_u64(),
            port,
            "{record}"
        );
    }
}

/// The command that installs the models; `cargo xtask test` runs it.
const INSTALL: &str = "a python with ocsf-pydantic is needed; install it with `python3 -m venv target/ocsf && \
                       target/ocsf/bin/pip install ocsf-pydantic email-validator pydantic-extra-types`";

#[tokio::test]
async fn ocsf_lines_validate_against_the_models_of_ocsf_pydantic() {
    let installed = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../target/ocsf/bin/python"
    ));
    let python = std::env::var_os("PALISADE_OCSF_PYTHON").map_or(installed, PathBuf::from);
    let lines = every_record(Format::Ocsf).await;
    let text: Vec<String> = lines.iter().map(Value::to_string).collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text.join("\n")).unwrap();
    let output = std::process::Command::new(python)
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/validate_ocsf.py"
        ))
        .arg(file.path())
        .output()
        .expect(INSTALL);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        lines.len().to_string()
    );
}
