//! One proof (RFC 9449, section 4.3). Pure: no clock, no store, no HTTP.

use std::time::Duration;

use http::Method;
use jsonwebtoken::Algorithm;
use palisade_core::time::UnixTime;
use serde::Deserialize;
use serde::de::DeserializeSeed;
use serde_json::Value;

use super::target::Base;
use crate::Refusal;
use crate::digest::{Digest, same_digest, sha256};
use crate::jwt::claims::NumericDate;
use crate::jwt::json::Unique;
use crate::jwt::jwk::{self, Unnamed};
use crate::jwt::keys::VerifyingKey;
use crate::jwt::parse::{Compact, Header, decode};

/// The longest `jti`, in bytes; real ones are random numbers or UUIDs.
const MAX_ID_LEN: usize = 256;

/// The request that a proof must be about.
pub(super) struct Wanted<'a> {
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) bases: &'a [Base],
    pub(super) algorithms: &'a [Algorithm],
    /// The token of the request, if it has one already.
    pub(super) token: Option<&'a [u8]>,
    /// The earliest and the latest time at which it may have been made.
    pub(super) not_before: Duration,
    pub(super) not_after: Duration,
}

/// A proof that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proof {
    /// The thumbprint of its key.
    pub(crate) thumbprint: Digest,
    /// The name of this proof among all of all keys.
    pub(super) id: Digest,
}

#[derive(Deserialize)]
struct WithKey {
    jwk: Value,
}

#[derive(Deserialize)]
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    iat: NumericDate,
    ath: Option<String>,
    nonce: Option<String>,
}

/// Checks everything but the nonce, which is given back too, and whether the proof was used before.
pub(super) fn verify(
    proof: &[u8],
    wanted: &Wanted<'_>,
) -> Result<(Proof, Option<String>), Refusal> {
    let invalid = |_| Refusal::DpopProofInvalid;
    let compact = Compact::split(proof).map_err(invalid)?;
    let header = decode(compact.header).map_err(invalid)?;
    let key = key_of(&header, wanted.algorithms)?;
    let thumbprint = key.thumbprint_digest().ok_or(Refusal::DpopProofInvalid)?;
    let payload = decode(compact.payload).map_err(invalid)?;
    let claims = claims_of(&payload)?;
    let signature = decode(compact.signature).map_err(invalid)?;
    if !key.verify(compact.signing_input, &signature) || !claims.are_for(wanted) {
        return Err(Refusal::DpopProofInvalid);
    }
    let id = sha256(&[&thumbprint[..], claims.jti.as_bytes()].concat());
    let nonce = claims.nonce;
    Ok((Proof { thumbprint, id }, nonce))
}

/// The public key that a proof brings along, for the one algorithm that it names.
fn key_of(header: &[u8], algorithms: &[Algorithm]) -> Result<VerifyingKey, Refusal> {
    const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
    let invalid = Refusal::DpopProofInvalid;
    let parsed = Header::parse(header).map_err(|_| invalid)?;
    let algorithm = parsed.alg.filter(|named| algorithms.contains(named));
    let algorithm = algorithm.ok_or(invalid)?;
    if !parsed.is_type("dpop+jwt") {
        return Err(invalid);
    }
    let WithKey { jwk } = serde_json::from_slice(header).map_err(|_| invalid)?;
    if PRIVATE.iter().any(|name| jwk.get(name).is_some()) {
        return Err(invalid);
    }
    let (_, keys) = jwk::from_value(&jwk, Unnamed(Some(&[algorithm]))).map_err(|_| invalid)?;
    let key = keys.into_iter().next().ok_or(invalid)?;
    match key.algorithm() == algorithm && !key.is_symmetric() {
        true => Ok(key),
        false => Err(invalid),
    }
}

fn claims_of(payload: &[u8]) -> Result<Claims, Refusal> {
    let invalid = |_| Refusal::DpopProofInvalid;
    // An array could be read as the claims in their order.
    if payload.first() != Some(&b'{') {
        return Err(Refusal::DpopProofInvalid);
    }
    let mut reader = serde_json::Deserializer::from_slice(payload);
    Unique.deserialize(&mut reader).map_err(invalid)?;
    serde_json::from_slice(payload).map_err(invalid)
}

impl Claims {
    fn are_for(&self, wanted: &Wanted<'_>) -> bool {
        let id = &*self.jti;
        let made = UnixTime::from_secs(self.iat.floor()).as_duration();
        !id.is_empty()
            && id.len() <= MAX_ID_LEN
            && *self.htm == *wanted.method.as_str()
            && wanted
                .bases
                .iter()
                .any(|base| base.is_target(&self.htu, wanted.path))
            && (wanted.not_before..=wanted.not_after).contains(&made)
            && wanted.token.is_none_or(|token| self.is_for_token(token))
    }

    /// `ath`: the SHA-256 of the token.
    fn is_for_token(&self, token: &[u8]) -> bool {
        let named = self.ath.as_ref();
        let named = named.and_then(|ath| decode(ath.as_bytes()).ok());
        let named: Option<Digest> = named.and_then(|ath| ath.try_into().ok());
        named.is_some_and(|ath| same_digest(&ath, &sha256(token)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9449, section 4.1, figure 2.
    const FOR_A_TOKEN: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6Ik\
        VDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCR\
        nMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JE\
        QSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIj\
        oiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwia\
        WF0IjoxNTYyMjY1Mjk2fQ.pAqut2IRDm_De6PR93SYmGBPXpwrAk90e8cP2hjiaG5Qs\
        GSuKDYW7_X620BxqhvYC8ynrrvZLTk41mSRroapUA";
    /// RFC 9449, section 7.1, figure 13.
    const FOR_A_RESOURCE: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6Ik\
        VDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCR\
        nMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JE\
        QSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIj\
        oiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0Z\
        WRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNF\
        c05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71E\
        OptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
    const TOKEN: &[u8] = b"Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";

    fn verified(
        proof: &str,
        method: &Method,
        base: &str,
        path: &str,
        token: Option<&[u8]>,
    ) -> Result<String, Refusal> {
        let wanted = Wanted {
            method,
            path,
            bases: &[Base::parse(base).unwrap()],
            algorithms: &[Algorithm::ES256],
            token,
            not_before: Duration::from_secs(1_562_262_600),
            not_after: Duration::from_secs(1_562_265_300),
        };
        let (proof, nonce) = verify(proof.as_bytes(), &wanted)?;
        assert_eq!(nonce, None);
        Ok(crate::jwt::parse::encode(proof.thumbprint))
    }

    #[test]
    fn the_proofs_of_rfc_9449_hold_and_name_its_key() {
        // The `jkt` of section 6.1.
        let key = Ok("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I".to_owned());
        let server = "https://server.example.com";
        assert_eq!(
            verified(FOR_A_TOKEN, &Method::POST, server, "/token", None),
            key
        );
        let resource = "https://resource.example.org";
        let asked = |path, token| verified(FOR_A_RESOURCE, &Method::GET, resource, path, token);
        assert_eq!(asked("/protectedresource", Some(TOKEN)), key);
        let invalid = Err(Refusal::DpopProofInvalid);
        assert_eq!(asked("/another", Some(TOKEN)), invalid);
        assert_eq!(asked("/protectedresource", Some(&TOKEN[1..])), invalid);
        let posted = verified(FOR_A_TOKEN, &Method::GET, server, "/token", None);
        assert_eq!(posted, invalid);
        let with_token = verified(FOR_A_TOKEN, &Method::POST, server, "/token", Some(TOKEN));
        assert_eq!(with_token, invalid, "it has no ath");
    }
}
