//! The peers, each set up as its own documentation says.

use std::error::Error;
use std::time::Duration;

use axum::body::Body;
use governor::middleware::{NoOpMiddleware, StateInformationMiddleware};
use http::{HeaderName, HeaderValue, Method, header};
use jwt_authorizer::layer::AuthorizationLayer;
use jwt_authorizer::{IntoLayer, JwtAuthorizer, Validation};
use serde::{Deserialize, Serialize};
use tower_governor::GovernorLayer;
use tower_governor::governor::{GovernorConfig, GovernorConfigBuilder};
use tower_governor::key_extractor::PeerIpKeyExtractor;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::set_header::SetResponseHeaderLayer;

/// The claims of an access token, as far as the peers look at them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    pub(crate) aud: String,
    pub(crate) sub: String,
    pub(crate) iat: u64,
    pub(crate) exp: u64,
    pub(crate) jti: String,
    pub(crate) scope: String,
}

pub(crate) const ISSUER: &str = "https://issuer.example/";
pub(crate) const AUDIENCE: &str = "api://bookings";
pub(crate) const ORIGIN: &str = "https://app.example";

/// The rate of a limit that lets every request pass.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    /// The time between two requests, once the burst is spent.
    pub(crate) period: Duration,
    pub(crate) burst: u32,
}

impl Rate {
    /// For one key: so often that no request is refused while anything is measured.
    pub(crate) const ENDLESS: Self = Self {
        period: Duration::from_secs(1),
        burst: 30_000_000,
    };
    /// For many keys: none is refused, and none is full again while anything is measured, so that none can be
    /// forgotten.
    pub(crate) const LIVE: Self = Self {
        period: Duration::from_secs(60),
        burst: 500_000,
    };
    /// Once, and then not again while anything is measured.
    pub(crate) const ONCE: Self = Self {
        period: Duration::from_secs(36_000),
        burst: 1,
    };

    fn builder(self) -> GovernorConfigBuilder<PeerIpKeyExtractor, NoOpMiddleware> {
        let mut builder = GovernorConfigBuilder::default();
        builder.period(self.period).burst_size(self.burst);
        builder
    }
}

const UNUSABLE: &str = "tower_governor refused its configuration";

/// tower_governor by the peer's address.
pub(crate) fn governor(
    rate: Rate,
) -> Result<GovernorConfig<PeerIpKeyExtractor, NoOpMiddleware>, Box<dyn Error>> {
    Ok(rate.builder().finish().ok_or(UNUSABLE)?)
}

/// The same, answering with `X-RateLimit` headers.
pub(crate) fn governor_with_headers(
    rate: Rate,
) -> Result<GovernorLayer<PeerIpKeyExtractor, StateInformationMiddleware, Body>, Box<dyn Error>> {
    let config = rate.builder().use_headers().finish().ok_or(UNUSABLE)?;
    Ok(GovernorLayer::new(config))
}

/// The six headers of the API preset.
pub(crate) const SIX: [(HeaderName, &str); 6] = [
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (
        header::STRICT_TRANSPORT_SECURITY,
        "max-age=31536000; includeSubDomains",
    ),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_XSS_PROTECTION, "0"),
];

/// One of [`SIX`], as tower-http sets it unless the handler did.
pub(crate) fn set_header(index: usize) -> SetResponseHeaderLayer<HeaderValue> {
    let (name, value) = &SIX[index];
    SetResponseHeaderLayer::if_not_present(name.clone(), HeaderValue::from_static(value))
}

/// CORS for a list of origins with credentials: [`ORIGIN`] after as many others as make `origins`.
pub(crate) fn cors(origins: usize) -> Result<CorsLayer, Box<dyn Error>> {
    let origins = origin_list(origins)
        .iter()
        .map(|origin| HeaderValue::from_str(origin))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
        .allow_credentials(true)
        .expose_headers([HeaderName::from_static("x-request-id"), header::RETRY_AFTER])
        .max_age(Duration::from_secs(600)))
}

/// [`ORIGIN`] after as many others as make `count`.
pub(crate) fn origin_list(count: usize) -> Vec<String> {
    let others = (1..count).map(|number| format!("https://app-{number}.example"));
    others.chain([ORIGIN.to_owned()]).collect()
}

/// jwt-authorizer with a shared secret, issuer and audience.
pub(crate) fn jwt_authorizer(secret: &str) -> Result<AuthorizationLayer<Claims>, Box<dyn Error>> {
    let validation = Validation::new()
        .iss(&[ISSUER])
        .aud(&[AUDIENCE])
        .nbf(true)
        .leeway(30);
    let building = JwtAuthorizer::<Claims>::from_secret(secret)
        .validation(validation)
        .build();
    Ok(crate::exchange::drive(building)?.into_layer())
}
