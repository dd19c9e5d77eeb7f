//! A service starts only with good secrets.

use palisade_secrets::{
    EnvVars, Environment, Error, ExposeSecret, MountedDirectory, Rule, Secrets,
};

use crate::common::Store;

const GOOD: &str = "kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu";
const OTHER: &str = "Zt8RwQ3nLb6XyVd1JmK9sHcG4pFa7eUo";

fn variables<const N: usize>(pairs: [(&'static str, &'static str); N]) -> EnvVars {
    EnvVars::from_fn(move |name| {
        let value = pairs.iter().find(|(known, _)| *known == name);
        value.map(|(_, value)| (*value).to_owned())
    })
}

async fn reasons(secrets: palisade_secrets::SecretsBuilder) -> Vec<String> {
    match secrets.build().await {
        Err(Error::Refused(problems)) => problems.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once() {
    let secrets = Secrets::builder(Environment::Production)
        .provider(variables([
            ("JWT_SECRET_KEY", "Your_Secret-Key.Change.In.Production"),
            ("ENCRYPTION_KEY", "kD2vGq0yX8mTn5cWbR7s"),
            ("DB_PASSWORD", "aaaaaaaaaaaaaaaaaaaaaaaa"),
            ("CRM_BEARER_TOKEN", GOOD),
            ("BACKEND_SERVICE_TOKEN", GOOD),
        ]))
        .require([
            "JWT_SECRET_KEY",
            "ENCRYPTION_KEY",
            "DB_PASSWORD",
            "CRM_BEARER_TOKEN",
            "BACKEND_SERVICE_TOKEN",
            "DATABASE_URL",
        ]);
    let reasons = reasons(secrets).await;
    for (reason, expected) in reasons.iter().zip([
        "DATABASE_URL: is missing",
        "JWT_SECRET_KEY: is a well-known placeholder",
        "ENCRYPTION_KEY: is 20 bytes long, must be at least 32",
        "DB_PASSWORD: is too regular",
        "BACKEND_SERVICE_TOKEN: has the same value as CRM_BEARER_TOKEN",
    ]) {
        assert!(reason.starts_with(expected), "{reason}");
    }
    assert_eq!(reasons.len(), 5);
}

#[tokio::test]
async fn staging_is_as_strict_as_production_and_development_warns() {
    let build = |environment| {
        Secrets::builder(environment)
            .provider(variables([("API_TOKEN", "changeme")]))
            .require(["API_TOKEN", "OTHER"])
            .build()
    };
    assert!(build(Environment::Production).await.is_err());
    assert!(build(Environment::Staging).await.is_err());
    let secrets = build(Environment::Development).await.unwrap();
    let warned: Vec<_> = secrets
        .warnings()
        .iter()
        .map(|problem| &*problem.field)
        .collect();
    assert_eq!(warned, ["OTHER", "API_TOKEN"]);
    assert_eq!(
        secrets.secret("API_TOKEN").await.unwrap().expose_secret(),
        "changeme"
    );
    assert!(matches!(
        secrets.secret("OTHER").await,
        Err(Error::Missing { .. })
    ));
}

#[tokio::test]
async fn a_provider_that_fails_stops_the_start_everywhere() {
    for environment in [Environment::Production, Environment::Development] {
        let store = Store::of([]);
        store.broken(true);
        let secrets = Secrets::builder(environment)
            .provider(store)
            .provider(variables([("API_TOKEN", GOOD)]))
            .require(["API_TOKEN"]);
        assert_eq!(
            reasons(secrets).await,
            ["API_TOKEN: store: connection refused"]
        );
    }
}

#[tokio::test]
async fn absence_falls_through_in_the_order_given() {
    let first = Store::of([("A", "first")]);
    let second = Store::of([("A", "second"), ("B", "second")]);
    let never = Store::of([("A", "never")]);
    let secrets = Secrets::builder(Environment::Development)
        .provider(first)
        .provider_if(false, never.clone())
        .provider(second)
        .build()
        .await
        .unwrap();
    assert_eq!(secrets.secret("A").await.unwrap().expose_secret(), "first");
    assert_eq!(secrets.secret("B").await.unwrap().expose_secret(), "second");
    assert_eq!(never.calls(), 0);
}

#[tokio::test]
async fn a_rule_of_its_own_replaces_the_rule_for_the_name() {
    let build = |rule| {
        Secrets::builder(Environment::Production)
            .provider(variables([("PIN_KEY", "kD2vGq0yX8mT")]))
            .require_with("PIN_KEY", rule)
            .build()
    };
    assert!(build(Rule::min_len(12)).await.is_ok());
    assert!(build(Rule::min_len(13)).await.is_err());
}

#[tokio::test]
async fn settings_out_of_range_are_refused() {
    use std::time::Duration;
    let secrets = Secrets::builder(Environment::Development)
        .ttl(Duration::MAX)
        .max_stale(Duration::ZERO)
        .negative_ttl(Duration::MAX);
    let reasons = reasons(secrets).await;
    assert_eq!(
        reasons,
        [
            "ttl: must be at most 365 days",
            "negative_ttl: must be at most 365 days",
            "max_stale: must be at least the ttl"
        ]
    );
}

#[tokio::test]
async fn variables_may_name_files() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("password");
    std::fs::write(&path, format!("{GOOD}\n")).unwrap();
    let path = path.to_str().unwrap().to_owned();
    let variables = EnvVars::from_fn(move |name| match name {
        "DB_PASSWORD_FILE" | "BOTH_FILE" => Some(path.clone()),
        "BOTH" => Some(OTHER.into()),
        "GONE_FILE" => Some("/nowhere/at/all".into()),
        "EMPTY" => Some(String::new()),
        _ => None,
    });
    let secrets = Secrets::builder(Environment::Production)
        .provider(variables.file_suffix("_FILE"))
        .require(["DB_PASSWORD"])
        .build()
        .await
        .unwrap();
    assert_eq!(
        secrets.secret("DB_PASSWORD").await.unwrap().expose_secret(),
        GOOD
    );
    for (name, said) in [
        ("BOTH", "variables BOTH and BOTH_FILE are both set"),
        (
            "GONE",
            "variable GONE_FILE names /nowhere/at/all, which is not there",
        ),
        ("EMPTY", "variable EMPTY is empty or not UTF-8"),
    ] {
        let error = secrets.secret(name).await.unwrap_err().to_string();
        assert_eq!(error, format!("secret {name}: environment: {said}"));
    }
}

#[tokio::test]
async fn a_mounted_directory_gives_its_files_and_nothing_outside() {
    let directory = tempfile::tempdir().unwrap();
    let inside = directory.path().join("mount");
    std::fs::create_dir(&inside).unwrap();
    std::fs::write(inside.join("TOKEN"), "a\r\n").unwrap();
    std::fs::write(inside.join("TOKEN_PREVIOUS"), "b").unwrap();
    std::fs::write(inside.join("EMPTY"), "\n").unwrap();
    std::fs::write(inside.join("BINARY"), [0xff, 0xfe]).unwrap();
    std::fs::write(directory.path().join("OUTSIDE"), "secret").unwrap();
    let secrets = Secrets::builder(Environment::Development)
        .provider(MountedDirectory::new(&inside))
        .build()
        .await
        .unwrap();
    let pair = secrets.pair("TOKEN").await.unwrap();
    let values: Vec<_> = pair
        .iter()
        .map(|secret| secret.expose_secret().to_owned())
        .collect();
    assert_eq!(values, ["a", "b"]);
    for name in [
        "../OUTSIDE",
        "/etc/hostname",
        "x/y",
        "",
        ".",
        "..",
        "EMPTY",
        "BINARY",
    ] {
        let read = secrets.secret(name).await;
        assert!(matches!(read, Err(Error::Provider { .. })), "{name}");
    }
    assert!(matches!(
        secrets.secret("NONE").await,
        Err(Error::Missing { .. })
    ));
}
