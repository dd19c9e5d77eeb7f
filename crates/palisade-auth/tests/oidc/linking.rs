//! The account that an identity at a provider gets.

use std::sync::Mutex;

use palisade_auth::oidc::{EmailAccount, Identity, LinkAccounts, OidcError, account_of};
use serde_json::{Value, json};

use super::provider::Provider;
use super::signed_in;
use crate::support::Clock;

/// An account `old` with an address, and a note of what was done.
struct Accounts {
    email: &'static str,
    owner: EmailAccount,
    linked: Mutex<Vec<(String, String)>>,
    sign_up: bool,
}

fn accounts(owner: EmailAccount) -> Accounts {
    Accounts {
        email: "alice@example.com",
        owner,
        linked: Mutex::default(),
        sign_up: true,
    }
}

impl LinkAccounts for Accounts {
    async fn of_identity(&self, _: &str, subject: &str) -> Result<Option<String>, OidcError> {
        let linked = self.linked.lock().unwrap();
        let found = linked.iter().find(|(_, known)| known == subject);
        Ok(found.map(|(account, _)| account.clone()))
    }

    async fn of_email(&self, email: &str) -> Result<Option<EmailAccount>, OidcError> {
        Ok((email == self.email).then(|| self.owner.clone()))
    }

    async fn link(&self, account: &str, identity: &Identity) -> Result<(), OidcError> {
        let link = (account.to_owned(), identity.subject().to_owned());
        self.linked.lock().unwrap().push(link);
        Ok(())
    }

    async fn create(&self, identity: &Identity) -> Result<Option<String>, OidcError> {
        let name = identity.verified_email().unwrap_or("nobody");
        Ok(self.sign_up.then(|| format!("new {name}")))
    }
}

async fn identity(provider: &Provider, claims: Value) -> Identity {
    provider.said().claims = claims;
    let oidc = provider.builder(&Clock::default()).build().unwrap();
    signed_in(provider, &oidc).await.unwrap().identity
}

#[tokio::test]
async fn an_address_links_only_where_both_sides_have_verified_it() {
    let provider = Provider::start().await;
    let verified = || EmailAccount::Verified("old".to_owned());
    for (claims, owner, account) in [
        (json!({}), verified(), "old"),
        (json!({"email_verified": "true"}), verified(), "old"),
        (json!({"email_verified": false}), verified(), "new nobody"),
        (json!({"email_verified": null}), verified(), "new nobody"),
        (json!({"email_verified": "false"}), verified(), "new nobody"),
        (json!({"email_verified": 1}), verified(), "new nobody"),
        (json!({}), EmailAccount::Unverified, "new alice@example.com"),
        (
            json!({"email": "b@example.com"}),
            verified(),
            "new b@example.com",
        ),
        (
            json!({"email": "ALICE@example.com"}),
            verified(),
            "new ALICE@example.com",
        ),
    ] {
        let identity = identity(&provider, claims.clone()).await;
        let accounts = accounts(owner);
        let linked = account_of(&identity, &accounts).await;
        assert_eq!(linked.as_deref(), Ok(account), "{claims}");
        assert_eq!(
            *accounts.linked.lock().unwrap(),
            [(account.to_owned(), "alice".to_owned())]
        );
    }
}

#[tokio::test]
async fn an_identity_that_is_linked_keeps_its_account_whatever_its_address() {
    let provider = Provider::start().await;
    let mut accounts = accounts(EmailAccount::Verified("old".to_owned()));
    let link = ("mine".to_owned(), "alice".to_owned());
    accounts.linked.get_mut().unwrap().push(link);
    let known = identity(&provider, json!({})).await;
    assert_eq!(account_of(&known, &accounts).await.as_deref(), Ok("mine"));
    assert_eq!(accounts.linked.lock().unwrap().len(), 1);
    accounts.sign_up = false;
    let unknown = identity(&provider, json!({"sub": "eve", "email_verified": false})).await;
    assert_eq!(
        account_of(&unknown, &accounts).await,
        Err(OidcError::NoAccount)
    );
}
