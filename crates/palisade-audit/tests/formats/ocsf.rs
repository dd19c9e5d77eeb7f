//! Every kind of record in OCSF, against the Open Cybersecurity Schema Framework, 1.3.0
//! (<https://github.com/ocsf/ocsf-schema>: `events/`, `objects/`, `dictionary.json`).

use crate::records::{at, every_record};
use palisade_audit::Format;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;

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
