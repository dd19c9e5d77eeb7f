//! Every kind of record in ECS, against its field reference, 8.11: fields, and the types expected in each category.

use crate::records::{at, every_record, paths};
use palisade_audit::Format;
use serde_json::Value;
use std::collections::BTreeSet;

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
