//! The layers, and what each is told.

use palisade::audit::{
    Audit, AuditLayer, Guard, Level, Policy as AuditPolicy, RollingFile, Seal, any,
};
use palisade::auth::AuthLayer;
use palisade::crypto::{FieldCipher, FieldCryptoLayer, Fields};
use palisade::headers::security::NoStore;
use palisade::headers::{CrossOriginGuardLayer, RequestIdLayer, SecurityHeadersLayer};
use palisade::ratelimit::{
    KeyChain, Limit, MINUTE, Policy, RateLimitLayer, RateLimiter, Redis, Selection, burst,
    per_second,
};
use palisade::{PathSet, Problems, Stack};

use crate::settings::Settings;
use crate::shared;

/// Paths at which a credential is not looked at: what operators probe, what is open to all, and sign-in itself.
/// `/v1/ping` counts by the `Authorization` header without believing it.
const OPEN: [&str; 8] = [
    "/healthz",
    "/readyz",
    "/metrics",
    "/v1/ping",
    "/api/public",
    "/api/quote",
    "/auth/token",
    "/auth/refresh",
];

/// Everything that stands before the routes.
pub(crate) struct Hardening {
    pub(crate) stack: Stack,
    /// Around `/v1/ping` alone.
    pub(crate) ping: RateLimitLayer,
    /// Failed logins by account.
    pub(crate) failed_logins: RateLimiter,
    /// Every limit, for the gauges of their tables.
    pub(crate) limiters: Vec<RateLimiter>,
}

impl Hardening {
    /// The name of the policy that counts failed logins by account.
    pub(crate) const FAILED_LOGINS: &str = "failed-logins";

    /// The layers for these settings.
    ///
    /// # Errors
    ///
    /// Every setting that a layer refuses, by the name of its variable.
    pub(crate) fn new(
        settings: &Settings,
        audit: &Audit,
        auth: AuthLayer,
        cipher: FieldCipher,
    ) -> Result<Self, Problems> {
        let mut problems = Problems::none();
        let redis = settings.redis.clone().map(shared_store).transpose();
        let redis = redis.unwrap_or_else(|error| {
            problems.push("REDIS_URL", error.to_string());
            None
        });
        let builder = || match &redis {
            Some(redis) => RateLimitLayer::builder().store(redis.clone()),
            None => RateLimitLayer::builder(),
        };
        let ping = builder()
            .policy(Policy::new("ping").limit(Limit::token_bucket(
                per_second(settings.requests_per_second.get()),
                burst(settings.burst.get()),
            )))
            .key(
                KeyChain::new()
                    .claimed_header("x-track-id")
                    .authorization()
                    .client_ip(),
            )
            .build();
        let clients = builder()
            .policy(Policy::clients())
            .policy(Policy::public())
            .policy(Policy::login())
            .route("GET /api/public", "public")
            .route("POST /auth/token", "login")
            .build();
        let principals = builder()
            .policy(Policy::authenticated())
            .policy(Policy::admin())
            .key(KeyChain::new().principal().client_ip())
            .select(|request| match request.principal() {
                Some(principal) if principal.has_role("admin") => Selection::policy("admin"),
                Some(_) => Selection::policy("authenticated"),
                None => Selection::exempt(),
            })
            .build();
        let failed_logins = builder()
            .policy(Policy::new(Self::FAILED_LOGINS).limit(Limit::exact(5, MINUTE)))
            .build();
        let mut limits = |built: Result<RateLimitLayer, palisade::ratelimit::Error>,
                          field: &str| {
            built.unwrap_or_else(|error| {
                problems.push(field, error.to_string());
                RateLimitLayer::off()
            })
        };
        let ping = limits(ping, "RATE_LIMIT_REQUESTS_PER_SECOND and RATE_LIMIT_BURST");
        let clients = limits(clients, "limits for clients");
        let principals = limits(principals, "limits for principals");
        let failed_logins = limits(failed_logins, "limits for accounts")
            .leak()
            .limiter();

        let limiters = vec![
            ping.limiter(),
            clients.limiter(),
            principals.limiter(),
            failed_logins.clone(),
        ];
        let stack = Stack::new()
            .client_ip(settings.client_ip.clone())
            .request_id(RequestIdLayer::new())
            .security_headers(SecurityHeadersLayer::api().no_store(NoStore::Authenticated))
            .audit(AuditLayer::new(audit.clone()))
            .cross_origin_guard(CrossOriginGuardLayer::new())
            .cors(settings.cors.clone())
            .limit_clients(clients)
            .auth(auth.optional().skip(PathSet::of(OPEN)))
            .limit_principals(principals)
            .field_crypto(
                FieldCryptoLayer::new(cipher)
                    .encrypt_response(Fields::paths(["**/email", "**/phone", "**/credit_card"]))
                    .record_type("partner")
                    .paths(["/api/partner/*"]),
            );
        problems.into_result(Self {
            stack,
            ping: ping.leak(),
            failed_logins,
            limiters,
        })
    }
}

/// Limits in Redis. While it is down, each policy says what happens.
fn shared_store(client: redis::Client) -> redis::RedisResult<Redis> {
    Ok(Redis::new(shared::connection(client)?).prefix(shared::PREFIX))
}

/// Opens the trail. Every request is recorded, health checks too: whoever looks for a request finds it. Critical events
/// are also posted to the webhook, if there is one.
pub(crate) fn open_trail(
    settings: &Settings,
) -> Result<(Audit, Guard), palisade::audit::AuditError> {
    let mut trail = Audit::builder("gateway")
        .file(
            RollingFile::new(settings.data_dir.join("audit"))
                .max_bytes(64 << 20)
                .daily()
                .keep(30),
        )
        .policy(AuditPolicy::first_match().rule(any(), Level::Metadata))
        .seal(Seal::chain());
    if let Some(url) = &settings.alert_webhook {
        trail = trail.sink(url.webhook()?);
    }
    trail.open()
}
