//! The layer of each station, or `Absent` where its feature is off, so that the stack has one shape.

#[cfg(feature = "audit")]
pub(super) use palisade_audit::AuditLayer;
#[cfg(feature = "auth")]
pub(super) use palisade_auth::AuthLayer;
#[cfg(feature = "crypto")]
pub(super) use palisade_crypto::FieldCryptoLayer;
#[cfg(feature = "headers")]
pub(super) use palisade_headers::{
    CorsLayer, CrossOriginGuardLayer, RequestIdLayer, SecurityHeadersLayer,
};
#[cfg(feature = "ratelimit")]
pub(super) use palisade_ratelimit::RateLimitLayer;

#[cfg(not(all(
    feature = "audit",
    feature = "auth",
    feature = "crypto",
    feature = "headers",
    feature = "ratelimit"
)))]
use super::absent::Absent;

#[cfg(not(feature = "audit"))]
pub(super) type AuditLayer = Absent;
#[cfg(not(feature = "auth"))]
pub(super) type AuthLayer = Absent;
#[cfg(not(feature = "crypto"))]
pub(super) type FieldCryptoLayer = Absent;
#[cfg(not(feature = "headers"))]
pub(super) type CorsLayer = Absent;
#[cfg(not(feature = "headers"))]
pub(super) type CrossOriginGuardLayer = Absent;
#[cfg(not(feature = "headers"))]
pub(super) type RequestIdLayer = Absent;
#[cfg(not(feature = "headers"))]
pub(super) type SecurityHeadersLayer = Absent;
#[cfg(not(feature = "ratelimit"))]
pub(super) type RateLimitLayer = Absent;
