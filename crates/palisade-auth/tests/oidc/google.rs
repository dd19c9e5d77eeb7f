//! A provider that behaves as Google says that it does: <https://developers.google.com/identity/openid-connect/openid-connect>.

use http::StatusCode;
use palisade_auth::Sessions;
use palisade_auth::oidc::{Oidc, OidcBuilder, OidcError};
use serde_json::json;

use super::browser::Browser;
use super::id_tokens::AT_HASH;
use super::provider::{CLIENT, Provider, Request};
use super::signed_in;
use crate::support::{Clock, NOW};

fn google(provider: &Provider, clock: &Clock, set: fn(OidcBuilder) -> OidcBuilder) -> Oidc {
    // No logout of its own, and what stands in its ID tokens.
    provider.said().metadata["end_session_endpoint"] = json!(null);
    provider.said().claims = json!({
        "azp": CLIENT, "at_hash": AT_HASH, "hd": "example.com", "email": "alice@example.com",
        "email_verified": true, "name": "Alice", "picture": "https://lh3.googleusercontent.com/a/x",
        "given_name": "Alice", "family_name": "A", "sid": null,
    });
    set(provider.builder(clock)).build().unwrap()
}

#[tokio::test]
async fn only_accounts_of_the_workspace_sign_in_where_that_was_asked_for() {
    let (provider, clock) = (Provider::start().await, Clock::default());
    let oidc = google(&provider, &clock, |builder| {
        builder
            .add_parameter("hd", "example.com")
            .require_claim("hd", ["example.com", "example.org"])
    });
    let begun = super::begun(&oidc).await;
    assert_eq!(Request::of(&begun.location).get("hd"), "example.com");
    for (domain, expected) in [
        (json!("example.com"), None),
        (json!("example.org"), None),
        (json!("EXAMPLE.com"), Some(OidcError::NotAdmitted)),
        (json!("evil.example"), Some(OidcError::NotAdmitted)),
        (
            json!("example.com.evil.example"),
            Some(OidcError::NotAdmitted),
        ),
        (json!(""), Some(OidcError::NotAdmitted)),
        (json!(["example.com"]), Some(OidcError::NotAdmitted)),
        (json!({"example.com": true}), Some(OidcError::NotAdmitted)),
        // Of an account that belongs to nobody's Workspace, whatever its address.
        (json!(null), Some(OidcError::NotAdmitted)),
    ] {
        provider.said().claims["hd"] = domain.clone();
        let found = signed_in(&provider, &oidc).await;
        assert_eq!(found.err(), expected, "{domain}");
    }
    let everybody = google(&provider, &clock, |builder| builder);
    provider.said().claims["hd"] = json!(null);
    assert_eq!(signed_in(&provider, &everybody).await.err(), None);
    let nobody = provider.builder(&clock).require_claim("hd", [""; 0]);
    let error = nobody.build().unwrap_err().to_string();
    assert!(error.contains("claim"), "{error}");
}

#[tokio::test]
async fn without_a_refresh_token_the_access_token_is_given_as_it_is() {
    let (provider, clock) = (Provider::start().await, Clock::default());
    provider.said().refresh_only_offline = true;
    for (offline, with) in [(false, " with access-1"), (true, " with access-2")] {
        let set: fn(OidcBuilder) -> OidcBuilder = match offline {
            false => |builder| builder,
            true => |builder| {
                builder
                    .add_parameter("access_type", "offline")
                    .add_parameter("prompt", "consent")
            },
        };
        let oidc = google(&provider, &clock, set);
        provider.said().claims["iat"] = json!(NOW + if offline { 400 } else { 0 });
        let sessions = Sessions::memory().clock(clock.wall()).build().unwrap();
        let mut browser = Browser::of(oidc, sessions.into(), |routes| routes);
        browser.sign_in(&provider).await;
        provider.said().claims["at_hash"] = json!(null);
        clock.pass(400);
        let me = browser.get("/me").await;
        assert!(me.body.ends_with(with), "{offline}: {}", me.body);
        // Nowhere to be sent but here.
        let out = browser.ask("POST", "/logout", "").await;
        assert_eq!((out.status, out.location()), (StatusCode::SEE_OTHER, "/"));
    }
}
