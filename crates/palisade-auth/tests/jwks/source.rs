//! An issuer whose documents the test decides.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use palisade_auth::{
    Algorithm, Issuer, Jwks, JwksResponse, JwtVerifier, SigningKey, SigningKeys, TokenIssuer,
};
use palisade_core::Principal;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::support::clock;

/// An issuer whose documents, failures and silences the test decides.
#[derive(Clone, Default)]
pub(super) struct Source {
    pub(super) document: Arc<Mutex<String>>,
    pub(super) fetches: Arc<AtomicUsize>,
    pub(super) down: Arc<AtomicBool>,
    pub(super) hangs: Arc<AtomicBool>,
    pub(super) urls: Arc<Mutex<Vec<String>>>,
}

impl Source {
    pub(super) fn publish(&self, tokens: &TokenIssuer) {
        *self.document.lock().unwrap() = tokens.jwks();
    }

    pub(super) fn fetches(&self) -> usize {
        self.fetches.load(Ordering::Relaxed)
    }

    pub(super) fn verifier(&self) -> JwtVerifier {
        let source = self.clone();
        let jwks = Jwks::new("https://idp.example/jwks", move |url| {
            let source = source.clone();
            async move {
                source.fetches.fetch_add(1, Ordering::Relaxed);
                source.urls.lock().unwrap().push(url);
                if source.hangs.load(Ordering::Relaxed) {
                    Notify::new().notified().await;
                }
                sleep(Duration::from_millis(100)).await;
                if source.down.load(Ordering::Relaxed) {
                    return Err("connection refused".into());
                }
                let body = source.document.lock().unwrap().clone().into_bytes();
                Ok(JwksResponse {
                    body,
                    cache_control: Some("max-age=1000".to_owned()),
                })
            }
        })
        .unwrap();
        let issuer = Issuer::jwks("idp", jwks)
            .algorithms([Algorithm::EdDSA, Algorithm::ES256])
            .audience("api");
        JwtVerifier::builder()
            .issuer(issuer)
            .clock(clock())
            .build()
            .unwrap()
    }
}

pub(super) fn idp() -> TokenIssuer {
    let key = SigningKey::generate(Algorithm::EdDSA).unwrap();
    TokenIssuer::signed("idp", SigningKeys::new(key))
        .audience("api")
        .clock(clock())
        .build()
        .unwrap()
}

pub(super) fn token(tokens: &TokenIssuer) -> String {
    tokens
        .issue(&Principal::user("", "alice"))
        .unwrap()
        .into_string()
}
