//! The address that a browser is sent to, and the browsers that may come back.

use http::HeaderMap;
use palisade_auth::oidc::{Oidc, OidcError};
use serde_json::json;

use super::provider::{CLIENT, CLIENT_SECRET, COOKIE_SECRET, Provider, REDIRECT, Request};
use super::{begun, browser, signed_in};
use crate::support::Clock;

#[tokio::test]
async fn a_browser_goes_to_the_provider_and_comes_back_as_who_it_is() {
    let provider = Provider::start().await;
    let oidc = provider.builder(&Clock::default()).build().unwrap();
    let begun = begun(&oidc).await;
    let endpoint = format!("{}/authorize?tenant=1&", provider.url());
    assert!(begun.location.starts_with(&endpoint), "{}", begun.location);
    let request = Request::of(&begun.location);
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("redirect_uri", REDIRECT),
        ("scope", "openid email profile"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(request.get(name), value, "{name}");
    }
    // 32 random bytes each, and a SHA-256, in base64url.
    for name in ["state", "nonce", "code_challenge"] {
        assert_eq!(request.get(name).len(), 43, "{name}");
    }
    let [cookie] = &*begun.cookies else {
        panic!("one cookie")
    };
    let cookie = cookie.to_str().unwrap();
    assert!(cookie.starts_with("__Host-sign-in-"), "{cookie}");
    assert!(
        cookie.ends_with("; Path=/; Max-Age=600; Secure; HttpOnly; SameSite=Lax"),
        "{cookie}"
    );
    for name in ["state", "nonce", "code_challenge"] {
        assert!(!cookie.contains(request.get(name)), "{name} is sealed");
    }

    let query = provider.authorize(&begun.location);
    let signed_in = oidc.finish(&query, &browser(&begun.cookies)).await.unwrap();
    let identity = &signed_in.identity;
    assert_eq!(
        (identity.issuer(), identity.subject()),
        (provider.url(), "alice")
    );
    assert_eq!(identity.verified_email(), Some("alice@example.com"));
    assert_eq!(identity.provider_session(), Some("at-provider-1"));
    assert_eq!(signed_in.return_to, "/rooms?day=1");
    assert_eq!(signed_in.tokens.access_token(), "access-1");
    assert_eq!(signed_in.tokens.refresh_token(), Some("refresh-1"));
    // The ID token has the address, so nothing more is asked.
    assert!(!provider.paths().contains(&"/userinfo".to_owned()));
    let spent = oidc.spent(&query).unwrap();
    let name = cookie.split('=').next().unwrap();
    let expected = format!("{name}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax");
    assert_eq!(spent, expected.as_str());
}

#[tokio::test]
async fn a_state_serves_one_callback_of_the_browser_that_began_it() {
    let provider = Provider::start().await;
    let clock = Clock::default();
    let oidc = provider.builder(&clock).build().unwrap();
    let (ours, others) = (begun(&oidc).await, begun(&oidc).await);
    let query = provider.authorize(&ours.location);
    let finish = async |query: &str, headers: &HeaderMap| oidc.finish(query, headers).await.err();

    // An attacker's code and state, with the cookie of another sign-in, or none.
    let unknown = Some(OidcError::StateUnknown);
    assert_eq!(finish(&query, &browser(&others.cookies)).await, unknown);
    assert_eq!(finish(&query, &HeaderMap::new()).await, unknown);
    // The sealed cookie of one sign-in under the name of another.
    let name = |cookie: &http::HeaderValue| {
        cookie
            .to_str()
            .unwrap()
            .split('=')
            .next()
            .unwrap()
            .to_owned()
    };
    let moved = others.cookies[0].to_str().unwrap();
    let moved = moved.replace(&name(&others.cookies[0]), &name(&ours.cookies[0]));
    assert_eq!(
        finish(&query, &browser(&[moved.parse().unwrap()])).await,
        unknown
    );
    let mut both = ours.cookies.clone();
    both.extend(ours.cookies.clone());
    assert_eq!(
        finish(&query, &browser(&both)).await,
        unknown,
        "a planted second one"
    );
    assert!(
        !provider.paths().contains(&"/token".to_owned()),
        "no code was redeemed"
    );

    assert_eq!(finish(&query, &browser(&ours.cookies)).await, None);
    let again = finish(&query, &browser(&ours.cookies)).await;
    assert_eq!(again, Some(OidcError::StateUsed));
    let fresh = format!("{query}x").replace("code=code-1", "code=code-2");
    assert_eq!(finish(&fresh, &browser(&ours.cookies)).await, unknown);

    // Another process, or one after a restart, with the same secret; the provider knows the code.
    let elsewhere = provider.builder(&clock).build().unwrap();
    let replayed = elsewhere.finish(&query, &browser(&ours.cookies)).await;
    assert_eq!(replayed.err(), Some(OidcError::GrantRefused));
    let query = provider.authorize(&others.location);
    clock.pass(600);
    assert_eq!(
        finish(&query, &browser(&others.cookies)).await,
        unknown,
        "after 10 minutes"
    );
}

#[tokio::test]
async fn a_cookie_of_another_provider_client_or_secret_does_not_open() {
    let (provider, other) = (Provider::start().await, Provider::start().await);
    let clock = Clock::default();
    let oidc = provider.builder(&clock).build().unwrap();
    let begun = begun(&oidc).await;
    let query = provider.authorize(&begun.location);
    let secret = "kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu";
    for elsewhere in [
        other.builder(&clock),
        provider.builder(&clock).client("admin", CLIENT_SECRET),
        provider.builder(&clock).cookie_secret(secret),
    ] {
        let oidc = elsewhere.build().unwrap();
        let refused = oidc.finish(&query, &browser(&begun.cookies)).await;
        assert_eq!(refused.err(), Some(OidcError::StateUnknown), "{oidc:?}");
    }
    let rotated = provider.builder(&clock).cookie_secret(secret);
    let rotated = rotated
        .previous_cookie_secret(COOKIE_SECRET)
        .build()
        .unwrap();
    assert!(
        rotated
            .finish(&query, &browser(&begun.cookies))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_response_must_be_the_providers_own_and_of_its_form() {
    let provider = Provider::start().await;
    let clock = Clock::default();
    let names_itself = json!(true);
    for (always, added, expected) in [
        (
            false,
            "&iss=https%3A%2F%2Fevil.example",
            OidcError::WrongIssuer,
        ),
        (true, "", OidcError::WrongIssuer),
        (
            false,
            "&error=access_denied&error_description=%3Cb%3E",
            OidcError::Declined,
        ),
        (false, "&error=%3Cscript%3E", OidcError::ProviderRefused),
        (
            false,
            "&error=temporarily_unavailable",
            OidcError::Unavailable,
        ),
        (false, "&error=invalid_scope", OidcError::ClientRefused),
        (false, "&code=other", OidcError::Malformed),
        (false, "&state=other", OidcError::Malformed),
        (false, "&%zz", OidcError::Malformed),
    ] {
        if always {
            provider.said().metadata["authorization_response_iss_parameter_supported"] =
                names_itself.clone();
        }
        let oidc = provider.builder(&clock).build().unwrap();
        let begun = begun(&oidc).await;
        let query = provider.authorize(&begun.location) + added;
        let refused = oidc.finish(&query, &browser(&begun.cookies)).await;
        assert_eq!(refused.err(), Some(expected), "{added}");
        provider.said().metadata["authorization_response_iss_parameter_supported"] = json!(false);
    }
    provider.said().metadata["authorization_response_iss_parameter_supported"] = names_itself;
    let oidc = provider.builder(&clock).build().unwrap();
    let begun = begun(&oidc).await;
    let issuer = provider.url().replace(':', "%3A").replace('/', "%2F");
    let query = format!("{}&iss={issuer}", provider.authorize(&begun.location));
    assert!(oidc.finish(&query, &browser(&begun.cookies)).await.is_ok());
    for none in ["", "code=1", "state=&code=1", "code=1&code=2&state=a"] {
        let refused = oidc.finish(none, &HeaderMap::new()).await;
        assert_eq!(refused.err(), Some(OidcError::Malformed), "{none:?}");
        assert!(oidc.spent(none).is_none());
    }
}

#[tokio::test]
async fn a_discovery_document_of_another_issuer_or_without_https_is_not_believed() {
    let provider = Provider::start().await;
    for (member, value) in [
        ("issuer", json!(format!("{}/", provider.url()))),
        ("issuer", json!("https://evil.example")),
        ("token_endpoint", json!("http://evil.example/token")),
        ("authorization_endpoint", json!("javascript:alert(1)")),
        ("userinfo_endpoint", json!("http://evil.example/")),
        ("end_session_endpoint", json!("http://evil.example/")),
        ("token_endpoint", json!(null)),
    ] {
        let good = provider.said().metadata[member].clone();
        provider.said().metadata[member] = value.clone();
        let oidc = provider.builder(&Clock::default()).build().unwrap();
        let refused = signed_in(&provider, &oidc).await;
        assert_eq!(
            refused.err(),
            Some(OidcError::BadAnswer),
            "{member}: {value}"
        );
        provider.said().metadata[member] = good;
    }
    let gone = Oidc::builder("http://127.0.0.1:1").client(CLIENT, CLIENT_SECRET);
    let gone = gone.redirect_uri(REDIRECT).build().unwrap();
    let refused = gone.begin(None, &HeaderMap::new()).await;
    assert_eq!(refused.err(), Some(OidcError::Unavailable));
}

#[tokio::test]
async fn a_browser_keeps_few_sign_ins_under_way() {
    let provider = Provider::start().await;
    let oidc = provider.builder(&Clock::default()).build().unwrap();
    let mut cookies = Vec::new();
    for _ in 0..4 {
        cookies.extend(oidc.begin(None, &browser(&cookies)).await.unwrap().cookies);
    }
    assert_eq!(cookies.len(), 4, "each its own");
    let fifth = oidc.begin(None, &browser(&cookies)).await.unwrap().cookies;
    let ends = |cookie: &http::HeaderValue| cookie.to_str().unwrap().contains("; Max-Age=0;");
    assert_eq!(fifth.len(), 5);
    assert!(!ends(&fifth[0]) && fifth[1..].iter().all(ends));
}

#[test]
fn every_setting_that_cannot_be_used_is_named_and_no_secret_is() {
    let error = Oidc::builder("http://idp.example")
        .client("", "")
        .redirect_uri("http://bookings.example/callback")
        .scopes(["two words"])
        .algorithms([palisade_auth::Algorithm::HS256])
        .add_parameter("state", "mine")
        .cookie_secret("changeme-canary")
        .build()
        .unwrap_err()
        .to_string();
    for named in [
        "client",
        "redirect_uri",
        "scopes",
        "parameter",
        "cookie_secret",
        "https",
    ] {
        assert!(error.contains(named), "{named}: {error}");
    }
    assert!(!error.contains("canary"));
    let build = |url: &str| {
        let builder = Oidc::builder("https://idp.example").client(CLIENT, CLIENT_SECRET);
        builder.redirect_uri(url).build()
    };
    let oidc = build(REDIRECT).unwrap();
    let shown =
        format!("{oidc:?}") + &format!("{:?}", Oidc::builder("x").client("a", CLIENT_SECRET));
    assert!(!shown.contains("client:secret"), "{shown}");
    assert!(build("http://localhost:8080/callback").is_ok());
    for bad in ["https://a.example/#x", "/callback", "", "ftp://localhost/"] {
        assert!(build(bad).is_err(), "{bad}");
    }
    let symmetric = Oidc::builder("https://idp.example").client(CLIENT, CLIENT_SECRET);
    let symmetric = symmetric
        .redirect_uri(REDIRECT)
        .algorithms([palisade_auth::Algorithm::HS256]);
    assert!(symmetric.build().is_err());
}
