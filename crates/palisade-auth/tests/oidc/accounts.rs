//! The principals of sign-ins: identities, or accounts of the application.

use http::StatusCode;
use palisade_auth::Sessions;
use palisade_auth::oidc::{EmailAccount, Identity, LinkAccounts, OidcError, SignInRoutes};
use serde_json::json;

use super::browser::Browser;
use super::provider::Provider;
use crate::support::Clock;

/// Everybody has an account of the same name.
struct One;

impl LinkAccounts for One {
    async fn of_identity(&self, _: &str, subject: &str) -> Result<Option<String>, OidcError> {
        Ok((subject == "alice").then(|| "account-7".to_owned()))
    }

    async fn of_email(&self, _: &str) -> Result<Option<EmailAccount>, OidcError> {
        Ok(None)
    }

    async fn link(&self, _: &str, _: &Identity) -> Result<(), OidcError> {
        Ok(())
    }

    async fn create(&self, _: &Identity) -> Result<Option<String>, OidcError> {
        Ok(None)
    }
}

#[tokio::test]
async fn a_principal_may_be_an_account_of_the_application_and_ends_with_its_identity() {
    let provider = Provider::start().await;
    let mut browser = Browser::new(&provider, |routes| routes.accounts("bookings", One));
    browser.sign_in(&provider).await;
    let me = browser.get("/me").await;
    assert_eq!(me.body, "account-7 of bookings with access-1");
    let header = json!({"alg": "RS256", "kid": "k1"});
    let token = provider.logout_token(&header, &json!({"sid": null}));
    let body = format!("logout_token={token}");
    let session = std::mem::take(&mut browser.cookies);
    let told = browser.ask("POST", "/logout/back-channel", &body).await;
    assert_eq!(told.status, StatusCode::OK);
    browser.cookies = session;
    assert_eq!(browser.get("/me").await.status, StatusCode::UNAUTHORIZED);

    provider.said().claims = json!({"sub": "eve"});
    let refused = browser.sign_in(&provider).await;
    assert_eq!(
        (refused.status, &*refused.reasons[0]),
        (StatusCode::UNAUTHORIZED, "sign_in_no_account")
    );
    let oidc = provider.builder(&Clock::default()).build().unwrap();
    let sessions = Sessions::memory().build().unwrap();
    for name in ["", "api-key", provider.url()] {
        let builder = SignInRoutes::builder(oidc.clone(), sessions.clone());
        assert!(builder.accounts(name, One).build().is_err(), "{name}");
    }
    let bad = SignInRoutes::builder(oidc, sessions).failed_at("//evil.example");
    let bad = bad
        .signed_out_at("http://evil.example/")
        .build()
        .unwrap_err();
    let bad = bad.to_string();
    assert!(
        bad.contains("failed_at") && bad.contains("signed_out_at"),
        "{bad}"
    );
}

#[tokio::test]
async fn a_principal_may_be_completed_from_what_the_provider_says() {
    let provider = Provider::start().await;
    let mut browser = Browser::new(&provider, |routes| {
        routes.adapt(|principal, identity| {
            principal.tenant(identity.verified_email().unwrap_or_default())
        })
    });
    browser.sign_in(&provider).await;
    let me = browser.get("/tenant").await;
    assert_eq!(me.body, "alice@example.com");
}
