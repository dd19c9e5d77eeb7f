//! The other forms of a line.

mod ecs;
mod ocsf;
mod records;
#[path = "../support/mod.rs"]
mod support;
mod vector;

use std::convert::Infallible;
use std::time::Duration;

use http::{Request, Response};
use palisade_audit::{
    Audit, AuditLayer, Class, Format, MemorySink, Outcome, Record, RollingFile, Seal, SigningKey,
    Verifier,
};
use palisade_core::{
    EventKind, Name, PeerAddr, Principal, RequestId, RequestScope, SecurityEvent, time,
};
use serde_json::{Value, json};
use support::{fetch, hello};
use tower::{Layer, service_fn};

/// A refused login, a request of a known principal, and a record of the application.
async fn lines(format: Format) -> Vec<Value> {
    // 2026-11-20T16:00:00.250Z, seconds by `date -u -d 2026-11-20T16:00:00Z +%s`.
    let clock = time::WallClock::from_fn(|| {
        time::UnixTime::from_duration(Duration::from_millis(1_795_190_400_250))
    });
    let memory = MemorySink::new().format(format);
    let (audit, guard) = Audit::builder("bookings")
        .sink(memory.clone())
        .clock(clock)
        .open()
        .unwrap();
    let service = AuditLayer::new(audit.clone()).layer(service_fn(async |request: Request<()>| {
        let scope = RequestScope::current(request.extensions()).unwrap();
        if request.uri().path() == "/login" {
            scope.record(
                SecurityEvent::new(EventKind::LoginFailure)
                    .reason("wrong_password")
                    .subject("eve"),
            );
            return Ok::<_, Infallible>(Response::builder().status(401).body(hello()).unwrap());
        }
        scope.push_principal(
            Principal::user("https://idp.example/", "ada")
                .tenant("acme")
                .into(),
        );
        Ok(Response::new(hello()))
    }));
    for uri in ["/login", "/rooms/7?token=t&page=2"] {
        let mut request = Request::get(uri)
            .header("host", "api.example")
            .header("user-agent", "curl/8")
            .body(())
            .unwrap();
        request
            .extensions_mut()
            .insert(PeerAddr("203.0.113.7:1".parse().unwrap()));
        RequestScope::enter(request.extensions_mut())
            .set_request_id(RequestId::new("id-1").unwrap());
        fetch(service.clone(), request).await;
    }
    audit.record(
        Record::named(Name::from_static("room_deleted"), Class::Admin)
            .actor("ada")
            .action("room.delete")
            .resource("rooms/7")
            .outcome(Outcome::Success)
            .detail("api_key", "k"),
    );
    guard.shutdown(Duration::from_secs(5));
    memory
        .lines()
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn ecs_has_its_fields_where_its_reference_puts_them() {
    let lines = lines(Format::Ecs).await;
    let (login, request, record) = (&lines[1], &lines[3], &lines[4]);
    assert_eq!(login["event"]["category"], json!(["authentication"]));
    assert_eq!(login["event"]["type"], json!(["info"]));
    assert_eq!(login["palisade"]["outcome"], "denied");
    assert_eq!(login["event"]["outcome"], "failure");
    assert_eq!(login["user"]["id"], "eve");

    let mut request = request.clone();
    assert!(request["event"]["duration"].take().is_u64());
    assert_eq!(
        request,
        json!({
            "@timestamp": "2026-11-20T16:00:00.250Z", "ecs": { "version": "8.11.0" },
            "event": {
                "kind": "event", "category": ["web"], "type": ["access"], "action": "http_request",
                "outcome": "success", "sequence": 4, "duration": null,
            },
            "log": { "level": "info" }, "service": { "name": "bookings" },
            "client": { "ip": "203.0.113.7" }, "source": { "ip": "203.0.113.7" },
            "user": { "id": "ada", "domain": "https://idp.example/" }, "organization": { "id": "acme" },
            "http": {
                "request": { "method": "GET", "id": "id-1" },
                "response": { "status_code": 200, "body": { "bytes": 5 } },
            },
            "url": { "path": "/rooms/7", "query": "token=[redacted]&page=2", "domain": "api.example" },
            "user_agent": { "original": "curl/8" },
            "palisade": { "class": "access", "outcome": "success" },
        })
    );
    assert_eq!(
        record["palisade"],
        json!({
            "class": "admin", "outcome": "success", "action": "room.delete", "resource": "rooms/7",
            "details": { "api_key": "[redacted]" },
        })
    );
}

#[tokio::test]
async fn ocsf_has_the_attributes_that_its_classes_require() {
    let lines = lines(Format::Ocsf).await;
    let (login, request, record) = (&lines[1], &lines[3], &lines[4]);
    for line in &lines {
        assert_eq!(line["time"], 1_795_190_400_250_u64);
        let type_uid =
            line["class_uid"].as_u64().unwrap() * 100 + line["activity_id"].as_u64().unwrap();
        assert_eq!(line["type_uid"], type_uid);
        assert!(line["metadata"]["product"]["vendor_name"].is_string());
        assert_eq!(line["metadata"]["version"], "1.3.0");
        assert!(line["severity_id"].is_u64() && line["category_uid"].is_u64());
    }
    assert_eq!(
        (&login["class_uid"], &login["status_id"]),
        (&json!(3002), &json!(2))
    );
    assert_eq!(login["user"], json!({ "uid": "eve" }));
    assert_eq!(login["status_detail"], "wrong_password");
    assert_eq!(login["service"], json!({ "name": "bookings" }));

    assert_eq!(
        (&request["class_uid"], &request["activity_id"]),
        (&json!(6003), &json!(2))
    );
    assert_eq!(
        request["actor"]["user"],
        json!({ "uid": "ada", "domain": "https://idp.example/", "type_id": 1 })
    );
    assert_eq!(request["src_endpoint"], json!({ "ip": "203.0.113.7" }));
    assert_eq!(
        request["api"],
        json!({ "operation": "GET", "service": { "name": "bookings" } })
    );
    assert_eq!(
        request["http_request"],
        json!({
            "http_method": "GET",
            "url": { "path": "/rooms/7", "query_string": "token=[redacted]&page=2", "hostname": "api.example" },
            "user_agent": "curl/8", "uid": "id-1",
        })
    );
    assert_eq!(record["api"]["operation"], "room.delete");
    assert_eq!(record["resources"], json!([{ "name": "rooms/7" }]));
}

#[test]
fn every_format_can_be_sealed_and_goes_on_after_a_restart() {
    for format in [Format::Native, Format::Ecs, Format::Ocsf] {
        let directory = tempfile::tempdir().unwrap();
        let key = SigningKey::from_seed(&[7; 32]).unwrap();
        for _ in 0..2 {
            let (audit, guard) = Audit::builder("svc")
                .file(RollingFile::new(directory.path()).format(format))
                .seal(Seal::chain().checkpoint(key.clone(), 10, Duration::from_secs(60)))
                .open()
                .unwrap();
            for _ in 0..25 {
                audit.record(Record::new(EventKind::AdminAction));
            }
            assert!(
                audit
                    .recent(1)
                    .iter()
                    .all(|line| line.starts_with("{\"timestamp\""))
            );
            guard.shutdown(Duration::from_secs(5));
        }
        let text = std::fs::read(directory.path().join("svc_audit.log")).unwrap();
        let mut verifier = Verifier::new().key(key.public_key()).max_unsigned(11);
        verifier.read(&text[..]).unwrap();
        let report = verifier.report().unwrap();
        assert_eq!((report.first, report.unsigned), (1, 0), "{format:?}");
        assert!(
            !String::from_utf8(text).unwrap().contains("audit_recovered"),
            "{format:?}"
        );
    }
}

#[test]
fn unsealed_trails_of_every_format_go_on_with_their_numbers() {
    for format in [Format::Native, Format::Ecs, Format::Ocsf] {
        let directory = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let file = RollingFile::new(directory.path()).format(format);
            let (_, guard) = Audit::builder("svc").file(file).open().unwrap();
            guard.shutdown(Duration::from_secs(5));
        }
        let text = std::fs::read_to_string(directory.path().join("svc_audit.log")).unwrap();
        let numbers: Vec<u64> = text
            .lines()
            .map(|line| {
                let line: Value = serde_json::from_str(line).unwrap();
                let places = [
                    &line["seq"],
                    &line["event"]["sequence"],
                    &line["metadata"]["sequence"],
                ];
                places.into_iter().find_map(Value::as_u64).unwrap()
            })
            .collect();
        assert_eq!(numbers, [1, 2, 3, 4], "{format:?}");
    }
}

#[tokio::test]
async fn no_header_stands_for_a_member_of_the_record() {
    for (format, headers) in [
        (Format::Native, &["headers"][..]),
        (Format::Ecs, &["palisade", "headers"]),
        (Format::Ocsf, &["unmapped", "headers"]),
    ] {
        let memory = MemorySink::new().format(format);
        let names = [
            "tenant",
            "actor",
            "outcome",
            "class",
            "headers",
            "seq",
            "user_agent",
        ];
        let (audit, guard) = Audit::builder("bookings")
            .sink(memory.clone())
            .headers(names)
            .open()
            .unwrap();
        let service = AuditLayer::new(audit).layer(support::answers(hello()));
        let mut request = Request::get("/").body(()).unwrap();
        for name in names {
            let forged = "forged".parse().unwrap();
            request
                .headers_mut()
                .insert(http::HeaderName::from_static(name), forged);
        }
        fetch(service, request).await;
        guard.shutdown(Duration::from_secs(5));
        let lines = memory.lines();
        let line = lines
            .iter()
            .find(|line| line.contains("http_request"))
            .unwrap();
        let record: Value = serde_json::from_str(line).unwrap();
        let object = headers.iter().fold(&record, |value, name| &value[*name]);
        assert_eq!(object.as_object().unwrap().len(), names.len(), "{format:?}");
        assert!(
            object
                .as_object()
                .unwrap()
                .values()
                .all(|value| value == "forged")
        );
        assert_eq!(
            line.matches("forged").count(),
            names.len(),
            "{format:?}: {line}"
        );
    }
}

#[test]
fn a_header_that_is_listed_twice_is_refused() {
    let opened = Audit::builder("bookings")
        .sink(MemorySink::new())
        .headers(["X-Note", "x-note"])
        .open();
    assert!(opened.unwrap_err().to_string().contains("listed twice"));
}
