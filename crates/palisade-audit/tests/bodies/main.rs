//! Levels that capture bodies, and what stays out of them.

mod ordinary;
#[path = "../support/mod.rs"]
mod support;
mod values;

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use palisade_audit::{CapturedBody, Level, MASK, Policy, Redactor, any};
use serde_json::{Value, json};
use support::Trail;
use tower::{Layer, ServiceExt, service_fn};

fn at(level: Level) -> Policy {
    Policy::first_match().rule(any(), level)
}

type Bodies = CapturedBody<Full<Bytes>>;

/// Sends a body to a service that answers with the same, and gives the record.
async fn echoed(level: Level, content_type: &str, body: &'static [u8]) -> Value {
    let mut trail = Trail::with(|builder| builder.policy(at(level)));
    let kind = content_type.to_owned();
    let service = trail
        .layer()
        .request_body(|body: Bodies| body)
        .layer(service_fn(move |request: Request<Bodies>| {
            let kind = kind.clone();
            async move {
                let bytes = request.into_body().collect().await.unwrap().to_bytes();
                Ok::<_, Infallible>(
                    Response::builder()
                        .header("content-type", kind)
                        .body(Full::new(bytes))
                        .unwrap(),
                )
            }
        }));
    let request = Request::post("/rooms")
        .header("content-type", content_type)
        .body(Full::new(Bytes::from_static(body)))
        .unwrap();
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        body
    );
    trail.record()
}

#[tokio::test]
async fn levels_say_which_bodies_are_on_record() {
    let body = br#"{"room":7,"password":"x"}"#;
    let clean = json!({ "room": 7, "password": MASK });
    for (level, request, response) in [
        (Level::Metadata, None, None),
        (Level::Request, Some(&clean), None),
        (Level::RequestResponse, Some(&clean), Some(&clean)),
    ] {
        let record = echoed(level, "application/json", body).await;
        assert_eq!(record.get("request_body"), request, "{level:?}");
        assert_eq!(record.get("response_body"), response, "{level:?}");
    }
}

#[tokio::test]
async fn forms_are_redacted_as_queries_are() {
    let record = echoed(
        Level::Request,
        "application/x-www-form-urlencoded; charset=utf-8",
        b"room=7&otp=123456",
    )
    .await;
    assert_eq!(record["request_body"], "room=7&otp=[redacted]");
}

#[tokio::test]
async fn what_cannot_be_read_is_recorded_by_length_and_digest() {
    for (kind, body) in [
        ("application/json", &b"{\"password\":\"x\""[..]),
        ("text/plain", b"my password is x"),
    ] {
        let record = echoed(Level::Request, kind, body).await;
        assert_eq!(record.get("request_body"), None);
        assert_eq!(record["request_body_bytes"], body.len());
        let expected = hex(ring::digest::digest(&ring::digest::SHA256, body).as_ref());
        assert_eq!(record["request_body_sha256"], expected);
        assert!(!record.to_string().contains("password"));
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_body_longer_than_the_limit_is_not_kept_in_part() {
    let mut trail = Trail::with(|builder| builder.policy(at(Level::RequestResponse)).capture(100));
    let long = format!(r#"{{"password":"{}"}}"#, "s3cr3t".repeat(100));
    let len = long.len();
    let service = trail.service(service_fn(move |_: Request<()>| {
        let body = Full::new(Bytes::from(long.clone()));
        let response = Response::builder()
            .header("content-type", "application/json")
            .body(body);
        std::future::ready(Ok::<_, Infallible>(response.unwrap()))
    }));
    support::fetch(service, support::get("/")).await;
    let record = trail.record();
    assert_eq!(record.get("response_body"), None);
    assert_eq!(record["response_body_bytes"], len);
    assert!(!record.to_string().contains("s3cr3t"));
}

#[test]
fn no_canary_gets_through() {
    let names = [
        "password",
        "Password",
        "user_password",
        "newPassword",
        "password-hash",
        "PASSWD",
        "email",
        "guestEmail",
        "e-mail",
        "phone",
        "phone_number",
        "creditCard",
        "card_number",
        "ssn",
        "api_key",
        "apiKey",
        "X-Api-Key",
        "secret",
        "client_secret",
        "token",
        "accessToken",
        "refresh_token",
        "authorization",
        "Cookie",
        "otp",
    ];
    let mut cleaner = Redactor::defaults().cleaner();
    let mut canaries = 0;
    for round in 0..20 {
        for name in names {
            let canary = format!("canary-{round}-{canaries}");
            let escaped: String = name
                .bytes()
                .map(|byte| format!("\\u{:04x}", u32::from(byte)))
                .collect();
            let percent: String = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
            let jsons = [
                format!(r#"{{"{name}":"{canary}"}}"#),
                format!(r#"{{"a":[{{"b":{{"{name}":"{canary}"}}}}]}}"#),
                format!(r#"{{"{name}":"x","{name}":"{canary}"}}"#),
                format!(r#"{{"{name}":["{canary}",{{"deep":"{canary}"}}]}}"#),
                format!(r#"{{"{escaped}":"{canary}"}}"#),
                format!("{{\n\t\"{name}\" \t: \"{canary}\\n\" }}"),
            ];
            let forms = [
                format!("{name}={canary}"),
                format!("a=1&{name}={canary}&b=2"),
                format!("{name}=x&{name}={canary}"),
                format!("{percent}={canary}"),
                format!("user[{name}]={canary};c=1"),
            ];
            for body in &jsons {
                let mut out = Vec::new();
                cleaner.json(body.as_bytes(), &mut out).unwrap();
                canaries += 1;
                assert!(
                    !String::from_utf8(out).unwrap().contains("canary"),
                    "{body}"
                );
            }
            for form in &forms {
                let mut out = Vec::new();
                cleaner.form(form.as_bytes(), &mut out);
                canaries += 1;
                assert!(
                    !String::from_utf8(out).unwrap().contains("canary"),
                    "{form}"
                );
            }
        }
    }
    assert!(canaries >= 5_000, "{canaries}");
}

#[test]
fn ordinary_bodies_are_left_alone() {
    // As APIs of shops, bookings, monitoring and chats send them; none of these values is secret or personal.
    let ordinary: Value = serde_json::from_str(
        r##"{
        "id": 8123456789, "uuid": "550e8400-e29b-41d4-a716-446655440000", "created_at": "2026-11-20T16:00:00Z",
        "name": "Room 7", "description": "Quiet, with a view", "capacity": 12, "price": 99.95, "currency": "EUR",
        "tags": ["quiet", "view"], "status": "confirmed", "status_code": 200, "page": 2, "per_page": 50,
        "total_count": 1234, "next_cursor": "b64_AbCdEf", "locale": "de-CH", "time_zone": "Europe/Zurich",
        "checksum": "9f86d081884c7d659a2feaa0c55ad015", "etag": "\"33a64df5\"", "version": "1.2.3",
        "max_tokens_per_page": 10, "token_type": "Bearer", "expires_in": 3600, "password_policy": "strong",
        "email_verified": true, "phone_type": "mobile", "secretary": "present", "passenger_count": 3,
        "items": [{ "sku": "A-1", "quantity": 2, "unit_price": 5 }, { "sku": "B-2", "quantity": 1, "unit_price": 7 }],
        "address": { "street": "Main 1", "city": "Bern", "zip": "3000", "country": "CH" },
        "latency_ms": 17, "cpu": 0.25, "host": "web-1", "region": "eu-central-1", "trace": "4bf92f3577b34da6",
        "message": "basic training starts at nine", "subject": "Re: agenda", "from": "desk", "author": "Ada",
        "timestamp": 1795190400250, "order_number": "2026112016000012", "tracking": "1Z999AA10123456784",
        "user_agent": "Mozilla/5.0", "url": "https://example.org/rooms/7?page=2", "keyboard": "qwertz",
        "session_title": "Opening", "sessions": 3, "pinned": false, "shipping": "express", "compass": "north",
        "account_type": "basic", "credit_limit": 500, "card_color": "blue", "signature_required": true,
        "auth_method": "webauthn", "key": "value", "monkey": 1, "cookies_accepted": true, "mobile": true
    }"##,
    )
    .unwrap();
    let mut out = Vec::new();
    let mut cleaner = Redactor::defaults().cleaner();
    cleaner
        .json(ordinary.to_string().as_bytes(), &mut out)
        .unwrap();
    let clean: Value = serde_json::from_slice(&out).unwrap();
    let (mut fields, mut changed) = (0, Vec::new());
    for (name, value) in ordinary.as_object().unwrap() {
        fields += 1;
        if clean[name] != *value {
            changed.push(name);
        }
    }
    // At most one in a hundred.
    assert!(changed.len() * 100 <= fields, "{changed:?} of {fields}");
}

/// Of bodies as public interfaces have them, at most one value in a hundred, and one body in a hundred, is changed.
#[test]
fn bodies_of_public_interfaces_are_left_alone() {
    let bodies = match std::env::var_os("PALISADE_FULL") {
        Some(_) => 20_000,
        None => 600,
    };
    let mut seeded = values::Seeded::new(20_261_129);
    let mut cleaner = Redactor::defaults().cleaner();
    let (mut values, mut touched) = (0, 0);
    let mut changed = Vec::new();
    for nth in 0..bodies {
        let body = ordinary::body(&mut seeded, nth);
        let mut out = Vec::new();
        cleaner.json(body.to_string().as_bytes(), &mut out).unwrap();
        let clean: Value = serde_json::from_slice(&out).unwrap();
        let (mut before, mut after) = (Vec::new(), Vec::new());
        ordinary::leaves(&body, "", &mut before);
        ordinary::leaves(&clean, "", &mut after);
        assert_eq!(before.len(), after.len(), "{body}");
        values += before.len();
        let found = changed.len();
        let pairs = before.into_iter().zip(after);
        // A number that was taken out is a text; one that stays may be read back as its neighbour.
        let differs = |was: &Value, is: &Value| was != is && !(was.is_number() && is.is_number());
        let differing = pairs.filter(|(was, is)| differs(&was.1, &is.1));
        changed.extend(differing.map(|(was, _)| was));
        touched += usize::from(changed.len() > found);
    }
    println!(
        "{} of {values} values and {touched} of {bodies} bodies were changed",
        changed.len()
    );
    assert!(values > 25 * bodies, "{values}");
    let some: Vec<_> = changed.iter().take(50).collect();
    assert!(
        changed.len() * 100 <= values,
        "{} of {values}: {some:#?}",
        changed.len()
    );
    assert!(touched * 100 <= bodies, "{touched} of {bodies}: {some:#?}");
}
