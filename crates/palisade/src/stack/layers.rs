//! The layers of a stack, each `Absent` where its feature is off, so that the stack has one shape.

use palisade_core::ScopeLayer;

#[cfg(feature = "audit")]
pub(super) use palisade_audit::AuditLayer;
#[cfg(feature = "auth")]
pub(super) use palisade_auth::AuthLayer;
#[cfg(feature = "crypto")]
pub(super) use palisade_crypto::FieldCryptoLayer;
#[cfg(feature = "headers")]
pub(super) use palisade_headers::{
    CookieLayer, CorsLayer, CrossOriginGuardLayer, HttpsRedirectLayer, OriginLookupLayer,
    RequestIdLayer, SecurityHeadersLayer,
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
pub(super) type CookieLayer = Absent;
#[cfg(not(feature = "headers"))]
pub(super) type HttpsRedirectLayer = Absent;
#[cfg(not(feature = "headers"))]
pub(super) type OriginLookupLayer = Absent;
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

/// The layers of a stack, in the order of requests.
#[derive(Debug, Clone)]
pub(super) struct Layers {
    pub(super) scope: ScopeLayer,
    pub(super) request_id: RequestIdLayer,
    pub(super) security_headers: SecurityHeadersLayer,
    pub(super) cookies: CookieLayer,
    pub(super) audit: AuditLayer,
    pub(super) https_redirect: HttpsRedirectLayer,
    pub(super) origin_lookup: OriginLookupLayer,
    pub(super) cors: CorsLayer,
    pub(super) cross_origin: CrossOriginGuardLayer,
    pub(super) clients: RateLimitLayer,
    pub(super) auth: AuthLayer,
    pub(super) principals: RateLimitLayer,
    pub(super) field_crypto: FieldCryptoLayer,
}

impl Default for Layers {
    fn default() -> Self {
        Self {
            scope: ScopeLayer::off(),
            request_id: RequestIdLayer::off(),
            security_headers: SecurityHeadersLayer::off(),
            cookies: CookieLayer::off(),
            audit: AuditLayer::off(),
            https_redirect: HttpsRedirectLayer::off(),
            origin_lookup: OriginLookupLayer::off(),
            cors: CorsLayer::off(),
            cross_origin: CrossOriginGuardLayer::off(),
            clients: RateLimitLayer::off(),
            auth: AuthLayer::off(),
            principals: RateLimitLayer::off(),
            field_crypto: FieldCryptoLayer::off(),
        }
    }
}

impl Layers {
    pub(super) fn leak(self) -> Self {
        Self {
            scope: self.scope.leak(),
            request_id: self.request_id.leak(),
            security_headers: self.security_headers.leak(),
            cookies: self.cookies.leak(),
            audit: self.audit.leak(),
            https_redirect: self.https_redirect.leak(),
            origin_lookup: self.origin_lookup.leak(),
            cors: self.cors.leak(),
            cross_origin: self.cross_origin.leak(),
            clients: self.clients.leak(),
            auth: self.auth.leak(),
            principals: self.principals.leak(),
            field_crypto: self.field_crypto.leak(),
        }
    }

    /// Whether no layer is on.
    pub(super) const fn are_off(&self) -> bool {
        self.scope.is_off()
            && self.request_id.is_off()
            && self.security_headers.is_off()
            && self.cookies.is_off()
            && self.audit.is_off()
            && self.https_redirect.is_off()
            && self.origin_lookup.is_off()
            && self.cors.is_off()
            && self.cross_origin.is_off()
            && self.clients.is_off()
            && self.auth.is_off()
            && self.principals.is_off()
            && self.field_crypto.is_off()
    }
}
