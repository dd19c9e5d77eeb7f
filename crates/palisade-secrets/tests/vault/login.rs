//! Logins, and tokens that end.

use std::time::Duration;

use palisade_secrets::{ExposeSecret, Provider, Stage, Vault};
use serde_json::json;

use crate::clock::{eventually, pass};
use crate::stand_in::{StandIn, Terms, terms};

const APP_ROLE: &str = "POST auth/approle/login";
const RENEW: &str = "POST auth/token/renew-self";

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// With one secret.
async fn started(token_terms: Terms) -> StandIn {
    let server = StandIn::start().await;
    server.with(|model| {
        model.token_terms = token_terms;
        model
            .kv2
            .insert("TOKEN".to_owned(), vec![Some(json!({"value": "one"}))]);
    });
    server
}

async fn reads(vault: &Vault) -> bool {
    let fetched = vault.fetch("TOKEN", Stage::Current).await;
    fetched.is_ok_and(|found| found.is_some_and(|found| found.secret().expose_secret() == "one"))
}

#[tokio::test]
async fn a_hundred_readers_log_in_once() {
    let server = started(Terms::default()).await;
    let vault = server.vault();
    let readers: Vec<_> = (0..100)
        .map(|_| {
            let vault = vault.clone();
            tokio::spawn(async move { reads(&vault).await })
        })
        .collect();
    for reader in readers {
        assert!(reader.await.unwrap());
    }
    assert_eq!(server.asked(APP_ROLE), 1);
}

#[tokio::test]
async fn a_token_is_renewed_at_two_thirds_of_its_life() {
    let server = started(terms(60, 86_400)).await;
    let vault = server.vault();
    assert!(reads(&vault).await);
    pass(secs(35)).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(server.asked(RENEW), 0);
    for renewals in 1..=5 {
        pass(secs(6)).await;
        eventually("it was renewed", || server.asked(RENEW) == renewals).await;
        // Up to the next two thirds, less the tenth that spreads instances.
        pass(secs(35)).await;
    }
    assert!(reads(&vault).await);
    assert_eq!(
        server.asked(APP_ROLE),
        1,
        "it lives far longer than a minute"
    );
}

#[tokio::test]
async fn no_read_fails_over_many_lives_of_a_token() {
    // One minute at a time, and 100 seconds in all.
    let server = started(terms(60, 100)).await;
    let vault = server.vault();
    for _ in 0..600 {
        assert!(reads(&vault).await);
        pass(secs(1)).await;
    }
    assert_eq!(
        server.with(|model| model.with_dead_tokens),
        0,
        "no token was used after its end"
    );
    // Ten minutes are at least six lives of 100 seconds; each ends early, by a third of its last part at most.
    let logins = server.asked(APP_ROLE);
    assert!((6..=10).contains(&logins), "{logins} logins");
    assert!(server.asked(RENEW) >= logins, "each was renewed before");
}

#[tokio::test]
async fn a_token_at_its_longest_life_is_replaced_while_it_still_lives() {
    let server = started(terms(60, 100)).await;
    let vault = server.vault();
    assert!(reads(&vault).await);
    for renewals in 1..=2 {
        pass(secs(41)).await;
        eventually("it was renewed", || server.asked(RENEW) == renewals).await;
    }
    // 18 seconds were left at the last renewal, of which 5 are left now.
    pass(secs(13)).await;
    eventually("it logged in", || server.asked(APP_ROLE) == 2).await;
    assert_eq!(server.live_tokens(), 2);
    assert!(reads(&vault).await);
}

#[tokio::test]
async fn after_its_token_was_revoked_it_logs_in_once_and_reads_once_more() {
    let server = started(Terms::default()).await;
    let vault = server.vault();
    assert!(reads(&vault).await);
    server.revoke_all_tokens();
    let readers: Vec<_> = (0..20)
        .map(|_| {
            let vault = vault.clone();
            tokio::spawn(async move { reads(&vault).await })
        })
        .collect();
    for reader in readers {
        assert!(reader.await.unwrap());
    }
    assert_eq!(server.asked(APP_ROLE), 2);
}

#[tokio::test]
async fn a_path_that_a_policy_forbids_brings_no_login() {
    let server = started(Terms::default()).await;
    server.with(|model| model.forbidden.insert("secret/data/TOKEN".to_owned()));
    let vault = server.vault();
    for _ in 0..3 {
        let error = vault.fetch("TOKEN", Stage::Current).await.unwrap_err();
        assert_eq!(error.to_string(), "403 (permission denied)");
    }
    assert_eq!(server.asked(APP_ROLE), 1);
    assert_eq!(server.live_tokens(), 1);
}

#[tokio::test]
async fn a_token_of_ones_own_is_renewed_and_its_end_is_told() {
    let server = started(Terms::default()).await;
    let token = server.make_token(terms(60, 100));
    let vault = Vault::new(&server.url).unwrap().token(token);
    assert!(reads(&vault).await);
    pass(secs(41)).await;
    eventually("it was renewed", || server.asked(RENEW) == 1).await;
    pass(secs(70)).await;
    for _ in 0..2 {
        let error = vault.fetch("TOKEN", Stage::Current).await.unwrap_err();
        assert_eq!(error.to_string(), "login: 403 (permission denied)");
    }
    // Once at the start, and once for each of these reads.
    assert_eq!(server.asked("GET auth/token/lookup-self"), 3);
    assert_eq!(server.asked(APP_ROLE), 0);
}

#[tokio::test]
async fn a_token_without_an_end_is_left_alone() {
    let server = started(Terms::default()).await;
    let token = server.make_token(Terms {
        time: Duration::from_millis(1) * u32::MAX,
        longest: Duration::from_millis(1) * u32::MAX,
        renewable: true,
    });
    // As Vault says of root tokens.
    let own = json!({"data": {"ttl": 0, "renewable": false}}).to_string();
    server.with(|model| {
        model
            .wrong
            .insert("auth/token/lookup-self".to_owned(), (200, own))
    });
    let vault = Vault::new(&server.url).unwrap().token(token);
    assert!(reads(&vault).await);
    pass(secs(86_400)).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(reads(&vault).await);
    assert_eq!(
        (
            server.asked(RENEW),
            server.asked("GET auth/token/lookup-self")
        ),
        (0, 1)
    );
}

#[tokio::test]
async fn a_service_account_of_kubernetes_is_read_anew_for_each_login() {
    let server = started(Terms::default()).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    let vault = Vault::new(&server.url)
        .unwrap()
        .kubernetes_with("bookings", &file);
    let error = vault.fetch("TOKEN", Stage::Current).await.unwrap_err();
    assert!(error.to_string().ends_with("token is not there"), "{error}");
    for jwt in ["jwt.one", "jwt.two"] {
        std::fs::write(&file, format!("{jwt}\n")).unwrap();
        server.with(|model| model.service_account = jwt.to_owned());
        server.revoke_all_tokens();
        assert!(reads(&vault).await, "{jwt}");
    }
    assert_eq!(server.asked("POST auth/kubernetes/login"), 2);
}

#[tokio::test]
async fn a_renewal_that_fails_is_tried_again_until_the_end() {
    let server = started(terms(60, 86_400)).await;
    let vault = server.vault();
    assert!(reads(&vault).await);
    server.with(|model| model.down = Some((500, String::new())));
    pass(secs(41)).await;
    eventually("it was tried", || server.asked(RENEW) >= 1).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    server.with(|model| model.down = None);
    let failed = server.asked(RENEW);
    pass(secs(6)).await;
    eventually("it was renewed", || server.asked(RENEW) > failed).await;
    pass(secs(30)).await;
    assert!(reads(&vault).await);
    assert_eq!(server.asked(APP_ROLE), 1);
    assert_eq!(server.with(|model| model.with_dead_tokens), 0);
}

#[tokio::test]
async fn a_login_that_is_refused_is_told_and_no_secret_is_shown() {
    let server = started(Terms::default()).await;
    server.with(|model| model.secret_id = "another".to_owned());
    let vault = server.vault();
    let error = vault.fetch("TOKEN", Stage::Current).await.unwrap_err();
    assert_eq!(error.to_string(), "login: 400 (bad request)");
    let none = Vault::new(&server.url).unwrap();
    let error = none.fetch("TOKEN", Stage::Current).await.unwrap_err();
    assert_eq!(error.to_string(), "no login was set");
    for vault in [vault, none.token("hvs.the-secret-id")] {
        let _ = vault.fetch("TOKEN", Stage::Current).await;
        assert!(!format!("{vault:?}").contains("the-secret-id"));
    }
}

#[tokio::test]
async fn nothing_is_renewed_once_the_last_clone_is_dropped() {
    let server = started(terms(60, 86_400)).await;
    let vault = server.vault();
    let clone = vault.clone();
    assert!(reads(&vault).await);
    drop(vault);
    pass(secs(41)).await;
    eventually("it was renewed", || server.asked(RENEW) == 1).await;
    drop(clone);
    pass(secs(41)).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(server.asked(RENEW), 1);
}
