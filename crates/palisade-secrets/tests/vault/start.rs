//! Settings of the environment.

use std::collections::HashMap;

use palisade_secrets::{Error, ExposeSecret, Provider, Stage, Vault};
use serde_json::json;

use crate::stand_in::StandIn;

fn from(vars: &[(&str, &str)]) -> Result<Vault, Error> {
    let vars: HashMap<_, _> = vars.iter().copied().collect();
    Vault::from_vars(|name| vars.get(name).map(|value| (*value).to_owned()))
}

#[tokio::test]
async fn the_variables_of_vaults_own_tools_are_followed() {
    let server = StandIn::start().await;
    server.with(|model| {
        model
            .kv2
            .insert("TOKEN".to_owned(), vec![Some(json!({"value": "one"}))])
    });
    let token = server.make_token(crate::stand_in::Terms::default());
    let address = ("VAULT_ADDR", &*format!("{}/", server.url));
    let logins: [&[(&str, &str)]; 2] = [
        &[
            address,
            ("VAULT_TOKEN", &token),
            ("VAULT_NAMESPACE", "team"),
        ],
        &[
            address,
            ("VAULT_ROLE_ID", "the-role-id"),
            ("VAULT_SECRET_ID", "the-secret-id"),
            ("VAULT_TOKEN", ""),
        ],
    ];
    for vars in logins {
        let fetched = from(vars)
            .unwrap()
            .fetch("TOKEN", Stage::Current)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(fetched.secret().expose_secret(), "one");
    }
    assert_eq!(server.asked("POST auth/approle/login"), 1);
    let kubernetes = from(&[address, ("VAULT_KUBERNETES_ROLE", "bookings")]).unwrap();
    assert!(format!("{kubernetes:?}").contains("kubernetes"));
}

#[test]
fn every_variable_that_is_wrong_is_named_and_no_value() {
    let Err(Error::Refused(problems)) = from(&[
        ("VAULT_ADDR", "https://user:canary@vault.example"),
        ("VAULT_CACERT", "/no/such/canary.pem"),
        ("VAULT_SECRET_ID", "canary"),
    ]) else {
        panic!("accepted")
    };
    let fields = Vec::from_iter(problems.iter().map(|problem| &*problem.field));
    assert_eq!(fields, ["VAULT_CACERT", "VAULT_ROLE_ID", "VAULT_ADDR"]);
    assert!(!problems.to_string().contains("canary"));

    for (address, reason) in [
        (None, "is missing"),
        (Some("vault.example:8200"), "must be an http or https URL"),
        (Some("ftp://vault.example"), "must be an http or https URL"),
        (
            Some("https://vault.example?x=1"),
            "must have neither a query nor user information",
        ),
        (Some("not a url"), "is no URL"),
    ] {
        let vars: Vec<_> = address
            .map(|address| ("VAULT_ADDR", address))
            .into_iter()
            .collect();
        let Err(Error::Refused(problems)) = from(&vars) else {
            panic!("{address:?} was accepted")
        };
        assert_eq!(problems.to_string(), format!("VAULT_ADDR: {reason}"));
    }
}
