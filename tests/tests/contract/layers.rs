//! One of each layer, set up so that an ordinary request passes.

use std::net::SocketAddr;

use http::{HeaderValue, Request, Response};
use palisade::Stack;
use palisade_audit::{Audit, AuditLayer, MemorySink};
use palisade_auth::{AuthLayer, Guard, RequireRole, RequireScope, Roles, ServiceToken};
use palisade_breaker::{
    BreakerLayer, HttpHealth, RespondWhenOpen, RetryAdvice, RetryLayer, retry_if,
};
use palisade_core::{PathSet, PeerAddr, Principal, RequestScope, ScopeLayer};
use palisade_crypto::{FieldCipher, FieldCryptoLayer, Fields, Key, Keyring};
use palisade_headers::{
    CookieLayer, CorsLayer, CrossOriginGuardLayer, HttpsRedirectLayer, OriginLookupLayer,
    PropagateRequestIdLayer, RequestIdLayer, SecurityHeadersLayer,
};
use palisade_ratelimit::RateLimitLayer;
use palisade_secrets::{BearerLayer, EnvVars, Environment, Secrets, SecretsLayer};
use palisade_tests::hostile::{Hostile, Odd, Unknown, Words};
use tower::util::MapRequestLayer;
use tower::{Layer, Service, ServiceBuilder};

/// Made for these tests with `openssl rand -base64 32`.
pub(crate) const TOKEN: &str = "yvR3JmUq0x5cQf1sZ8kT7dWnB2aLhG9oEi4pXuYw";

/// A request that every layer lets pass.
pub(crate) fn request<B>(body: B) -> Request<B> {
    let mut request = Request::new(body);
    *request.method_mut() = http::Method::POST;
    let bearer = HeaderValue::from_str(&format!("Bearer {TOKEN}")).unwrap();
    request.headers_mut().insert("authorization", bearer);
    let peer: SocketAddr = "203.0.113.7:4433".parse().unwrap();
    request.extensions_mut().insert(PeerAddr(peer));
    let alice = Principal::user("https://idp.example/", "alice")
        .roles(["admin"])
        .scopes(["write"]);
    RequestScope::enter(request.extensions_mut()).push_principal(alice.into());
    request
}

pub(crate) fn scope() -> ScopeLayer {
    ScopeLayer::default()
}

pub(crate) fn request_id() -> RequestIdLayer {
    RequestIdLayer::new()
}

pub(crate) fn propagate_request_id() -> PropagateRequestIdLayer {
    PropagateRequestIdLayer::new()
}

pub(crate) fn security_headers() -> SecurityHeadersLayer {
    SecurityHeadersLayer::page()
}

pub(crate) fn cookies() -> CookieLayer {
    CookieLayer::new()
}

/// The request comes over plain HTTP, so its path must be one that may.
pub(crate) fn https_redirect() -> HttpsRedirectLayer {
    HttpsRedirectLayer::new().exempt(PathSet::of(["/"]))
}

pub(crate) fn origin_lookup() -> OriginLookupLayer {
    OriginLookupLayer::new(async |_: String| true)
}

pub(crate) fn cors() -> CorsLayer {
    CorsLayer::api()
}

pub(crate) fn cross_origin_guard() -> CrossOriginGuardLayer {
    CrossOriginGuardLayer::new()
}

pub(crate) fn rate_limit() -> RateLimitLayer {
    let often = palisade_ratelimit::Limit::token_bucket(
        palisade_ratelimit::per_second(1_000_000),
        palisade_ratelimit::burst(1_000_000),
    );
    let policy = palisade_ratelimit::Policy::new("contract").limit(often);
    RateLimitLayer::builder().policy(policy).build().unwrap()
}

pub(crate) fn auth() -> AuthLayer {
    let crm = ServiceToken::new("crm", TOKEN)
        .unwrap()
        .scopes(["write"])
        .roles(["admin"]);
    AuthLayer::new().service(crm).unwrap()
}

pub(crate) fn require_scope() -> Guard {
    RequireScope::all(["write"])
}

pub(crate) fn require_role() -> Guard {
    let roles = Roles::ladder(["user", "facilitator", "admin"]).unwrap();
    RequireRole::at_least("facilitator", &roles)
}

pub(crate) fn audit() -> AuditLayer {
    AuditLayer::new(trail(&MemorySink::new()))
}

pub(crate) fn trail(sink: &MemorySink) -> Audit {
    let (audit, guard) = Audit::builder("contract")
        .sink(sink.clone())
        .open()
        .unwrap();
    // Its drop would close the trail, which is to outlive the test.
    Box::leak(Box::new(guard));
    audit
}

pub(crate) fn field_crypto() -> FieldCryptoLayer {
    let cipher = FieldCipher::new(Keyring::single(Key::generate().unwrap()).unwrap());
    FieldCryptoLayer::new(cipher).encrypt_response(Fields::DEFAULT_SENSITIVE)
}

pub(crate) fn breaker() -> BreakerLayer<HttpHealth, RespondWhenOpen> {
    BreakerLayer::http("contract").respond_when_open()
}

/// Retries every error. Its requests must be cloned, which [`Unknown`] cannot be: so it is kept from the layer, and put in
/// its place behind it.
pub(crate) fn retry() -> impl Layer<
    Hostile,
    Service: Service<Request<Unknown>, Response = Response<Words>, Error = Odd> + Clone,
> {
    fn judge(result: Result<&Response<Words>, &Odd>) -> RetryAdvice {
        match result {
            Ok(_) => RetryAdvice::No,
            Err(_) => RetryAdvice::Again,
        }
    }
    let retry = RetryLayer::default()
        .insecure_any_method()
        .judge(retry_if(judge));
    ServiceBuilder::new()
        .layer(MapRequestLayer::new(|known: Request<Unknown>| {
            known.map(drop)
        }))
        .layer(retry)
        .layer(MapRequestLayer::new(|known: Request<()>| {
            known.map(|()| Unknown::new())
        }))
        .into_inner()
}

async fn some_secrets() -> Secrets {
    let variables = EnvVars::from_fn(|name| (name == "TOKEN").then(|| TOKEN.to_owned()));
    let builder = Secrets::builder(Environment::Production).provider(variables);
    builder.require(["TOKEN"]).build().await.unwrap()
}

pub(crate) async fn secrets() -> SecretsLayer {
    SecretsLayer::new(some_secrets().await)
}

pub(crate) fn bearer_fixed() -> BearerLayer {
    BearerLayer::fixed(TOKEN).unwrap()
}

pub(crate) async fn bearer_rotating() -> BearerLayer {
    BearerLayer::rotating(&some_secrets().await, "TOKEN")
}

pub(crate) fn stack() -> Stack {
    Stack::new()
        .request_id(request_id())
        .security_headers(security_headers())
        .audit(audit())
        .cookies(cookies())
        .origin_lookup(origin_lookup())
        .cors(cors())
        .cross_origin_guard(cross_origin_guard())
        .limit_clients(rate_limit())
        .auth(auth())
        .limit_principals(rate_limit())
        .field_crypto(field_crypto())
}
