//! Answers in a form that the browser posts (OAuth 2.0 Form Post Response Mode).

use http::{HeaderMap, StatusCode};
use palisade_auth::Sessions;

use super::browser::Browser;
use super::provider::{Provider, Request};
use crate::support::Clock;

fn browser(provider: &Provider) -> Browser {
    let clock = Clock::default();
    let oidc = provider.builder(&clock).form_post().build().unwrap();
    let sessions = Sessions::memory().clock(clock.wall()).build().unwrap();
    Browser::of(oidc, sessions.into(), |routes| routes)
}

/// To the provider; gives back the body that its page posts.
async fn leave_for(browser: &mut Browser, provider: &Provider) -> String {
    let sent = browser.get("/login?return_to=/rooms").await;
    let location = sent.location();
    assert_eq!(Request::of(location).get("response_mode"), "form_post");
    provider.authorize(location)
}

/// A form that a page of another site posts, with the cookies that browsers send along (RFC 6265bis, section 5.8.3).
async fn posted(browser: &mut Browser, body: &str) -> super::browser::Answer {
    let lax = |(name, _): &(String, String)| name == "__Host-session";
    let (kept, sent) = std::mem::take(&mut browser.cookies)
        .into_iter()
        .partition(lax);
    browser.cookies = sent;
    let answer = browser.ask("POST", "/callback", body).await;
    let kept: Vec<_> = kept;
    for cookie in kept {
        if !browser.cookies.iter().any(|(name, _)| *name == cookie.0) {
            browser.cookies.push(cookie);
        }
    }
    answer
}

#[tokio::test]
async fn a_form_of_the_provider_finishes_a_sign_in() {
    let provider = Provider::start().await;
    let mut browser = browser(&provider);
    let begun = browser.get("/login").await;
    let cookie = begun.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-sign-in-"), "{cookie}");
    let attributes = "; Path=/; Max-Age=600; Secure; HttpOnly; SameSite=None";
    assert!(cookie.ends_with(attributes), "{cookie}");

    let form = leave_for(&mut browser, &provider).await;
    let address = browser.get(&format!("/callback?{form}")).await;
    assert_eq!(address.status, StatusCode::METHOD_NOT_ALLOWED);
    let back = posted(&mut browser, &form).await;
    assert_eq!(
        (back.status, back.location()),
        (StatusCode::SEE_OTHER, "/rooms")
    );
    let cookies: Vec<_> = back.headers.get_all("set-cookie").iter().collect();
    let removed = cookies.iter().any(|cookie| {
        let cookie = cookie.to_str().unwrap();
        cookie.ends_with("=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=None")
    });
    assert!(removed, "{cookies:?}");
    assert!(browser.get("/me").await.body.starts_with("alice of "));
    let again = posted(&mut browser, &form).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_posted_sign_in_replaces_the_session_whose_cookie_does_not_come_along() {
    let provider = Provider::start().await;
    let mut browser = browser(&provider);
    let form = leave_for(&mut browser, &provider).await;
    posted(&mut browser, &form).await;
    let before = browser.cookies.clone();
    assert_eq!(browser.get("/me").await.status, StatusCode::OK);
    let form = leave_for(&mut browser, &provider).await;
    posted(&mut browser, &form).await;
    assert_eq!(browser.get("/me").await.status, StatusCode::OK);
    browser.cookies = before;
    assert_eq!(browser.get("/me").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_form_of_anybody_else_signs_nobody_in() {
    let provider = Provider::start().await;
    let (mut alice, mut mallory) = (browser(&provider), browser(&provider));
    leave_for(&mut alice, &provider).await;
    let planted = leave_for(&mut mallory, &provider).await;
    let large = format!("{planted}&x={}", "x".repeat(20_000));
    for form in [
        &*planted,
        "",
        "state=&code=1",
        "%zz",
        &large,
        "state=a&state=b",
    ] {
        let refused = posted(&mut alice, form).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        let signed_in = alice
            .cookies
            .iter()
            .any(|(name, _)| name == "__Host-session");
        assert!(!signed_in);
    }
    assert!(!provider.paths().contains(&"/token".to_owned()));
    // Where a query was asked for, a form is no callback.
    let mut query = Browser::new(&provider, |routes| routes);
    let callback = query.leave_for(&provider, "/login").await;
    let (_, form) = callback.split_once('?').unwrap();
    let refused = query.ask("POST", "/callback", form).await;
    assert_eq!(refused.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn over_plain_http_the_cookie_of_a_form_is_secure_all_the_same() {
    let provider = Provider::start().await;
    let oidc = provider
        .builder(&Clock::default())
        .redirect_uri("http://localhost:8080/callback")
        .form_post();
    let oidc = oidc.build().unwrap();
    let begun = oidc.begin(None, &HeaderMap::new()).await.unwrap();
    let cookie = begun.cookies[0].to_str().unwrap();
    assert!(cookie.starts_with("sign-in-"), "{cookie}");
    assert!(
        cookie.ends_with("; Secure; HttpOnly; SameSite=None"),
        "{cookie}"
    );
}
