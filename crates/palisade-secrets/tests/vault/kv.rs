//! The key-value engines.

use palisade_secrets::{
    EnvVars, Environment, Error, ExposeSecret, Provider, SecretString, Secrets, Stage, Vault,
};
use serde_json::json;

use crate::stand_in::StandIn;

/// The value of a stage, with its version if it has one.
async fn read(vault: &Vault, name: &str, stage: Stage) -> Option<(String, Option<String>)> {
    let fetched = vault.fetch(name, stage).await.unwrap()?;
    let secret = fetched.secret();
    Some((
        secret.expose_secret().to_owned(),
        secret.version_text().map(str::to_owned),
    ))
}

fn found(value: &str, version: Option<&str>) -> Option<(String, Option<String>)> {
    Some((value.to_owned(), version.map(str::to_owned)))
}

#[tokio::test]
async fn kv_2_gives_the_current_version_and_the_newest_before_it_that_was_not_deleted() {
    let server = StandIn::start().await;
    let versions = vec![
        Some(json!({"value": "one"})),
        None,
        Some(json!({"value": "three"})),
    ];
    server.with(|model| model.kv2.insert("TOKEN".to_owned(), versions));
    let vault = server.vault();
    assert_eq!(
        read(&vault, "TOKEN", Stage::Current).await,
        found("three", Some("3"))
    );
    assert_eq!(
        read(&vault, "TOKEN", Stage::Previous).await,
        found("one", Some("1"))
    );
    assert_eq!(read(&vault, "TOKEN", Stage::Pending).await, None);

    let only = vec![Some(json!({"value": "one"}))];
    server.with(|model| model.kv2.insert("NEW".to_owned(), only));
    assert_eq!(read(&vault, "NEW", Stage::Previous).await, None);
}

#[tokio::test]
async fn a_version_in_which_another_field_changed_is_not_the_one_before() {
    let server = StandIn::start().await;
    let versions = [("a", "1"), ("b", "1"), ("b", "2")];
    let versions = versions.map(|(token, other)| Some(json!({"TOKEN": token, "OTHER": other})));
    server.with(|model| model.kv2.insert("bookings".to_owned(), versions.to_vec()));
    let vault = server.vault().path("bookings");
    assert_eq!(
        read(&vault, "TOKEN", Stage::Current).await,
        found("b", Some("3"))
    );
    assert_eq!(
        read(&vault, "TOKEN", Stage::Previous).await,
        found("a", Some("1"))
    );
    assert_eq!(
        read(&vault, "OTHER", Stage::Previous).await,
        found("1", Some("2"))
    );
}

#[tokio::test]
async fn a_secret_that_is_not_there_or_was_deleted_is_looked_for_elsewhere() {
    let server = StandIn::start().await;
    let versions = vec![Some(json!({"value": "one"})), None];
    server.with(|model| model.kv2.insert("DELETED".to_owned(), versions));
    let secrets = Secrets::builder(Environment::Development)
        .provider(server.vault())
        .provider(EnvVars::from_fn(|_| Some("from the environment".into())))
        .build()
        .await
        .unwrap();
    for name in ["MISSING", "DELETED"] {
        let secret = secrets.secret(name).await.unwrap();
        assert_eq!(secret.expose_secret(), "from the environment", "{name}");
    }
    let before = read(&server.vault(), "DELETED", Stage::Previous).await;
    assert_eq!(before, found("one", Some("1")));
}

#[tokio::test]
async fn kv_1_gives_a_secret_and_the_one_that_is_named_as_previous() {
    let server = StandIn::start().await;
    server.with(|model| {
        model
            .kv1
            .insert("TOKEN".to_owned(), json!({"value": "two"}));
        model
            .kv1
            .insert("TOKEN_PREVIOUS".to_owned(), json!({"value": "one"}));
    });
    let vault = server.vault().kv1("kv");
    assert_eq!(
        read(&vault, "TOKEN", Stage::Current).await,
        found("two", None)
    );
    assert_eq!(
        read(&vault, "TOKEN", Stage::Previous).await,
        found("one", None)
    );
    assert_eq!(read(&vault, "OTHER", Stage::Current).await, None);
}

#[tokio::test]
async fn a_name_is_a_field_or_a_place_of_ones_own() {
    let server = StandIn::start().await;
    server.with(|model| {
        let bookings =
            json!({"TOKEN": "t", "PORT": 5432, "NOTHING": null, "QUOTED": "a\"\u{e9}\n"});
        model
            .kv2
            .insert("bookings/prod".to_owned(), vec![Some(bookings)]);
        let account = json!({"username": "u", "password": "p"});
        model
            .kv2
            .insert("accounts/crm".to_owned(), vec![Some(account)]);
        model
            .kv2
            .insert("OTHER".to_owned(), vec![Some(json!({"url": "x"}))]);
    });
    let fields = server.vault().path("bookings/prod");
    assert_eq!(
        read(&fields, "TOKEN", Stage::Current).await,
        found("t", Some("1"))
    );
    assert_eq!(
        read(&fields, "PORT", Stage::Current).await,
        found("5432", Some("1"))
    );
    assert_eq!(
        read(&fields, "QUOTED", Stage::Current).await,
        found("a\"\u{e9}\n", Some("1"))
    );
    assert_eq!(read(&fields, "NOTHING", Stage::Current).await, None);
    assert_eq!(read(&fields, "NO_SUCH_FIELD", Stage::Current).await, None);

    assert_eq!(
        read(&server.vault().field("url"), "OTHER", Stage::Current).await,
        found("x", Some("1"))
    );
    // The secret is there, so that this is a mistake and not absence.
    let error = server
        .vault()
        .fetch("OTHER", Stage::Current)
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "the secret has no field `value`");

    #[derive(serde::Deserialize)]
    struct Account {
        username: String,
        password: SecretString,
    }
    let places = server.vault().places(|name| match name {
        "CRM_PASSWORD" => "accounts/crm#password".to_owned(),
        name => format!("accounts/{}", name.to_ascii_lowercase()),
    });
    assert_eq!(
        read(&places, "CRM_PASSWORD", Stage::Current).await,
        found("p", Some("1"))
    );
    let secrets = Secrets::builder(Environment::Development)
        .provider(places)
        .build()
        .await
        .unwrap();
    let account: Account = secrets.typed("CRM").await.unwrap();
    assert_eq!(
        (&*account.username, account.password.expose_secret()),
        ("u", "p")
    );
}

#[tokio::test]
async fn whatever_is_neither_an_answer_nor_absence_is_an_error() {
    let server = StandIn::start().await;
    let vault = server.vault();
    let statuses = [307, 400, 405, 412, 429, 472, 473, 501];
    let answers = statuses.map(|status| (status, "{\"errors\":[\"canary\"]}"));
    let garbage = [
        "",
        "canary",
        "{}",
        "[1]",
        "{\"data\":\"canary\"}",
        "{\"data\":{\"data\":{}}}",
    ];
    let garbage = garbage.map(|body| (200, body));
    for (number, (status, body)) in answers.into_iter().chain(garbage).enumerate() {
        let name = format!("NAME{number}");
        let wrong = (status, body.to_owned());
        server.with(|model| model.wrong.insert(format!("secret/data/{name}"), wrong));
        // A new one each time, because a source that failed is left alone for a while.
        let secrets = Secrets::builder(Environment::Development)
            .provider(vault.clone())
            .provider(EnvVars::from_fn(|_| Some("from the environment".into())))
            .build()
            .await
            .unwrap();
        let error = secrets.secret(&name).await.unwrap_err();
        assert!(
            matches!(error, Error::Provider { .. }),
            "{status} {body}: {error}"
        );
        assert!(
            !format!("{error} {error:?}").contains("canary"),
            "{error:?}"
        );
        if status != 200 {
            assert!(
                error.to_string().contains(&format!("vault: {status} (")),
                "{error}"
            );
        }
    }
}

#[tokio::test]
async fn a_server_that_is_sealed_or_gone_is_an_error_and_what_is_known_stays_known() {
    let server = StandIn::start().await;
    server.with(|model| {
        model
            .kv2
            .insert("TOKEN".to_owned(), vec![Some(json!({"value": "one"}))])
    });
    let secrets = Secrets::builder(Environment::Development)
        .provider(server.vault())
        .build()
        .await
        .unwrap();
    assert_eq!(
        secrets.secret("TOKEN").await.unwrap().expose_secret(),
        "one"
    );
    server.with(|model| model.down = Some((503, "{\"errors\":[\"Vault is sealed\"]}".to_owned())));
    let error = secrets.secret("OTHER").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "secret OTHER: vault: 503 (sealed, or down for maintenance)"
    );
    assert_eq!(
        secrets.secret("TOKEN").await.unwrap().expose_secret(),
        "one"
    );

    let gone = Vault::new("http://127.0.0.1:1")
        .unwrap()
        .token("hvs.canary");
    let error = gone.fetch("TOKEN", Stage::Current).await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("no connection to http://127.0.0.1:1"),
        "{error}"
    );
}

#[tokio::test]
async fn a_request_names_its_namespace_and_stays_under_its_mount() {
    let server = StandIn::start().await;
    let vault = server.vault().namespace("team/a");
    let name = "a b/ü?version=1#x";
    assert!(vault.fetch(name, Stage::Current).await.unwrap().is_none());
    let (path, query, namespace) = server.with(|model| {
        let last = model.last.take().unwrap();
        (
            last.path,
            last.query,
            last.headers["x-vault-namespace"].clone(),
        )
    });
    assert_eq!(path, "secret/data/a%20b/%C3%BC%3Fversion%3D1%23x");
    assert_eq!((&*query, &*namespace), ("", "team/a"));

    let before = server.requests();
    for outside in ["../../sys/mounts", "a/../../b", ""] {
        assert!(
            vault.fetch(outside, Stage::Current).await.is_err(),
            "{outside}"
        );
    }
    assert!(
        server
            .vault()
            .namespace("a\nb")
            .fetch("X", Stage::Current)
            .await
            .is_err()
    );
    assert_eq!(server.requests(), before);
}
