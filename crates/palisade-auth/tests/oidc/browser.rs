//! A browser at the ready-made routes in axum 0.8.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use palisade_auth::oidc::{Oidc, SignInRoutes, SignInRoutesBuilder};
use palisade_auth::{Auth, AuthLayer, SessionStore, Sessions};
use palisade_core::RequestScope;
use tower::ServiceExt;

use super::provider::Provider;
use crate::support::{Clock, sent_back};

/// A browser with its cookies, and the service that it talks to.
pub(super) struct Browser {
    pub(super) router: Router,
    pub(super) cookies: Vec<(String, String)>,
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
    pub(super) reasons: Vec<String>,
}

impl Answer {
    pub(super) fn location(&self) -> &str {
        self.headers["location"].to_str().unwrap()
    }
}

impl Browser {
    pub(super) fn new(
        provider: &Provider,
        set: impl FnOnce(SignInRoutesBuilder) -> SignInRoutesBuilder,
    ) -> Self {
        Self::at(provider, &Clock::default(), set)
    }

    pub(super) fn at(
        provider: &Provider,
        clock: &Clock,
        set: impl FnOnce(SignInRoutesBuilder) -> SignInRoutesBuilder,
    ) -> Self {
        let sessions = Sessions::memory().clock(clock.wall()).build().unwrap();
        Self::with(provider, clock, sessions.into(), set)
    }

    pub(super) fn with(
        provider: &Provider,
        clock: &Clock,
        sessions: SessionStore,
        set: impl FnOnce(SignInRoutesBuilder) -> SignInRoutesBuilder,
    ) -> Self {
        Self::of(provider.builder(clock).build().unwrap(), sessions, set)
    }

    pub(super) fn of(
        oidc: Oidc,
        sessions: SessionStore,
        set: impl FnOnce(SignInRoutesBuilder) -> SignInRoutesBuilder,
    ) -> Self {
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

    /// The same browser once more, for requests at the same time.
    #[cfg(feature = "redis")]
    pub(super) fn clone_of(&self) -> Self {
        Self {
            router: self.router.clone(),
            cookies: self.cookies.clone(),
        }
    }

    pub(super) async fn ask(&mut self, method: &str, target: &str, body: &str) -> Answer {
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

    pub(super) async fn get(&mut self, target: &str) -> Answer {
        self.ask("GET", target, "").await
    }

    /// To the provider; gives back the callback.
    pub(super) async fn leave_for(&mut self, provider: &Provider, login: &str) -> String {
        let sent = self.get(login).await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER);
        format!("/callback?{}", provider.authorize(sent.location()))
    }

    pub(super) async fn sign_in(&mut self, provider: &Provider) -> Answer {
        let callback = self
            .leave_for(provider, "/login?return_to=/rooms%3Fday%3D1")
            .await;
        self.get(&callback).await
    }
}
