//! Sessions that the provider ends.

use http::StatusCode;
use serde_json::json;

use super::browser::Browser;
use super::provider::Provider;

#[tokio::test]
async fn a_provider_ends_the_session_that_its_logout_token_names() {
    let provider = Provider::start().await;
    let header = json!({"alg": "RS256", "kid": "k1", "typ": "logout+jwt"});
    let mut browser = Browser::new(&provider, |routes| routes);
    browser.sign_in(&provider).await;
    for (number, (changes, status, lives)) in [
        (json!({"sid": "at-provider-2"}), 200, true),
        (json!({"sub": "mallory"}), 200, true),
        (json!({"sub": "mallory", "sid": null}), 200, true),
        (json!({"events": {}}), 400, true),
        (json!({"sub": null}), 200, false),
        (json!({}), 200, false),
        (json!({"sid": null}), 200, false),
    ]
    .into_iter()
    .enumerate()
    {
        let mut changes = changes;
        changes["jti"] = number.to_string().into();
        if browser.get("/me").await.status != StatusCode::OK {
            browser.sign_in(&provider).await;
        }
        let body = format!("logout_token={}", provider.logout_token(&header, &changes));
        let session = std::mem::take(&mut browser.cookies);
        let answer = browser.ask("POST", "/logout/back-channel", &body).await;
        assert_eq!(answer.status, status, "{changes}");
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert!(answer.body.is_empty());
        browser.cookies = session;
        let is_alive = browser.get("/me").await.status == StatusCode::OK;
        assert_eq!(is_alive, lives, "{changes}");
    }
    for body in [
        "",
        "logout_token=",
        "logout_token=a.b.c",
        &"x".repeat(20_000),
    ] {
        let answer = browser.ask("POST", "/logout/back-channel", body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    }
}
