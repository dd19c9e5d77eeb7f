//! The ready-made routes, as a browser sees them.

use http::StatusCode;

use super::browser::Browser;
use super::provider::Provider;
use crate::support::Clock;

#[tokio::test]
async fn a_sign_in_ends_in_a_session_and_a_logout_in_none() {
    let provider = Provider::start().await;
    let mut browser = Browser::new(&provider, |routes| {
        routes.signed_out_at("https://bookings.example/bye")
    });
    let back = browser.sign_in(&provider).await;
    assert_eq!(
        (back.status, back.location()),
        (StatusCode::SEE_OTHER, "/rooms?day=1")
    );
    assert_eq!(back.headers["cache-control"], "no-store");
    assert_eq!(back.headers["referrer-policy"], "no-referrer");
    assert_eq!(back.reasons, ["none"], "a success has no reason");
    let [(name, _)] = &*browser.cookies else {
        panic!("the session alone is left")
    };
    assert_eq!(name, "__Host-session");
    let me = browser.get("/me").await;
    assert_eq!(
        me.body,
        format!("alice of {} with access-1", provider.url())
    );

    // Another site cannot post the cookie along, and ends nothing.
    let session = std::mem::take(&mut browser.cookies);
    let forged = browser.ask("POST", "/logout", "").await;
    assert_eq!(forged.location(), "https://bookings.example/bye");
    assert!(!forged.headers.contains_key("set-cookie"));
    browser.cookies = session.clone();
    assert_eq!(
        browser.get("/logout").await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );

    let out = browser.ask("POST", "/logout", "").await;
    assert_eq!(out.status, StatusCode::SEE_OTHER);
    assert!(out.location().starts_with(&format!(
        "{}/end?client_id=bookings&id_token_hint=eyJ",
        provider.url()
    )));
    assert!(
        out.location()
            .ends_with("&post_logout_redirect_uri=https%3A%2F%2Fbookings.example%2Fbye")
    );
    assert!(browser.cookies.is_empty());
    browser.cookies = session;
    assert_eq!(
        browser.get("/me").await.status,
        StatusCode::UNAUTHORIZED,
        "a kept cookie"
    );
}

#[tokio::test]
async fn a_browser_is_sent_to_no_other_site_and_reads_nothing_of_the_provider() {
    let provider = Provider::start().await;
    let mut browser = Browser::new(&provider, |routes| routes);
    for elsewhere in [
        "//evil.example",
        "https://evil.example/",
        "/%5Cevil.example",
        "/%09/evil.example",
    ] {
        let callback = browser
            .leave_for(&provider, &format!("/login?return_to={elsewhere}"))
            .await;
        assert_eq!(browser.get(&callback).await.location(), "/", "{elsewhere}");
    }
    let callback = browser.leave_for(&provider, "/login").await;
    let text = "&error=canary%3Cscript%3E&error_description=canary&error_uri=canary";
    let failed = browser.get(&format!("{callback}{text}")).await;
    assert_eq!(failed.status, StatusCode::UNAUTHORIZED);
    assert_eq!(failed.reasons, ["sign_in_provider_refused"]);
    assert!(!failed.body.contains("canary") && !format!("{:?}", failed.headers).contains("canary"));
    assert!(
        browser
            .cookies
            .iter()
            .all(|(name, _)| name == "__Host-session"),
        "the state is spent"
    );
    let again = browser.get(&callback).await;
    assert_eq!(
        (again.status, &*again.reasons[0]),
        (StatusCode::BAD_REQUEST, "sign_in_state_unknown")
    );

    let mut browser = Browser::new(&provider, |routes| routes.failed_at("/sorry"));
    for (added, shown) in [
        ("&error=access_denied", "declined"),
        ("&error=x", "refused"),
        ("&state=x", "restart"),
    ] {
        let callback = browser.leave_for(&provider, "/login").await;
        let failed = browser.get(&format!("{callback}{added}")).await;
        assert_eq!(failed.location(), format!("/sorry?error={shown}"));
    }
}

#[tokio::test]
async fn a_head_request_does_not_use_up_the_callback() {
    let provider = Provider::start().await;
    let mut browser = Browser::new(&provider, |routes| routes);
    let callback = browser.leave_for(&provider, "/login").await;
    let head = browser.ask("HEAD", &callback, "").await;
    assert_eq!(
        (head.status, &head.headers["allow"]),
        (StatusCode::METHOD_NOT_ALLOWED, &"GET".parse().unwrap())
    );
    assert_eq!(browser.get(&callback).await.location(), "/");
}

#[tokio::test]
async fn a_sign_in_replaces_the_session_before() {
    let provider = Provider::start().await;
    let mut browser = Browser::new(&provider, |routes| routes);
    browser.sign_in(&provider).await;
    let planted = browser.cookies.clone();
    browser.sign_in(&provider).await;
    assert_ne!(browser.cookies, planted);
    browser.cookies = planted;
    assert_eq!(browser.get("/me").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn access_tokens_that_end_are_renewed_once_for_all() {
    let provider = Provider::start().await;
    let clock = Clock::default();
    let mut browser = Browser::at(&provider, &clock, |routes| routes);
    browser.sign_in(&provider).await;
    clock.pass(269);
    assert!(browser.get("/me").await.body.ends_with(" with access-1"));
    clock.pass(1);
    assert!(
        browser.get("/me").await.body.ends_with(" with access-2"),
        "30 seconds before its end"
    );
    let asked = provider.paths();
    assert_eq!(asked.iter().filter(|path| *path == "/token").count(), 2);
    assert!(browser.get("/me").await.body.ends_with(" with access-2"));
}
