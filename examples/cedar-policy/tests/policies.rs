//! The router with its policies, asked as a server asks it, and the program at its start.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use axum::body::Body;
use axum::http::{Request, header};
use cedar_policy_example::{Policies, app};
use palisade::Principal;
use palisade::auth::{HmacKeys, Issuer, JwtVerifier, TokenIssuer};
use palisade::axum::ProtectedRouter;
use tower::ServiceExt;

const POLICIES: &str = include_str!("../policies/rooms.cedar");
const OURS: &[u8] = b"kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu";
const THEIRS: &[u8] = b"Zt9wLr3kVb7nXc1mQs5dFg8hJp2yUe6a";

fn issuer(name: &str, secret: &[u8]) -> TokenIssuer {
    let keys = HmacKeys::current(secret).unwrap();
    let issuer = TokenIssuer::hmac(name, keys).audience("api://bookings");
    issuer.build().unwrap()
}

fn token(name: &str, roles: &[&str]) -> String {
    let user = Principal::user("bookings", name).roles(roles);
    bearer(issuer("bookings", OURS).issue(&user).unwrap().as_str())
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

fn router(policies: &str) -> ProtectedRouter {
    let partner = HmacKeys::current(THEIRS).unwrap();
    let jwt = JwtVerifier::builder()
        .issuer(issuer("bookings", OURS).issuer())
        .issuer(Issuer::hmac("partner", partner).audience("api://bookings"))
        .build()
        .unwrap();
    app(jwt, Policies::read("rooms.cedar", policies).unwrap())
}

async fn status(router: &ProtectedRouter, method: &str, path: &str, token: Option<&str>) -> u16 {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, token);
    }
    let request = request.body(Body::empty()).unwrap();
    router
        .clone()
        .oneshot(request)
        .await
        .unwrap()
        .status()
        .as_u16()
}

#[tokio::test]
async fn the_policies_allow_and_deny_as_the_readme_says() {
    let router = router(POLICIES);
    let tokens = HashMap::from([
        ("alice", token("alice", &["admin"])),
        ("bob", token("bob", &["member"])),
        ("carol", token("carol", &[])),
    ]);
    let readme = include_str!("../README.md");
    let mut asked = 0;
    for row in readme.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let (method, path) = cells[1].trim_matches('`').split_once(' ').unwrap();
        for (name, expected) in ["alice", "bob", "carol", "nobody"].iter().zip(&cells[2..]) {
            let token = tokens.get(*name).map(String::as_str);
            let answered = status(&router, method, path, token).await;
            assert_eq!(answered.to_string(), *expected, "{name}: {row}");
            asked += 1;
        }
    }
    assert_eq!(asked, 24);
}

#[tokio::test]
async fn the_same_subject_of_another_issuer_is_somebody_else() {
    let router = router(POLICIES);
    let user = Principal::user("partner", "bob").roles(["member"]);
    let theirs = bearer(issuer("partner", THEIRS).issue(&user).unwrap().as_str());
    assert_eq!(
        status(&router, "GET", "/api/users/bob", Some(&theirs)).await,
        403
    );
    assert_eq!(
        status(&router, "GET", "/api/rooms/7", Some(&theirs)).await,
        200
    );
}

#[tokio::test]
async fn the_policies_decide_by_the_path_as_the_client_sent_it() {
    let alice = token("alice", &["admin"]);
    // The routes lie in a nested router, which sees `/rooms/7` alone.
    let stripped = "permit (principal, action, resource) when { resource.path like \"/rooms/*\" };";
    let whole =
        "permit (principal, action, resource) when { resource.path like \"/api/rooms/*\" };";
    assert_eq!(
        status(&router(stripped), "GET", "/api/rooms/7", Some(&alice)).await,
        403
    );
    assert_eq!(
        status(&router(whole), "GET", "/api/rooms/7", Some(&alice)).await,
        200
    );
    // Neither is anything decoded or added to it.
    let router = router(POLICIES);
    let carol = token("carol", &[]);
    assert_eq!(
        status(&router, "GET", "/api/users/%63arol", Some(&carol)).await,
        403
    );
    assert_eq!(
        status(&router, "GET", "/api/users/carol?x=1", Some(&carol)).await,
        200
    );
}

#[tokio::test]
async fn a_method_that_the_schema_does_not_know_is_allowed_to_nobody() {
    let alice = token("alice", &["admin"]);
    let router = router("permit (principal, action, resource);");
    assert_eq!(
        status(&router, "OPTIONS", "/api/rooms", Some(&alice)).await,
        403
    );
    // A HEAD is a GET to every rule.
    assert_eq!(
        status(&router, "HEAD", "/api/rooms", Some(&alice)).await,
        200
    );
}

#[tokio::test]
async fn what_cannot_be_decided_is_denied() {
    // An overflow is no error of types, so that only a request shows it. Cedar would leave the `forbid` out, and allow.
    let policies = "permit (principal, action, resource);\n\
                    forbid (principal, action, resource) when { 9223372036854775807 + 1 == 0 };";
    let alice = token("alice", &["admin"]);
    assert_eq!(
        status(&router(policies), "GET", "/api/rooms", Some(&alice)).await,
        403
    );
}

#[test]
fn a_mistake_in_the_policies_is_named_with_its_line() {
    let mistakes = |text: &str| match Policies::read("rooms.cedar", text) {
        Ok(_) => panic!("{text} was taken"),
        Err(error) => error.to_string(),
    };
    let syntax = mistakes(
        "// A comment.\npermit (principal, action, resource)\nwhen { resource.path = \"/\" };",
    );
    assert!(syntax.starts_with("rooms.cedar:3: "), "{syntax}");
    let attribute =
        mistakes("permit (principal, action, resource)\nwhen { resource.paht == \"/\" };");
    assert!(attribute.starts_with("rooms.cedar:2: "), "{attribute}");
    assert!(attribute.contains("paht"), "{attribute}");
    let kind = mistakes("\n\npermit (principal in Rolle::\"admin\", action, resource);");
    assert!(
        kind.starts_with("rooms.cedar:3: ") && kind.contains("Rolle"),
        "{kind}"
    );
    let action = mistakes("permit (principal, action == Action::\"FETCH\", resource);");
    assert!(
        action.starts_with("rooms.cedar:1: ") && action.contains("FETCH"),
        "{action}"
    );
}

#[test]
fn a_service_whose_policies_cannot_be_read_does_not_start() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("broken.cedar");
    std::fs::write(
        &file,
        "permit (principal, action, resource)\nwhen { principal.level > 3 };",
    )
    .unwrap();
    let start = |file: &Path| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_cedar-policy-example"));
        let ended = program.arg("127.0.0.1:0").arg(file).output().unwrap();
        assert_eq!(ended.status.code(), Some(1));
        assert!(ended.stdout.is_empty(), "it listened");
        String::from_utf8(ended.stderr).unwrap()
    };
    let said = start(&file);
    assert!(
        said.starts_with(&format!("{}:2: ", file.display())) && said.contains("level"),
        "{said}"
    );
    let missing = file.with_file_name("missing.cedar");
    assert!(start(&missing).starts_with(&format!("{}: ", missing.display())));
}
