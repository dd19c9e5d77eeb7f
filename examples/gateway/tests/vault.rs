//! Secrets from Vault, and keys that rotate there while requests go on. A server in this process stands in for Vault.

mod support;

#[path = "../../../crates/palisade-secrets/tests/vault/stand_in.rs"]
mod stand_in;
#[path = "../../../crates/palisade-secrets/tests/vault/wire.rs"]
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use palisade::Principal;
use palisade::auth::{Algorithm, HmacKeys, SigningKey, SigningKeys, TokenIssuer};
use palisade::crypto::Key;
use serde_json::{Value, json};

use stand_in::{StandIn, terms};
use support::{Gateway, PASSWORD, booking, key_of, refused_start};

const FIRST: &str = include_str!("../../../crates/palisade-auth/tests/data/ed25519.pem");
const NEXT: &str = include_str!("../../../crates/palisade-auth/tests/data/p256.pem");
const JWT_SECRET: &str = "kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu";
const NEXT_SECRET: &str = "Zt9QwL3nVb6YxK1rMd8FpS5gHc2JeU7o";

fn variables(vault: &StandIn) -> [(&'static str, &str); 4] {
    [
        ("VAULT_ADDR", &vault.url),
        ("VAULT_ROLE_ID", "the-role-id"),
        ("VAULT_SECRET_ID", "the-secret-id"),
        ("SECRETS_TTL_SEC", "1"),
    ]
}

/// Stores the next version of the gateway's secret.
fn store(vault: &StandIn, signing_key: &str, keyset: &str) {
    let fields = json!({
        "JWT_SECRET_KEY": JWT_SECRET,
        "JWT_SIGNING_KEY": signing_key,
        "ENCRYPTION_KEYS": keyset,
    });
    vault.with(|model| {
        model
            .kv2
            .entry("gateway".to_owned())
            .or_default()
            .push(Some(fields));
    });
}

/// Reads on as a signed-in user until it is told to stop. Gives how many answers came, and those that were not good.
async fn load(gateway: Arc<Gateway>, bearer: String, stop: Arc<AtomicBool>) -> (usize, Vec<u16>) {
    let (mut answers, mut bad) = (0, Vec::new());
    while !stop.load(Ordering::Relaxed) {
        for path in ["/api/me", "/api/bookings"] {
            let (status, body) = gateway.json(path, ("authorization", &bearer)).await;
            answers += 1;
            let is_good = status == 200
                && (path == "/api/me" || body["bookings"][0]["email"] == "guest@example.com");
            if !is_good {
                bad.push(status);
            }
        }
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    (answers, bad)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_rotate_in_vault_without_a_failed_request() {
    let [six, seven] =
        [6, 7].map(|id| json!({"id": id, "key": *Key::generate().unwrap().to_text()}));
    let vault = StandIn::start().await;
    // Short-lived tokens, so that logins happen meanwhile, too.
    vault.with(|model| model.token_terms = terms(2, 4));
    store(
        &vault,
        FIRST,
        &json!({"primary": 6, "keys": [six]}).to_string(),
    );

    let mut gateway = Arc::new(Gateway::start_with(&variables(&vault)));
    let bearer = format!("Bearer {}", gateway.token("alice").await);
    let made = gateway
        .client
        .post(gateway.at("/api/bookings"))
        .header("authorization", &bearer);
    assert_eq!(made.json(&booking()).send().await.unwrap().status(), 201);
    let api_key = gateway.api_key.clone();
    let partner = ("x-api-key", &*api_key);
    let (_, sealed) = gateway.json("/api/partner/bookings", partner).await;
    assert_eq!(key_of(&sealed["bookings"][0]["email"]), 6);

    let stop = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn(load(
        Arc::clone(&gateway),
        bearer.clone(),
        Arc::clone(&stop),
    ));
    tokio::time::sleep(Duration::from_millis(300)).await;
    store(
        &vault,
        NEXT,
        &json!({"primary": 7, "keys": [six, seven]}).to_string(),
    );

    // A token of the next signing key, made here.
    let next = SigningKeys::new(SigningKey::from_pem(Algorithm::ES256, NEXT).unwrap());
    let tokens = TokenIssuer::signed("gateway", next)
        .audience("api://gateway")
        .build()
        .unwrap();
    let issued = tokens.issue(&Principal::user("gateway", "alice")).unwrap();
    let by_next = format!("Bearer {}", issued.as_str());
    let mut rotated = false;
    for _ in 0..100 {
        let (_, sealed) = gateway.json("/api/partner/bookings", partner).await;
        let (status, _) = gateway.json("/api/me", ("authorization", &by_next)).await;
        rotated = key_of(&sealed["bookings"][0]["email"]) == 7 && status == 200;
        if rotated {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(rotated, "both keys are in use within ten seconds");
    let jwks: Value = gateway
        .get("/.well-known/jwks.json")
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(jwks["keys"].as_array().unwrap().len(), 2, "{jwks}");

    // A keyset that is not good, and then no Vault at all: what is known serves.
    store(&vault, NEXT, "not a keyset");
    tokio::time::sleep(Duration::from_millis(1500)).await;
    vault.with(|model| model.down = Some((503, String::new())));
    tokio::time::sleep(Duration::from_millis(1500)).await;
    vault.with(|model| model.down = None);
    let before = vault.requests();
    for _ in 0..200 {
        if vault.requests() > before + 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(vault.requests() > before + 1, "it is read again");
    let (_, sealed) = gateway.json("/api/partner/bookings", partner).await;
    assert_eq!(key_of(&sealed["bookings"][0]["email"]), 7);

    stop.store(true, Ordering::Relaxed);
    let (answers, bad) = reader.await.unwrap();
    assert!(answers > 40, "{answers} answers");
    assert_eq!(bad, Vec::<u16>::new());
    assert!(
        vault.asked("POST auth/approle/login") >= 2,
        "tokens ended meanwhile"
    );

    let gateway = Arc::get_mut(&mut gateway).expect("nobody else uses it");
    assert!(gateway.terminate().success());
    assert!(
        vault.asked("POST auth/token/revoke-self") >= 1,
        "its token was given back"
    );
}

/// Stores the next version of the shared secret, without a private key.
fn store_secret(vault: &StandIn, secret: &str, key: &str) {
    let fields = json!({"JWT_SECRET_KEY": secret, "ENCRYPTION_KEY": key});
    vault.with(|model| {
        let versions = model.kv2.entry("gateway".to_owned()).or_default();
        versions.push(Some(fields));
    });
}

/// The header of a token, which names its key.
fn header(token: &Value) -> &str {
    token.as_str().unwrap().split('.').next().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shared_secret_rotates_in_vault_without_a_failed_request() {
    let vault = StandIn::start().await;
    let key = Key::generate().unwrap().to_text();
    store_secret(&vault, JWT_SECRET, &key);
    let gateway = Arc::new(Gateway::start_with(&variables(&vault)));
    let pair = gateway.login("alice", PASSWORD).await;
    let pair: Value = pair.json().await.unwrap();
    let bearer = format!("Bearer {}", pair["access_token"].as_str().unwrap());
    let made = gateway
        .client
        .post(gateway.at("/api/bookings"))
        .header("authorization", &bearer);
    assert_eq!(made.json(&booking()).send().await.unwrap().status(), 201);
    let stop = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn(load(
        Arc::clone(&gateway),
        bearer.clone(),
        Arc::clone(&stop),
    ));

    // A token of another gateway, which has the next secret already.
    let tokens = TokenIssuer::hmac("gateway", HmacKeys::current(NEXT_SECRET).unwrap())
        .audience("api://gateway")
        .build()
        .unwrap();
    let elsewhere = tokens.issue(&Principal::user("gateway", "alice")).unwrap();
    let elsewhere = format!("Bearer {}", elsewhere.as_str());
    let accepted = async || {
        gateway
            .json("/api/me", ("authorization", &elsewhere))
            .await
            .0
            == 200
    };
    assert!(!accepted().await);
    store_secret(&vault, NEXT_SECRET, &key);
    let mut known = false;
    for _ in 0..100 {
        known = accepted().await;
        if known {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(known, "the next secret is known within ten seconds");

    // After the lead, twice the time to live, it signs as well; refresh tokens of the first secret are good all the same.
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let refresh = gateway
        .client
        .post(gateway.at("/auth/refresh"))
        .json(&json!({"refresh_token": pair["refresh_token"]}));
    let refreshed = refresh.send().await.unwrap();
    assert_eq!(refreshed.status(), 200);
    let next: Value = refreshed.json().await.unwrap();
    assert_ne!(header(&next["access_token"]), header(&pair["access_token"]));
    stop.store(true, Ordering::Relaxed);
    let (answers, bad) = reader.await.unwrap();
    assert!(answers > 10, "{answers} answers");
    assert_eq!(
        bad,
        Vec::<u16>::new(),
        "tokens of the first secret are good"
    );
}

/// An API key for a partner, and its entry in the list, as the command prints them.
fn new_api_key() -> (String, Value) {
    let made = std::process::Command::new(env!("CARGO_BIN_EXE_gateway"))
        .args(["new-api-key", "partner-a", "read"])
        .output()
        .unwrap();
    let printed = String::from_utf8(made.stdout).unwrap();
    let line = |start: &str| {
        let mut lines = printed.lines();
        lines.find_map(|line| line.strip_prefix(start)).unwrap()
    };
    let entry = serde_json::from_str(line("entry: ")).unwrap();
    (line("api key: ").to_owned(), entry)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_keys_come_from_vault_and_end_when_they_are_taken_from_it() {
    let vault = StandIn::start().await;
    let encryption = Key::generate().unwrap().to_text();
    let store = |api_keys: &str| {
        let fields = json!({
            "JWT_SECRET_KEY": JWT_SECRET,
            "ENCRYPTION_KEY": *encryption,
            "API_KEYS": api_keys,
        });
        vault.with(|model| {
            let versions = model.kv2.entry("gateway".to_owned()).or_default();
            versions.push(Some(fields));
        });
    };
    let ((first, entry), (second, next)) = (new_api_key(), new_api_key());
    store(&json!({"keys": [entry]}).to_string());
    let gateway = Gateway::start_with(&variables(&vault));
    let status = async |key: &str| gateway.json("/api/me", ("x-api-key", key)).await;
    let becomes = async |key: &str, wanted: u16| {
        for _ in 0..100 {
            if status(key).await.0 == wanted {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        false
    };
    let (answered, me) = status(&first).await;
    assert_eq!((answered, &me["subject"]), (200, &json!("partner-a")));
    assert_eq!(status(&second).await.0, 401, "nobody listed it");
    // The key to try things with is there as well.
    assert_eq!(status(&gateway.api_key).await.0, 200);

    // A list that is not good leaves the keys as they are, and the next good one is taken.
    store("{\"keys\": [");
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(status(&first).await.0, 200);
    store(&json!({"keys": [next]}).to_string());
    assert!(becomes(&second, 200).await);
    assert_eq!(status(&first).await.0, 401, "it was taken from the list");
}

#[tokio::test]
async fn a_list_of_api_keys_that_is_not_one_ends_the_start_and_is_not_repeated() {
    let refused =
        tokio::task::spawn_blocking(|| refused_start(&[("API_KEYS", "{\"keys\":\"hunter2\"}")]));
    let (code, said) = refused.await.unwrap();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("API_KEYS"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn a_vault_that_does_not_answer_or_refuses_ends_the_start() {
    let vault = StandIn::start().await;
    vault.with(|model| model.secret_id = "another".to_owned());
    let address = vault.url.clone();
    let refused = tokio::task::spawn_blocking(move || {
        refused_start(&[
            ("VAULT_ADDR", &address),
            ("VAULT_ROLE_ID", "the-role-id"),
            ("VAULT_SECRET_ID", "the-secret-id"),
        ])
    });
    let (code, said) = refused.await.unwrap();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("vault: login: 400"), "{said}");
    assert!(!said.contains("the-secret-id"), "{said}");
}
