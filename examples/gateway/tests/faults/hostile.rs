//! Tokens that nobody issued, requests that another site sends, and input that would write the log.

use std::process::Stdio;

use palisade::Principal;
use palisade::auth::{HmacKeys, TokenIssuer};
use serde_json::{Value, json};

use crate::support::{Gateway, PASSWORD, refused};

const SECRET: &str = "kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu";

fn issued(
    secret: &str,
    issuer: &'static str,
    audience: &'static str,
    subject: &'static str,
) -> String {
    let keys = HmacKeys::current(secret).unwrap();
    let issuer = TokenIssuer::hmac(issuer, keys).audience(audience);
    let principal = Principal::user("gateway", subject).roles(["admin"]);
    let token = issuer.build().unwrap().issue(&principal).unwrap();
    token.as_str().to_owned()
}

#[tokio::test]
async fn forged_tokens_get_one_answer_and_each_is_on_record() {
    let mut gateway = Gateway::start_with(&[("JWT_SECRET_KEY", SECRET)]);
    let good = issued(SECRET, "gateway", "api://gateway", "ada");
    let other = issued(SECRET, "gateway", "api://gateway", "alice");
    let part = |token: &str, nth: usize| token.split('.').nth(nth).unwrap().to_owned();
    let (header, claims, signature) = (part(&good, 0), part(&good, 1), part(&good, 2));
    let forged = [
        // {"alg":"none"}, with and without what was the signature.
        format!("eyJhbGciOiJub25lIn0.{claims}."),
        format!("eyJhbGciOiJub25lIn0.{claims}.{signature}"),
        format!("{header}.{claims}."),
        format!("{header}.{claims}"),
        // The claims of one, the signature of another.
        format!("{header}.{claims}.{}", part(&other, 2)),
        format!("{header}.{claims}.{}", signature.to_ascii_uppercase()),
        issued(
            "Zk3vQ8wT1yLr5nXs9bGd7hJf2mPc4aEu",
            "gateway",
            "api://gateway",
            "ada",
        ),
        issued(SECRET, "elsewhere", "api://gateway", "ada"),
        issued(SECRET, "gateway", "api://elsewhere", "ada"),
    ];
    let me = gateway.client.get(gateway.at("/api/me")).bearer_auth(&good);
    assert_eq!(me.send().await.unwrap().status(), 200);

    let mut answers = std::collections::HashSet::new();
    for token in &forged {
        let me = gateway.client.get(gateway.at("/api/me")).bearer_auth(token);
        let (_, mut body) = refused(me.send().await.unwrap(), "AUTHENTICATION_ERROR").await;
        body["error"]["correlation_id"].take();
        body["error"]["timestamp"].take();
        answers.insert(body.to_string());
    }
    assert_eq!(
        answers.len(),
        1,
        "no answer says what was wrong: {answers:?}"
    );
    assert!(gateway.terminate().success());
    let trail = gateway.trail();
    let refusals = trail
        .iter()
        .filter(|record| record["event"] == "authn_login_fail");
    assert_eq!(refusals.count(), forged.len(), "{trail:?}");
}

#[tokio::test]
async fn a_request_that_another_site_sends_is_refused() {
    let gateway = Gateway::start_with(&[("CORS_ORIGINS", "https://app.example")]);
    let send = |site: &'static str, origin: &'static str| {
        let request = gateway.client.post(gateway.at("/auth/token"));
        let request = request
            .header("sec-fetch-site", site)
            .header("origin", origin);
        request
            .json(&json!({ "username": "alice", "password": PASSWORD }))
            .send()
    };
    let evil = send("cross-site", "https://evil.example").await.unwrap();
    let (headers, _) = refused(evil, "AUTHORIZATION_ERROR").await;
    assert!(!headers.contains_key("access-control-allow-origin"));
    // Opaque, as that of a sandboxed frame.
    refused(
        send("cross-site", "null").await.unwrap(),
        "AUTHORIZATION_ERROR",
    )
    .await;
    // A browser that is too old to say where a request comes from still says its origin.
    let old = gateway
        .client
        .post(gateway.at("/auth/token"))
        .header("origin", "https://evil.example");
    refused(old.send().await.unwrap(), "AUTHORIZATION_ERROR").await;
    let own = send("cross-site", "https://app.example").await.unwrap();
    assert_eq!(own.status(), 200);
}

#[tokio::test]
async fn what_clients_send_writes_no_line_of_its_own_into_trail_or_log() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let file = std::fs::File::create(&log).unwrap();
    let mut gateway = Gateway::launch("exec \"$0\"", |command| {
        command.env("RUST_LOG", "trace").stderr(Stdio::from(file));
    });
    let line = r#"{"event":"forged","severity":"CRITICAL"}"#;
    let names = [
        format!("alice\n{line}\n"),
        format!("alice\r\n{line}"),
        format!("alice\u{2028}{line}"),
        "\u{1b}[2K\u{1b}[1Aalice\u{1b}]0;forged\u{7}".to_owned(),
        "alice\", \"event\": \"forged".to_owned(),
    ];
    // Five sign-ins a minute.
    for name in &names {
        gateway.login(name, "wrong").await;
    }
    for path in [
        "/%0a%7B%22event%22:%22forged%22%7D",
        "/%1b%5B2K",
        "/a%22,%22event%22:%22forged%22",
    ] {
        let request = gateway.client.get(gateway.at(path));
        let request = request
            .header("x-request-id", "a\", \"event\": \"forged")
            .header("user-agent", "\t\", \"event\": \"forged")
            .header("x-track-id", line);
        assert_eq!(request.send().await.unwrap().status(), 404);
    }
    // A refusal that is logged, under an id that the client chose.
    let me = gateway.client.get(gateway.at("/api/me"));
    let me = me.header("x-request-id", line).bearer_auth("a.b.c");
    assert_eq!(me.send().await.unwrap().status(), 401);
    assert!(gateway.terminate().success());

    let trail = gateway.trail();
    let forged = trail.iter().filter(|record| record["event"] == "forged");
    assert_eq!(forged.count(), 0);
    let requests = trail
        .iter()
        .filter(|record| record["event"] == "http_request");
    assert_eq!(requests.count(), names.len() + 4, "{trail:?}");
    let said = std::fs::read_to_string(log).unwrap();
    assert!(said.contains("refused"), "nothing was logged: {said}");
    for said in said.lines() {
        assert!(!said.trim_start().starts_with(line), "{said}");
        assert!(
            !said.contains('\u{1b}') && serde_json::from_str::<Value>(said).is_err(),
            "{said:?}"
        );
    }
}
