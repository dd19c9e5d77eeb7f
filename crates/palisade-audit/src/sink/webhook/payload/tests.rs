use super::*;

fn record() -> Value {
    json!({
        "timestamp": "2026-11-20T16:00:00.000Z", "seq": 7, "event": "authn_token_reuse", "severity": "critical",
        "service": "bookings", "actor": "ada", "client_ip": "192.0.2.1", "method": "POST", "path": "/auth/refresh",
        "reason": "reused"
    })
}

fn body(form: &Form, record: &Value, held_back: u64) -> Value {
    let fresh = Fresh {
        key: "authn_token_reuse\nada\n192.0.2.1".to_owned(),
        held_back,
    };
    let message = form.message(&Alert {
        record,
        severity: Severity::Critical,
        fresh: &fresh,
    });
    serde_json::from_slice(&message.body).unwrap()
}

const SUMMARY: &str =
    "bookings: authn_token_reuse by ada from 192.0.2.1 for POST /auth/refresh reason reused";

// SHA-256 of "bookings\nauthn_token_reuse\nada\n192.0.2.1", the first 16 bytes: `printf ... | sha256sum`.
const DEDUP_KEY: &str = "045f232f65b2b11620a5415387d07a22";

#[test]
fn pagerduty_gets_an_event_of_its_version_two() {
    let sent = body(&Form::PagerDuty("R0UT1NG".into()), &record(), 0);
    assert_eq!(
        sent,
        json!({
            "routing_key": "R0UT1NG", "event_action": "trigger", "dedup_key": DEDUP_KEY,
            "payload": {
                "summary": SUMMARY, "source": "bookings", "severity": "critical",
                "timestamp": "2026-11-20T16:00:00.000Z", "component": "bookings", "class": "authn_token_reuse",
                "custom_details": { "held_back": 0, "record": record() }
            }
        })
    );
}

#[test]
fn slack_gets_a_text_without_markup_of_a_client() {
    let mut forged = record();
    forged["actor"] = json!("<!channel> & <https://evil.example|click>");
    let sent = body(&Form::Slack, &forged, 3);
    assert_eq!(
        sent,
        json!({ "text": "bookings: authn_token_reuse by &lt;!channel&gt; &amp; &lt;https://evil.example|click&gt; \
            from 192.0.2.1 for POST /auth/refresh reason reused (3 more since the last alert)" })
    );
}

#[test]
fn json_has_the_record_and_what_receivers_sort_by() {
    let sent = body(&Form::Json, &record(), 2);
    assert_eq!(
        sent,
        json!({
            "service": "bookings", "event": "authn_token_reuse", "severity": "critical",
            "summary": format!("{SUMMARY} (2 more since the last alert)"), "dedup_key": DEDUP_KEY, "held_back": 2,
            "record": record()
        })
    );
}

#[test]
fn a_summary_is_never_longer_than_pagerduty_takes() {
    let mut long = record();
    long["path"] = json!("é".repeat(3_000));
    for held_back in [0, 5] {
        let sent = body(&Form::PagerDuty("k".into()), &long, held_back);
        let summary = sent["payload"]["summary"].as_str().unwrap();
        assert_eq!(summary.chars().count(), 1_024);
        assert_eq!(
            summary.ends_with("(5 more since the last alert)"),
            held_back == 5
        );
    }
}

#[test]
fn another_service_or_alert_has_another_key_and_each_message_its_own_id() {
    let mut other = record();
    other["service"] = json!("billing");
    assert_ne!(body(&Form::Json, &other, 0)["dedup_key"], DEDUP_KEY);
    let id = |record: &Value| {
        let fresh = Fresh {
            key: "k".to_owned(),
            held_back: 0,
        };
        let alert = Alert {
            record,
            severity: Severity::Critical,
            fresh: &fresh,
        };
        Form::Json.message(&alert).id
    };
    let mut later = record();
    later["seq"] = json!(8);
    assert_ne!(id(&record()), id(&later));
    assert_eq!(id(&record()), id(&record()));
}

#[test]
fn the_routing_key_is_in_no_debug() {
    assert_eq!(
        format!("{:?}", Form::PagerDuty("R0UT1NG".into())),
        "PagerDuty"
    );
}
