//! Secrets with a form, files that are swapped, and what is never shown.

mod common;

use std::time::Duration;

use common::Store;
use palisade_core::secret::{Weakness, check};
use palisade_secrets::{
    Database, EnvVars, Environment, Error, ExposeSecret, MountedDirectory, Secrets, generate,
};
use tokio::time::advance;

async fn of(store: &Store) -> Secrets {
    Secrets::builder(Environment::Development)
        .provider(store.clone())
        .ttl(Duration::from_secs(100))
        .build()
        .await
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_database_is_a_url_or_its_parts() {
    let store = Store::of([
        ("DB_HOST", "db:5432"),
        ("DB_NAME", "book ings"),
        ("DB_USER", "app"),
        ("DB_PASSWORD", "p@ss:w/rd%"),
    ]);
    let secrets = of(&store).await;
    let database = secrets.database().await.unwrap();
    assert_eq!(
        database.to_url("postgres").expose_secret(),
        "postgres://app:p%40ss%3Aw%2Frd%25@db:5432/book%20ings"
    );
    store.set("DATABASE_URL", "mysql://x");
    advance(Duration::from_secs(11)).await;
    let database = secrets.database().await.unwrap();
    assert!(matches!(database, Database::Url(_)));
    assert_eq!(database.to_url("postgres").expose_secret(), "mysql://x");
    for (host, port, expected) in [
        ("::1", None, "[::1]"),
        ("2001:db8::5", Some("5433"), "[2001:db8::5]:5433"),
        ("[::1]", Some("5433"), "[::1]:5433"),
        ("[::1]:5433", None, "[::1]:5433"),
        ("fe80::1%eth0", None, "[fe80::1%25eth0]"),
        ("db.internal", Some(" 6432\n"), "db.internal:6432"),
        ("10.0.0.7", Some("5432"), "10.0.0.7:5432"),
        ("/var/run/postgresql", None, "%2Fvar%2Frun%2Fpostgresql"),
    ] {
        let store = Store::of([
            ("DB_HOST", host),
            ("DB_NAME", "n"),
            ("DB_USER", "u"),
            ("DB_PASSWORD", "p"),
        ]);
        if let Some(port) = port {
            store.set("DB_PORT", port);
        }
        let database = of(&store).await.database().await.unwrap();
        let url = database.to_url("postgres");
        assert_eq!(url.expose_secret(), format!("postgres://u:p@{expected}/n"));
    }
    for (host, port, said) in [
        (
            "db",
            "0",
            "secret DB_PORT: value is not a number from 1 to 65535",
        ),
        (
            "db",
            "65536",
            "secret DB_PORT: value is not a number from 1 to 65535",
        ),
        (
            "db",
            "x",
            "secret DB_PORT: value is not a number from 1 to 65535",
        ),
        (
            "db:5432",
            "5432",
            "secret DB_PORT: value is set beside a port in DB_HOST",
        ),
        (
            "[::1]:5432",
            "5432",
            "secret DB_PORT: value is set beside a port in DB_HOST",
        ),
        (
            "db/x",
            "5432",
            "secret DB_HOST: value is not the name or address of a host",
        ),
        (
            "a@db",
            "5432",
            "secret DB_HOST: value is not the name or address of a host",
        ),
    ] {
        let store = Store::of([
            ("DB_HOST", host),
            ("DB_PORT", port),
            ("DB_NAME", "n"),
            ("DB_USER", "u"),
            ("DB_PASSWORD", "p"),
        ]);
        let error = of(&store).await.database().await.unwrap_err();
        assert_eq!(error.to_string(), said, "{host}");
    }
    let error = of(&Store::of([("DB_HOST", "x")])).await.database().await;
    assert!(matches!(error, Err(Error::Missing { name }) if *name == *"DB_NAME"));
}

#[tokio::test]
async fn api_keys_are_a_list() {
    let secrets = of(&Store::of([("API_KEYS", " one, two ")])).await;
    let keys = secrets.api_keys().await.unwrap();
    let keys: Vec<_> = keys
        .iter()
        .map(|key| key.expose_secret().to_owned())
        .collect();
    assert_eq!(keys, ["one", "two"]);
    for (list, said) in [
        ("one,,two", "secret API_KEYS: key 1 is empty"),
        ("one,two,one", "secret API_KEYS: key 2 is there twice"),
    ] {
        let error = of(&Store::of([("API_KEYS", list)])).await.api_keys().await;
        assert_eq!(error.unwrap_err().to_string(), said);
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_wakes_for_every_new_value_and_for_nothing_else() {
    let store = Store::of([("A", "1")]);
    let secrets = of(&store).await;
    secrets.secret("A").await.unwrap();
    let mut watch = secrets.watch("A");
    let unchanged = tokio::time::timeout(Duration::from_secs(500), watch.changed()).await;
    assert!(unchanged.is_err());
    store.set("A", "2");
    assert_eq!(watch.changed().await.expose_secret(), "2");
    store.broken(true);
    let outage = tokio::time::timeout(Duration::from_secs(500), watch.changed()).await;
    assert!(outage.is_err());
    store.broken(false);
    store.set("A", "3");
    assert_eq!(watch.changed().await.expose_secret(), "3");
    // It reads as often as the secret does, not in a circle.
    assert!(store.calls() < 200, "{} calls", store.calls());
    let mut missing = secrets.watch("B");
    store.set("B", "x");
    assert_eq!(missing.changed().await.expose_secret(), "x");
}

#[derive(Debug, serde::Deserialize)]
#[allow(dead_code, reason = "only read by Debug")]
struct Account {
    user: String,
    port: u16,
    tags: Vec<String>,
}

#[tokio::test]
async fn no_byte_of_a_secret_is_in_any_output_over_malformed_inputs() {
    const CANARY: &str = "c4n4ry";
    let whole = format!(r#"{{"user":"{CANARY}","port":"{CANARY}","tags":["{CANARY}",7]}}"#);
    // Every beginning, and every text with one byte exchanged by a quote.
    let mut inputs: Vec<String> = (1..whole.len())
        .map(|len| whole[..len].to_owned())
        .collect();
    inputs.extend((0..whole.len()).map(|at| format!("{}\"{}", &whole[..at], &whole[at + 1..])));
    inputs.extend([
        whole.clone(),
        format!("\"{CANARY}\""),
        CANARY.to_owned(),
        format!("{whole} {CANARY}"),
    ]);
    assert!(inputs.len() >= 100);
    let logs = Logs::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer({
            let logs = logs.clone();
            move || logs.clone()
        })
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut refused = 0;
    for input in &inputs {
        for environment in [Environment::Development, Environment::Production] {
            let value = input.clone();
            let built = Secrets::builder(environment)
                .provider(EnvVars::from_fn(move |_| Some(value.clone())))
                .require(["ACCOUNT_KEY", "TOKEN"])
                .build()
                .await;
            let mut shown = format!("{built:?}");
            if let Err(error) = &built {
                shown += &error.to_string();
            }
            if let Ok(secrets) = built {
                let typed = secrets.typed::<Account>("ACCOUNT_KEY").await;
                if let Err(error) = typed {
                    shown += &format!("{error} {error:?}");
                    refused += 1;
                }
                shown += &format!(
                    "{:?} {:?}",
                    secrets.secret("TOKEN").await,
                    secrets.api_keys().await
                );
                shown += &format!("{:?} {:?}", secrets.database().await, secrets.warnings());
            }
            assert!(!shown.contains(CANARY), "{input}: {shown}");
        }
    }
    assert_eq!(refused, inputs.len());
    let logs = String::from_utf8(logs.0.lock().unwrap().clone()).unwrap();
    // Development starts with bad secrets, and says so of each.
    for name in ["ACCOUNT_KEY", "TOKEN"] {
        let mut lines = logs.lines().filter(|line| line.contains(name));
        assert!(
            lines.any(|line| line.contains("production would refuse")),
            "{logs}"
        );
    }
    assert!(!logs.contains(CANARY));
}

#[derive(Clone, Default)]
struct Logs(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Logs {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// As the kubelet does: a new directory, then the link `..data` replaced by renaming another over it.
#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_thousand_swaps_of_a_mounted_directory_and_no_torn_read() {
    let mount = tempfile::tempdir().unwrap();
    let swap = |round: u32| {
        let version = mount.path().join(format!("..{round}"));
        std::fs::create_dir(&version).unwrap();
        // Long, so that a torn read would show.
        std::fs::write(version.join("TOKEN"), format!("{round:06}").repeat(2_000)).unwrap();
        let link = mount.path().join("..data_tmp");
        std::os::unix::fs::symlink(format!("..{round}"), &link).unwrap();
        std::fs::rename(&link, mount.path().join("..data")).unwrap();
        if round > 0 {
            std::fs::remove_dir_all(mount.path().join(format!("..{}", round - 1))).unwrap();
        }
    };
    swap(0);
    std::os::unix::fs::symlink("..data/TOKEN", mount.path().join("TOKEN")).unwrap();
    let secrets = Secrets::builder(Environment::Development)
        .provider(MountedDirectory::new(mount.path()))
        .ttl(Duration::from_secs(10))
        .build()
        .await
        .unwrap();
    secrets.secret("TOKEN").await.unwrap();
    for round in 1..=1_000 {
        swap(round);
        advance(Duration::from_secs(10)).await;
        let secret = secrets.secret("TOKEN").await.unwrap();
        assert_eq!(secret.expose_secret(), format!("{round:06}").repeat(2_000));
    }
}

#[test]
fn placeholders_are_caught_in_every_case_and_with_every_separator() {
    let phrases = [
        "your secret key change in production",
        "change me",
        "password 123",
        "secret",
        "my secret key",
        "jwt secret",
        "replace this",
        "super secret",
        "changeme please",
        "default key",
        "test token",
        "example password",
        "insert your key here",
        "dev secret key",
        "not a secret",
        "todo",
    ];
    let mut variants = std::collections::HashSet::new();
    for phrase in phrases {
        for separator in ["", "-", "_", ".", " ", "--"] {
            let joined = phrase.replace(' ', separator);
            let capital = joined[..1].to_uppercase() + &joined[1..];
            variants.extend([joined.to_uppercase(), joined, capital]);
        }
    }
    assert!(variants.len() >= 200, "{}", variants.len());
    for variant in variants {
        assert_eq!(
            check(variant.as_bytes(), 0),
            Err(Weakness::Placeholder),
            "{variant}"
        );
    }
}

// A million with `PALISADE_FULL=1`.
#[test]
fn no_generated_token_is_taken_for_a_bad_one() {
    let rounds = if std::env::var_os("PALISADE_FULL").is_some() {
        500_000
    } else {
        5_000
    };
    for _ in 0..rounds {
        for (made, len) in [
            (generate::token_urlsafe(32).unwrap(), 43),
            (generate::key().unwrap(), 44),
        ] {
            assert_eq!(check(made.expose_secret().as_bytes(), len), Ok(()));
        }
    }
}
