//! The ready-made routes in axum 0.8, as a browser and a provider see them.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use palisade_auth::oidc::{
    EmailAccount, Identity, LinkAccounts, OidcError, SignInRoutes, SignInRoutesBuilder,
};
use palisade_auth::{Auth, AuthLayer, SessionStore, Sessions};
use palisade_core::RequestScope;
use serde_json::json;
use tower::ServiceExt;

use super::provider::Provider;
use crate::support::{Clock, sent_back};

/// A browser with its cookies, and the service that it talks to.
struct Browser {
    router: Router,
    cookies: Vec<(String, String)>,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
    reasons: Vec<String>,
}

impl Answer {
    fn location(&self) -> &str {
        self.headers["location"].to_str().unwrap()
    }
}

impl Browser {
    fn new(
        provider: &Provider,
        set: impl FnOnce(SignInRoutesBuilder) -> SignInRoutesBuilder,
    ) -> Self {
        Self::at(provider, &Clock::default(), set)
    }

    fn at(
        provider: &Provider,
        clock: &Clock,
        set: impl FnOnce(SignInRoutesBuilder) -> SignInRoutesBuilder,
    ) -> Self {
        let sessions = Sessions::memory().clock(clock.wall()).build().unwrap();
        Self::with(provider, clock, sessions.into(), set)
    }

    fn with(
        provider: &Provider,
        clock: &Clock,
        sessions: SessionStore,
        set: impl FnOnce(SignInRoutesBuilder) -> SignInRoutesBuilder,
    ) -> Self {
        let oidc = provider.builder(clock).build().unwrap();
        let routes = set(SignInRoutes::builder(oidc, sessions.clone()))
            .build()
            .unwrap();
        let tokens = routes.clone();
        let me = get(|auth: Auth| async move {
            let tokens = tokens.provider_tokens(&auth).await.unwrap();
            let token = tokens.map_or_else(String::new, |tokens| tokens.access_token().to_owned());
            format!("{} of {} with {token}", auth.subject(), auth.issuer())
        });
        let router = Router::new()
            .route("/me", me)
            .route(
                "/tenant",
                get(|auth: Auth| async move { auth.tenant_name().unwrap_or("").to_owned() }),
            )
            .layer(AuthLayer::new().sessions(sessions))
            .merge(routes.router());
        Self {
            router,
            cookies: Vec::new(),
        }
    }

    async fn ask(&mut self, method: &str, target: &str, body: &str) -> Answer {
        let pairs: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut request = Request::builder().method(method).uri(target);
        if !pairs.is_empty() {
            request = request.header("cookie", pairs.join("; "));
        }
        let mut request = request.body(Body::from(body.to_owned())).unwrap();
        let scope = RequestScope::enter(request.extensions_mut());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        for set in parts.headers.get_all("set-cookie") {
            let (name, value) = sent_back(set)
                .split_once('=')
                .map(|(a, b)| (a.to_owned(), b.to_owned()))
                .unwrap();
            self.cookies.retain(|(known, _)| *known != name);
            if !set.to_str().unwrap().contains("Max-Age=0") {
                self.cookies.push((name, value));
            }
        }
        let body = body.collect().await.unwrap().to_bytes();
        let events = scope.close();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
            reasons: events
                .iter()
                .map(|event| event.reason_code().unwrap_or("none").to_owned())
                .collect(),
        }
    }

    async fn get(&mut self, target: &str) -> Answer {
        self.ask("GET", target, "").await
    }

    /// To the provider; gives back the callback.
    async fn leave_for(&mut self, provider: &Provider, login: &str) -> String {
        let sent = self.get(login).await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER);
        format!("/callback?{}", provider.authorize(sent.location()))
    }

    async fn sign_in(&mut self, provider: &Provider) -> Answer {
        let callback = self
            .leave_for(provider, "/login?return_to=/rooms%3Fday%3D1")
            .await;
        self.get(&callback).await
    }
}

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

#[cfg(feature = "redis")]
#[tokio::test]
async fn a_sign_in_ends_in_a_session_in_redis_that_another_process_can_end() {
    use std::time::Duration;

    use palisade_auth::{HmacKeys, RedisSessions};

    use crate::support::{OTHER_SECRET, redis::Server};

    let provider = Provider::start().await;
    let server = Server::start().await;
    let clock = Clock::default();
    let process = async || {
        let keys = HmacKeys::current(OTHER_SECRET).unwrap();
        let sessions = RedisSessions::builder(keys, server.connection().await)
            .timeout(Duration::from_secs(5))
            .clock(clock.wall());
        let sessions = sessions.build().unwrap();
        Browser::with(&provider, &clock, sessions.into(), |routes| routes)
    };
    let (mut browser, mut elsewhere) = (process().await, process().await);
    browser.sign_in(&provider).await;
    // The process that began it knows the provider's tokens by the id of the session.
    let here = browser.get("/me").await;
    assert_eq!(
        here.body,
        format!("alice of {} with access-1", provider.url())
    );
    elsewhere.cookies = browser.cookies.clone();
    let there = elsewhere.get("/me").await;
    assert_eq!(there.body, format!("alice of {} with ", provider.url()));

    let header = json!({"alg": "RS256", "kid": "k1"});
    let session = std::mem::take(&mut elsewhere.cookies);
    for (changes, status, lives) in [
        // It cannot say that a session is over which it has not begun.
        (json!({"jti": "1", "sub": null}), 400, true),
        (json!({"jti": "2", "sub": "mallory"}), 200, true),
        (json!({"jti": "3"}), 200, false),
    ] {
        let body = format!("logout_token={}", provider.logout_token(&header, &changes));
        let told = elsewhere.ask("POST", "/logout/back-channel", &body).await;
        assert_eq!(told.status, status, "{changes}");
        let is_alive = browser.get("/me").await.status == StatusCode::OK;
        assert_eq!(is_alive, lives, "{changes}");
    }
    browser.cookies = session;
    browser.sign_in(&provider).await;
    let out = browser.ask("POST", "/logout", "").await;
    assert!(out.location().contains("id_token_hint=eyJ"));
    assert_eq!(browser.get("/me").await.status, StatusCode::UNAUTHORIZED);
}
