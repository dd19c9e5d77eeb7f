//! JSON Web Tokens: RFC 7515, 7517, 7518, 7519, 8037, 8725 and 9068, and nothing that they leave to taste.

mod bound;
#[cfg(feature = "client")]
mod by_url;
pub(crate) mod cache;
pub(crate) mod claims;
pub(crate) mod confirmation;
mod der;
pub(crate) mod hmac;
pub(crate) mod issue;
pub(crate) mod issuer;
pub(crate) mod json;
pub(crate) mod jwk;
mod jwks;
mod key_set;
pub(crate) mod keys;
pub(crate) mod own;
pub(crate) mod parse;
pub(crate) mod purpose;
#[cfg(feature = "jwks")]
mod remote;
mod roca;
mod rotation;
mod rules;
mod signing;
mod signing_keys;
pub(crate) mod token_claims;
mod token_type;
pub(crate) mod trusted;
mod verifier;
pub(crate) mod verify;

pub use self::confirmation::Confirmation;
pub use self::hmac::HmacKeys;
pub use self::issue::{IssuedToken, TokenIssuer, TokenIssuerBuilder};
pub use self::issuer::Issuer;
pub use self::key_set::KeySet;
pub use self::keys::VerifyingKey;
#[cfg(any(feature = "introspection", feature = "oidc"))]
pub(crate) use self::remote::is_trusted;
#[cfg(feature = "jwks")]
pub use self::remote::{FetchError, Jwks, JwksResponse};
pub use self::rules::ClientClaim;
pub use self::signing::SigningKey;
pub use self::signing_keys::SigningKeys;
pub use self::token_claims::{InvalidClaims, TokenClaims};
pub use self::token_type::TokenType;
pub use self::verifier::{JwtVerifier, JwtVerifierBuilder};
