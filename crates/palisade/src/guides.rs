//! Guides, from the first service to one that runs: the pages of the repository's `docs`, here because they are read
//! beside the items that they speak of.
//!
//! They are part of the documentation alone. The code in them is compiled and run by the tests of the crate that it is
//! about.
//!
//! **Begin here**
//!
//! - [From `cargo new` to a hardened service](tutorial)
//! - [Which crate do I need?](which_crate)
//! - [Hardening an existing service](hardening_an_existing_service)
//! - [In which order, and why](ordering)
//! - [Configuration](configuration)
//!
//! **Run it**
//!
//! - [Deployment](deployment)
//! - [Sizing](sizing)
//! - [At three in the morning](at_three_in_the_morning)
//! - [Metrics](metrics)
//! - [Threat model](threat_model)
//! - [Versions](versions)
//!
//! **Limits**
//!
//! - [Choosing a limit](choosing_a_limit)
//! - [Limits in Redis](limits_in_redis)
//! - [Coming from tower_governor](from_tower_governor)
//! - [Coming from nginx, express-rate-limit or Flask-Limiter](from_nginx_express_and_flask)
//!
//! **Who calls**
//!
//! - [Tokens of identity providers](identity_providers)
//! - [Sign in with Google](sign_in_with_google)
//! - [Tokens for a browser app](tokens_for_a_browser_app)
//! - [Service to service](service_to_service)
//! - [Guards and policies](guards_and_policies)
//! - [WebSockets](websockets)
//! - [Coming from jwt-authorizer](from_jwt_authorizer)
//! - [Coming from axum-login](from_axum_login)
//!
//! **Headers**
//!
//! - [Which preset of security headers](which_preset)
//! - [Coming from tower-http and tower-helmet](from_tower_http_and_tower_helmet)
//!
//! **Calls to others**
//!
//! - [Calls to other servers](calls_to_other_servers)
//! - [Breaker, retry and timeout: in which order, and with which numbers](breaker_retry_timeout)
//! - [Breaker and retry, coming from resilience4j, tower-resilience or reqwest-retry](retry_and_breaker_from_elsewhere)
//!
//! **Records, keys and secrets**
//!
//! - [An audit trail](audit_trail)
//! - [Rotating keys](rotating_keys)
//! - [Moving from Fernet, Rails or plain AES-GCM](moving_from_fernet)
//! - [Secrets in development, Kubernetes, AWS and Vault](where_secrets_come_from)
//!
//! **Your own layers**
//!
//! - [A filter of your own](a_filter_of_your_own)

/// A module for each page. The pages link to each other by labels that are the names of their files; `links.md` comes
/// first and leads the labels to these modules.
macro_rules! guides {
    ($($name:ident = $file:literal),* $(,)?) => {
        $(
            #[doc = include_str!("../docs/links.md")]
            #[doc = include_str!($file)]
            pub mod $name {}
        )*
    };
}

guides! {
    tutorial = "../docs/tutorial.md",
    which_crate = "../docs/guides/which-crate.md",
    hardening_an_existing_service = "../docs/guides/hardening-an-existing-service.md",
    ordering = "../docs/ordering.md",
    configuration = "../docs/guides/configuration.md",
    deployment = "../docs/guides/deployment.md",
    sizing = "../docs/guides/sizing.md",
    at_three_in_the_morning = "../docs/guides/at-three-in-the-morning.md",
    metrics = "../docs/metrics.md",
    threat_model = "../docs/threat-model.md",
    versions = "../docs/versions.md",
    choosing_a_limit = "../docs/guides/choosing-a-limit.md",
    limits_in_redis = "../docs/guides/limits-in-redis.md",
    from_tower_governor = "../docs/guides/from-tower-governor.md",
    from_nginx_express_and_flask = "../docs/guides/from-nginx-express-and-flask.md",
    identity_providers = "../docs/guides/identity-providers.md",
    sign_in_with_google = "../docs/guides/sign-in-with-google.md",
    tokens_for_a_browser_app = "../docs/guides/tokens-for-a-browser-app.md",
    service_to_service = "../docs/guides/service-to-service.md",
    guards_and_policies = "../docs/guides/guards-and-policies.md",
    websockets = "../docs/guides/websockets.md",
    from_jwt_authorizer = "../docs/guides/from-jwt-authorizer.md",
    from_axum_login = "../docs/guides/from-axum-login.md",
    which_preset = "../docs/guides/which-preset.md",
    from_tower_http_and_tower_helmet = "../docs/guides/from-tower-http-and-tower-helmet.md",
    calls_to_other_servers = "../docs/guides/calls-to-other-servers.md",
    breaker_retry_timeout = "../docs/guides/breaker-retry-timeout.md",
    retry_and_breaker_from_elsewhere = "../docs/guides/retry-and-breaker-from-elsewhere.md",
    audit_trail = "../docs/guides/audit-trail.md",
    rotating_keys = "../docs/guides/rotating-keys.md",
    moving_from_fernet = "../docs/guides/moving-from-fernet.md",
    where_secrets_come_from = "../docs/guides/where-secrets-come-from.md",
    a_filter_of_your_own = "../docs/guides/a-filter-of-your-own.md",
}
