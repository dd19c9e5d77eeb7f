//! Ours, each set up to do what the peer does. Everything is leaked, as `Stack` and the examples do at start-up.

use std::error::Error;
use std::fs;
use std::time::Duration;

use http::{Method, header};
use palisade::Stack;
use palisade_audit::{Audit, AuditBuilder, AuditLayer, Guard, RollingFile, Seal, SigningKey};
use palisade_auth::{AuthLayer, HmacKeys, Issuer, JwtVerifier};
use palisade_headers::{CorsLayer, RequestIdLayer, SecurityHeadersLayer};
use palisade_ratelimit::{Headers, Limit, Memory, Policy, RateLimitLayer, burst};

use crate::directories::scratch;
use crate::peers::{AUDIENCE, ISSUER, Rate, origin_list};

/// One token bucket by the peer's address.
pub(crate) fn limit(
    rate: Rate,
    headers: Headers,
    keys: usize,
) -> Result<RateLimitLayer, Box<dyn Error>> {
    limits(&[token_bucket(rate)], headers, keys)
}

pub(crate) fn token_bucket(rate: Rate) -> Limit {
    let sustained = palisade_ratelimit::Rate::new(1, rate.period);
    Limit::token_bucket(sustained, burst(rate.burst))
}

/// Several limits in one policy, by the peer's address.
pub(crate) fn limits(
    limits: &[Limit],
    headers: Headers,
    keys: usize,
) -> Result<RateLimitLayer, Box<dyn Error>> {
    let policy = limits
        .iter()
        .fold(Policy::new("bench"), |policy, limit| policy.limit(*limit));
    let layer = RateLimitLayer::builder()
        .policy(policy)
        .headers(headers)
        .store(Memory::with_capacity(keys))
        .build()?;
    Ok(layer.leak())
}

/// The six headers that the peers set too.
pub(crate) fn six_headers() -> SecurityHeadersLayer {
    SecurityHeadersLayer::api()
        .without(header::HeaderName::from_static(
            "cross-origin-resource-policy",
        ))
        .leak()
}

/// CORS for a list of origins with credentials, exposing what the peer exposes.
pub(crate) fn cors(origins: usize) -> Result<CorsLayer, Box<dyn Error>> {
    let layer = CorsLayer::builder()
        .origins(origin_list(origins))
        .methods([Method::GET, Method::POST])
        .headers(["authorization", "content-type"])
        .credentials(true)
        .expose_only(["x-request-id", "retry-after"])
        .max_age(Duration::from_secs(600))
        .try_build()?;
    Ok(layer.leak())
}

/// A verifier of tokens by a shared secret that remembers so many of them.
pub(crate) fn jwt(secret: &str, cache: usize) -> Result<JwtVerifier, Box<dyn Error>> {
    let issuer = Issuer::hmac(ISSUER, HmacKeys::current(secret)?).audience(AUDIENCE);
    Ok(JwtVerifier::builder().issuer(issuer).cache(cache).build()?)
}

/// The layer that takes such tokens.
pub(crate) fn auth(secret: &str) -> Result<AuthLayer, Box<dyn Error>> {
    Ok(AuthLayer::new()
        .bearer(jwt(secret, JwtVerifier::DEFAULT_CACHE)?)
        .leak())
}

/// A sealed trail into `target/bench/NAME`, over what was there.
pub(crate) fn trail(name: &str) -> Result<(Audit, Guard), Box<dyn Error>> {
    let key = SigningKey::generate()?;
    let seal = Seal::chain().checkpoint(key, 1_000, Duration::from_secs(60));
    open(trail_builder(name)?.seal(seal))
}

/// A trail that is yet to be opened.
pub(crate) fn trail_builder(name: &str) -> Result<AuditBuilder, Box<dyn Error>> {
    let directory = scratch().join(name);
    if directory.exists() {
        fs::remove_dir_all(&directory)?;
    }
    Ok(Audit::builder("bench").file(RollingFile::new(directory)))
}

pub(crate) fn open(trail: AuditBuilder) -> Result<(Audit, Guard), Box<dyn Error>> {
    let (audit, guard) = trail.open()?;
    Ok((audit.leak(), guard))
}

/// The same layers as the peers' stack: ids, headers, a record of each request, CORS, a limit by address with both
/// families of headers, and a token.
pub(crate) fn stack(secret: &str, audit: Audit) -> Result<Stack, Box<dyn Error>> {
    Ok(Stack::new()
        .request_id(RequestIdLayer::new())
        .security_headers(six_headers())
        .audit(AuditLayer::new(audit))
        .cors(cors(1)?)
        .limit_clients(limit(Rate::ENDLESS, Headers::Both, 100_000)?)
        .auth(auth(secret)?))
}
