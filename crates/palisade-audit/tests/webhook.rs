//! Alerts by webhook, against a receiver that fails, hangs and comes back.

#[path = "support/receiver.rs"]
mod receiver;

use std::time::Duration;

use palisade_audit::{Audit, Class, Guard, MemorySink, Record, Webhook};
use palisade_client::{BreakerConfig, HttpClient, HttpClientBuilder, RetryConfig};
use palisade_core::{EventKind, Name, Severity};
use serde_json::{Value, json};

use self::receiver::{Mode, Receiver};

const SECOND: Duration = Duration::from_secs(1);

/// A client that gives up quickly and opens its breaker after four failures, for a short time.
fn client() -> HttpClientBuilder {
    let mut retry = RetryConfig::default();
    retry.attempts = Some(2);
    retry.base = Some(Duration::from_millis(5));
    let mut breaker = BreakerConfig::default();
    breaker.consecutive_failures = Some(4);
    breaker.open_for = Some(Duration::from_millis(200));
    HttpClient::builder()
        .no_proxy()
        .connect_timeout(SECOND)
        .attempt_timeout(Duration::from_millis(150))
        .retry(retry)
        .breaker(breaker)
}

fn webhook(receiver: &Receiver) -> Webhook {
    Webhook::json(&receiver.url())
        .unwrap()
        .client(client().build().unwrap())
        .retry_pause(Duration::from_millis(20))
}

fn trail(webhook: Webhook) -> (Audit, Guard) {
    // The trail that counts is another: the webhook is a sink beside it.
    let builder = Audit::builder("bookings").sink(MemorySink::new());
    builder.sink(webhook).open().unwrap()
}

fn critical(actor: &str) -> Record {
    Record::new(EventKind::RefreshReuse).actor(actor)
}

fn actors(bodies: &[Value]) -> Vec<&str> {
    bodies
        .iter()
        .map(|body| body["record"]["actor"].as_str().unwrap())
        .collect()
}

#[test]
fn a_critical_record_is_posted_as_json_and_others_are_not() {
    let receiver = Receiver::start();
    let (audit, guard) = trail(
        webhook(&receiver)
            .header("authorization", "Bearer t0p-s3cret-t0ken")
            .unwrap(),
    );
    audit.record(Record::new(EventKind::LoginFailure).actor("bob"));
    audit.record(critical("ada").detail("password", "hunter2"));
    assert_eq!(guard.shutdown(5 * SECOND).lost, 0);

    let requests = receiver.requests();
    assert_eq!(requests.len(), 1);
    let (head, body) = &requests[0];
    assert!(head.starts_with("POST /hooks/T0KEN HTTP/1.1\r\n"), "{head}");
    assert!(
        head.contains("content-type: application/json\r\n"),
        "{head}"
    );
    assert!(
        head.contains("authorization: Bearer t0p-s3cret-t0ken\r\n"),
        "{head}"
    );
    assert_eq!(body["event"], EventKind::RefreshReuse.as_str());
    assert_eq!(
        (&body["service"], &body["severity"], &body["held_back"]),
        (&json!("bookings"), &json!("critical"), &json!(0))
    );
    assert_eq!(body["record"]["actor"], "ada");
    assert_eq!(body["record"]["details"]["password"], "[redacted]");
    assert!(!body.to_string().contains("hunter2"));
}

#[test]
fn an_alert_outlives_a_receiver_that_fails_and_hangs_and_is_posted_once_it_comes_back() {
    let receiver = Receiver::start();
    receiver.set(Mode::Fail);
    let (audit, guard) = trail(webhook(&receiver));
    audit.record(critical("ada"));
    audit.record(critical("bob"));
    // Twice the attempts of one call: it was tried again after the client had given up.
    receiver.until(|seen| seen >= 4);
    receiver.set(Mode::Hang);
    receiver.until(|seen| seen >= 6);
    assert!(receiver.accepted().is_empty());
    receiver.set(Mode::Ok);
    receiver.until_accepted(2);
    assert_eq!(guard.shutdown(5 * SECOND).lost, 0);
    // An attempt whose answer came too late was accepted all the same, and is made again.
    let bodies = receiver.accepted();
    let mut accepted = actors(&bodies);
    accepted.dedup();
    assert_eq!(accepted, ["ada", "bob"]);

    // Every attempt for one alert has one id, by which a receiver can drop repetitions.
    let mut ids = receiver.ids();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 2, "{ids:?}");
}

#[test]
fn a_receiver_that_is_down_is_left_alone_by_the_breaker() {
    let receiver = Receiver::start();
    receiver.set(Mode::Fail);
    let mut never_again = BreakerConfig::default();
    never_again.consecutive_failures = Some(4);
    never_again.open_for = Some(3_600 * SECOND);
    let down = client().breaker(never_again).build().unwrap();
    let hook = webhook(&receiver)
        .client(down.clone())
        .give_up_after(Duration::from_millis(300));
    let (audit, guard) = trail(hook);
    for nth in 0..20 {
        audit.record(critical(&format!("a{nth}")));
    }
    assert_eq!(guard.shutdown(10 * SECOND).lost, 0);
    assert_eq!(
        receiver.requests().len(),
        4,
        "the breaker opened at the fourth"
    );
}

#[test]
fn what_the_receiver_refuses_is_not_tried_again() {
    let receiver = Receiver::start();
    receiver.set(Mode::Refuse);
    let (audit, guard) = trail(webhook(&receiver));
    audit.record(critical("ada"));
    receiver.until(|seen| seen == 1);
    receiver.set(Mode::Ok);
    audit.record(critical("bob"));
    guard.shutdown(5 * SECOND);
    assert_eq!(actors(&receiver.accepted()), ["bob"]);
    assert_eq!(receiver.requests().len(), 2);
}

#[test]
fn repetitions_are_held_back_and_counted() {
    let receiver = Receiver::start();
    let (audit, guard) = trail(webhook(&receiver).dedup_within(Duration::from_millis(400)));
    for _ in 0..5 {
        audit.record(critical("ada"));
    }
    audit.record(critical("bob"));
    receiver.until_accepted(2);
    // The window is told by the system's clock, which nothing pauses outside of Tokio.
    std::thread::sleep(Duration::from_millis(500));
    audit.record(critical("ada"));
    guard.shutdown(5 * SECOND);
    let accepted = receiver.accepted();
    assert_eq!(actors(&accepted), ["ada", "bob", "ada"]);
    assert_eq!(accepted[2]["held_back"], 4);
    assert_eq!(accepted[0]["dedup_key"], accepted[2]["dedup_key"]);
    assert_ne!(accepted[0]["dedup_key"], accepted[1]["dedup_key"]);
}

#[test]
fn a_receiver_that_hangs_holds_up_neither_the_trail_nor_a_shutdown_and_the_queue_is_bounded() {
    let receiver = Receiver::start();
    receiver.set(Mode::Hang);
    let slow = client()
        .attempt_timeout(60 * SECOND)
        .total_timeout(60 * SECOND);
    let hook = webhook(&receiver)
        .client(slow.build().unwrap())
        .capacity(3)
        .flush_timeout(Duration::from_millis(300));
    let memory = MemorySink::new();
    let (audit, guard) = Audit::builder("bookings")
        .sink(memory.clone())
        .sink(hook)
        .open()
        .unwrap();
    audit.record(critical("first"));
    receiver.until(|seen| seen == 1);
    for nth in 0..50 {
        audit.record(critical(&format!("a{nth}")));
    }
    let start = palisade_core::time::now();
    let end = guard.shutdown(10 * SECOND);
    let took = palisade_core::time::now().saturating_duration_since(start);
    assert!(end.complete && end.lost == 0, "{end:?}");
    assert!(
        took >= Duration::from_millis(300) && took < 3 * SECOND,
        "{took:?}"
    );
    let written = memory
        .lines()
        .iter()
        .filter(|line| line.contains("\"actor\":\"a"))
        .count();
    assert_eq!(written, 50);
    assert_eq!(
        receiver.requests().len(),
        1,
        "the others waited, or found no room"
    );
}

#[test]
fn a_shutdown_sends_what_is_left() {
    let receiver = Receiver::start();
    receiver.set(Mode::Fail);
    // The pause is longer than the test: only the end cuts it short.
    let (audit, guard) = trail(webhook(&receiver).retry_pause(30 * SECOND));
    audit.record(critical("ada"));
    audit.record(critical("bob"));
    receiver.until(|seen| seen >= 2);
    receiver.set(Mode::Ok);
    let end = guard.shutdown(10 * SECOND);
    assert!(end.complete, "{end:?}");
    assert_eq!(actors(&receiver.accepted()), ["ada", "bob"]);
}

#[test]
fn a_lower_severity_can_be_asked_for() {
    let receiver = Receiver::start();
    let (audit, guard) = trail(webhook(&receiver).severity(Severity::Warn));
    audit.record(
        Record::named(Name::from_static("odd"), Class::Operations)
            .severity(Severity::Warn)
            .actor("w"),
    );
    audit.record(Record::named(Name::from_static("usual"), Class::Operations).actor("i"));
    guard.shutdown(5 * SECOND);
    let accepted = receiver.accepted();
    assert_eq!(actors(&accepted), ["w"]);
    assert_eq!(accepted[0]["severity"], "warn");
}

#[test]
fn the_url_chooses_the_form() {
    let form = |url: &str| format!("{:?}", Webhook::from_url(url).unwrap());
    assert!(form("https://hooks.slack.com/services/T0/B0/XX").contains("form: Slack"));
    assert!(form("https://HOOKS.slack.com/services/T0/B0/XX").contains("form: Slack"));
    assert!(form("https://hooks.slack.com.evil.example/services/T0").contains("form: Json"));
    assert!(
        form("https://events.pagerduty.com/v2/enqueue?routing_key=R0UT1NG")
            .contains("form: PagerDuty")
    );
    assert!(form("https://ops.example/hook?token=abc").contains("form: Json"));
}

#[test]
fn no_secret_is_in_debug_or_errors() {
    let hook = Webhook::from_url("https://events.pagerduty.com/v2/enqueue?routing_key=R0UT1NG")
        .unwrap()
        .header("authorization", "Bearer s3cret")
        .unwrap();
    let shown = format!("{hook:?}");
    assert!(
        !shown.contains("R0UT1NG") && !shown.contains("s3cret"),
        "{shown}"
    );
    for url in [
        "",
        "T0KEN",
        "ftp://h/T0KEN",
        "https://u:T0KEN@h/x",
        "https:///T0KEN",
        "http s://T0KEN",
    ] {
        let error = Webhook::json(url).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("webhook.url"), "{shown}");
        assert!(!shown.contains("T0KEN"), "{shown}");
    }
    let error = Webhook::pagerduty(" ").unwrap_err();
    assert!(error.to_string().contains("webhook.routing_key"), "{error}");
    let error = Webhook::json("https://h/x")
        .unwrap()
        .header("a", "s3cret\n")
        .unwrap_err();
    assert!(!error.to_string().contains("s3cret"), "{error}");
}
