//! The token by which a client authenticates with a key of its own (RFC 7523, section 2.2; OpenID Connect Core 1.0, section 9).

use std::time::Duration;

use palisade_core::random;
use palisade_core::time::UnixTime;
use serde_json::json;
use zeroize::Zeroizing;

use super::OidcError;
use crate::SigningKeys;
use crate::jwt::parse::encode;

/// The type of the assertion (RFC 7523, section 2.2).
pub(super) const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// It is sent once and at once; a minute is for clocks that differ.
const LIFETIME: Duration = Duration::from_secs(60);

/// A token for one request.
pub(super) fn signed(
    keys: &SigningKeys,
    client: &str,
    audience: &str,
    now: UnixTime,
) -> Result<Zeroizing<String>, OidcError> {
    let view = keys.view();
    let key = &view.current;
    let id = random::bytes::<16>().map_err(|_| OidcError::Unavailable)?;
    let alg = key.public().algorithm();
    let header = match key.its_certificate() {
        Some(certificate) => {
            json!({"alg": alg, "x5t#S256": encode(certificate.thumbprint()), "typ": "JWT"})
        }
        None => json!({"alg": alg, "kid": key.public().key_id(), "typ": "JWT"}),
    };
    let claims = json!({
        "iss": client, "sub": client, "aud": audience, "jti": encode(id),
        "iat": now.as_secs(), "exp": now.saturating_add(LIFETIME).as_secs(),
    });
    let input = format!(
        "{}.{}",
        encode(header.to_string()),
        encode(claims.to_string())
    );
    let signature = key.sign(input.as_bytes());
    let signature = signature.map_err(|_| OidcError::Unavailable)?;
    Ok(Zeroizing::new(format!("{input}.{}", encode(signature))))
}
