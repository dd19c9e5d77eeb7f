//! Credentials that are made for their reader, and end.

use std::time::Duration;

use palisade_secrets::{Environment, ExposeSecret, Provider, SecretString, Secrets, Stage, Vault};

use crate::clock::{eventually, pass};
use crate::stand_in::{StandIn, Terms, terms};

const MAKE: &str = "GET database/creds/bookings";
const RENEW: &str = "POST sys/leases/renew";

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[derive(serde::Deserialize)]
struct Account {
    username: String,
    password: SecretString,
}

async fn started(token_terms: Terms, lease_terms: Terms) -> (StandIn, Vault) {
    let server = StandIn::start().await;
    server.with(|model| {
        model.token_terms = token_terms;
        model.lease_terms = lease_terms;
    });
    let vault = server.vault().leased("DATABASE", "database/creds/bookings");
    (server, vault)
}

async fn secrets(vault: &Vault) -> Secrets {
    Secrets::builder(Environment::Development)
        .provider(vault.clone())
        .ttl(secs(300))
        .build()
        .await
        .unwrap()
}

#[tokio::test]
async fn credentials_are_made_once_and_their_lease_is_renewed() {
    let (server, vault) = started(Terms::default(), terms(60, 86_400)).await;
    let secrets = secrets(&vault).await;
    let first: Account = secrets.typed("DATABASE").await.unwrap();
    assert_eq!(
        first.password.expose_secret(),
        format!("password-of-{}", first.username)
    );
    for renewals in 1..=4 {
        pass(secs(41)).await;
        eventually("it was renewed", || server.asked(RENEW) == renewals).await;
        let again: Account = secrets.typed("DATABASE").await.unwrap();
        assert_eq!(again.username, first.username);
    }
    assert_eq!(server.asked(MAKE), 1);
    assert_eq!(server.users(), [first.username]);
    assert!(
        vault
            .fetch("DATABASE", Stage::Previous)
            .await
            .unwrap()
            .is_none()
    );
}

/// Reads every second of ten minutes, and finds the user in the database each time.
async fn no_reader_gets_a_user_that_has_ended(server: &StandIn, secrets: &Secrets) {
    for second in 0..600 {
        let account: Account = secrets.typed("DATABASE").await.unwrap();
        assert!(
            server.users().contains(&account.username),
            "after {second} s"
        );
        pass(secs(1)).await;
    }
}

#[tokio::test]
async fn a_lease_that_nears_its_longest_time_is_replaced_before_its_end() {
    // One minute at a time, and 100 seconds in all.
    let (server, vault) = started(Terms::default(), terms(60, 100)).await;
    no_reader_gets_a_user_that_has_ended(&server, &secrets(&vault).await).await;
    let made = server.asked(MAKE);
    assert!((6..=12).contains(&made), "{made} users in ten minutes");
}

#[tokio::test]
async fn credentials_end_with_the_login_that_they_belong_to() {
    // The lease would last; its token does not.
    let (server, vault) = started(terms(60, 100), terms(3600, 86_400)).await;
    no_reader_gets_a_user_that_has_ended(&server, &secrets(&vault).await).await;
    let logins = server.asked("POST auth/approle/login");
    assert!(logins >= 6);
    assert!(
        server.asked(MAKE) >= logins - 1,
        "new credentials for each login"
    );
    assert_eq!(server.with(|model| model.with_dead_tokens), 0);
}

#[tokio::test]
async fn a_watch_tells_of_new_credentials() {
    let (server, vault) = started(Terms::default(), terms(60, 60)).await;
    let secrets = secrets(&vault).await;
    let first: Account = secrets.typed("DATABASE").await.unwrap();
    let mut watch = secrets.watch("DATABASE");
    let next = tokio::spawn(async move { watch.changed().await });
    for _ in 0..60 {
        pass(secs(1)).await;
    }
    let next = next.await.unwrap();
    assert!(!next.expose_secret().contains(&first.username));
    assert_eq!(server.asked(MAKE), 2);
}

#[tokio::test]
async fn a_lease_that_was_revoked_is_replaced_at_the_next_read() {
    let (server, vault) = started(Terms::default(), terms(60, 86_400)).await;
    assert!(
        vault
            .fetch("DATABASE", Stage::Current)
            .await
            .unwrap()
            .is_some()
    );
    server.revoke_leases();
    pass(secs(41)).await;
    eventually("it was found out", || server.asked(RENEW) == 1).await;
    assert!(
        vault
            .fetch("DATABASE", Stage::Current)
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(server.asked(MAKE), 2);
    assert_eq!(server.users().len(), 1);
}

#[tokio::test]
async fn a_shutdown_gives_back_the_leases_and_the_token() {
    let (server, vault) = started(Terms::default(), Terms::default()).await;
    assert!(
        vault
            .fetch("DATABASE", Stage::Current)
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!((server.users().len(), server.live_tokens()), (1, 1));
    vault.shutdown().await.unwrap();
    assert_eq!(server.asked("POST sys/leases/revoke"), 1);
    assert_eq!((server.users().len(), server.live_tokens()), (0, 0));
    let error = vault.fetch("DATABASE", Stage::Current).await.unwrap_err();
    assert_eq!(error.to_string(), "it was shut down");

    // A token that was given is not ours to revoke.
    let token = server.make_token(Terms::default());
    let given = Vault::new(&server.url)
        .unwrap()
        .token(token)
        .leased("DATABASE", "database/creds/bookings");
    assert!(
        given
            .fetch("DATABASE", Stage::Current)
            .await
            .unwrap()
            .is_some()
    );
    given.shutdown().await.unwrap();
    assert_eq!((server.users().len(), server.live_tokens()), (0, 1));
}
