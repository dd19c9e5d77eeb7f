#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod ambient;
mod api_key;
mod bound;
mod challenge;
mod counters;
mod credential;
mod decide;
mod digest;
mod dpop;
mod error;
#[cfg(feature = "axum")]
mod extract;
mod filter;
#[cfg(any(feature = "introspection", feature = "oidc"))]
mod form;
mod guard;
#[cfg(feature = "introspection")]
mod introspection;
mod jwt;
#[cfg(feature = "redis")]
mod kept;
mod layer;
#[cfg(feature = "oidc")]
#[cfg_attr(docsrs, doc(cfg(feature = "oidc")))]
pub mod oidc;
mod outcome;
#[cfg(feature = "password")]
mod password;
mod refresh;
mod refusal;
pub mod revocation;
mod roles;
mod scope;
#[cfg(feature = "redis")]
mod seal;
mod service_token;
mod session;
#[cfg(feature = "redis")]
mod store;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
pub mod websocket;

/// The guides of this repository, so that their code is compiled and run.
#[cfg(doctest)]
mod guides {
    #[doc = include_str!("../../../docs/guides/identity-providers.md")]
    struct IdentityProviders;
    #[cfg(all(feature = "axum", feature = "password"))]
    #[doc = include_str!("../../../docs/guides/from-axum-login.md")]
    struct FromAxumLogin;
    #[doc = include_str!("../../../docs/guides/tokens-for-a-browser-app.md")]
    struct TokensForABrowserApp;
    #[cfg(feature = "axum")]
    #[doc = include_str!("../../../docs/guides/from-jwt-authorizer.md")]
    struct FromJwtAuthorizer;
    #[doc = include_str!("../../../docs/guides/service-to-service.md")]
    struct ServiceToService;
    #[doc = include_str!("../../../docs/guides/guards-and-policies.md")]
    struct GuardsAndPolicies;
    #[cfg(all(feature = "axum", feature = "oidc"))]
    #[doc = include_str!("../../../docs/guides/sign-in-with-google.md")]
    struct SignInWithGoogle;
    #[cfg(all(feature = "axum", feature = "websocket"))]
    #[doc = include_str!("../../../docs/guides/websockets.md")]
    struct WebSockets;
}

/// The signature algorithms of RFC 7518 and RFC 8037 that are known here.
pub use jsonwebtoken::Algorithm;

#[cfg(feature = "redis")]
pub use api_key::RedisApiKeys;
pub use api_key::{ApiKeyInfo, ApiKeyOwner, ApiKeyRecord, ApiKeys, MemoryApiKeys, NewApiKey};
#[cfg(feature = "metrics")]
pub use counters::FAILURES_TOTAL;
#[cfg(feature = "redis")]
pub use dpop::RedisProofs;
pub use dpop::{Dpop, DpopBuilder};
pub use error::AuthError;
#[cfg(feature = "axum")]
pub use extract::{Auth, Claims, OptionalAuth};
pub use filter::AuthService;
pub use guard::{
    Guard, Guarded, RequireAuthentication, RequirePermission, RequireRole, RequireScope,
    RequireService,
};
#[cfg(feature = "introspection")]
pub use introspection::{Introspection, IntrospectionBuilder};
pub use jwt::{
    ClientClaim, Confirmation, HmacKeys, InvalidClaims, IssuedToken, Issuer, JwtVerifier,
    JwtVerifierBuilder, KeySet, SigningKey, SigningKeys, TokenClaims, TokenIssuer,
    TokenIssuerBuilder, TokenType, VerifyingKey,
};
#[cfg(feature = "jwks")]
pub use jwt::{FetchError, Jwks, JwksResponse};
pub use layer::{AccountStatus, AuthLayer};
#[cfg(feature = "password")]
pub use password::{Held, PasswordError, Passwords, PasswordsBuilder};
#[cfg(feature = "redis")]
pub use refresh::RedisRefreshTokens;
pub use refresh::{RefreshToken, RefreshTokens, RefreshTokensBuilder};
pub use refusal::Refusal;
pub use roles::{Roles, RolesBuilder};
pub use service_token::ServiceToken;
#[cfg(feature = "redis")]
pub use session::{RedisSessions, RedisSessionsBuilder};
pub use session::{SessionInfo, SessionStore, Sessions, SessionsBuilder};
