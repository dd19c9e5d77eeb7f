//! The sections for which no crate has a model of its own.

#[cfg(feature = "audit")]
mod audit;
#[cfg(feature = "auth")]
mod auth;
#[cfg(feature = "crypto")]
mod field_encryption;
#[cfg(feature = "auth")]
mod issuer;
#[cfg(any(feature = "audit", feature = "auth", feature = "crypto"))]
mod mode;
mod scope;
#[cfg(any(feature = "audit", feature = "auth", feature = "crypto"))]
mod secret;

#[cfg(feature = "audit")]
pub use self::audit::{
    AuditConfig, AuditRuleConfig, ClassName, DeliveryName, FormatName, LevelName, OnFailureName,
};
#[cfg(feature = "auth")]
pub use self::auth::{AuthConfig, ServiceConfig};
#[cfg(feature = "crypto")]
pub use self::field_encryption::FieldEncryptionConfig;
#[cfg(feature = "auth")]
pub use self::issuer::{IssuerConfig, PublicKeyConfig, TokenTypeName};
#[cfg(any(feature = "audit", feature = "auth", feature = "crypto"))]
pub use self::mode::Mode;
pub use self::scope::{ForwardedHeaderName, ScopeConfig};
#[cfg(any(feature = "audit", feature = "auth", feature = "crypto"))]
pub use self::secret::SecretRef;
