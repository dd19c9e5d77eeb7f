//! Tokens that ours and the peers both accept.

use std::error::Error;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use palisade_core::random;
use palisade_core::time::WallClock;

use crate::peers::{AUDIENCE, Claims, ISSUER};

/// A secret of 64 hexadecimal digits, new in each run.
pub(crate) fn secret() -> Result<String, Box<dyn Error>> {
    let bytes = random::bytes::<32>()?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The claims of a token that is good for ten minutes.
pub(crate) fn claims(number: u64) -> Claims {
    let issued = WallClock::system().now().as_secs();
    Claims {
        iss: ISSUER.to_owned(),
        aud: AUDIENCE.to_owned(),
        sub: "alice".to_owned(),
        iat: issued,
        exp: issued + 600,
        jti: format!("5b1f7c0e-2a44-4d0e-9a3b-{number:012x}"),
        scope: "read write".to_owned(),
    }
}

/// An access token signed with a shared secret; each number gives another one.
pub(crate) fn hs256(secret: &str, number: u64) -> Result<String, Box<dyn Error>> {
    let key = EncodingKey::from_secret(secret.as_bytes());
    let mut header = Header::new(Algorithm::HS256);
    // Of an access token (RFC 9068, section 2.1), which ours insists on and the peers do not look at.
    header.typ = Some("at+jwt".to_owned());
    Ok(encode(&header, &claims(number), &key)?)
}
