//! The claims of an access token (RFC 7519, section 4; RFC 9068), and the rules over them. Pure: handed the time.

use std::fmt;
use std::time::Duration;

use palisade_core::time::UnixTime;
use palisade_core::{Principal, PrincipalKind};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, MapAccess, Visitor};

use super::json::{Names, Text, Unique, Words};
use crate::Refusal;

/// 9999-12-31T23:59:59Z, past which a date is a mistake (often milliseconds for seconds).
const LATEST: u64 = 253_402_300_799;

/// Seconds since 1970, perhaps with a fraction (RFC 7519, section 2).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct NumericDate(f64);

impl NumericDate {
    /// The second in which it lies: a token is never valid longer than it says.
    pub(crate) fn floor(self) -> u64 {
        // In range and not negative, see `deserialize`.
        self.0 as u64
    }

    /// The first full second after it: a token is never valid earlier than it says.
    pub(crate) fn ceil(self) -> u64 {
        self.0.ceil() as u64
    }
}

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        if (0.0..=LATEST as f64).contains(&seconds) {
            Ok(Self(seconds))
        } else {
            Err(D::Error::custom("not a date"))
        }
    }
}

/// The claims that decide, each at most once and of its own JSON type.
#[derive(Debug, Default)]
pub(crate) struct Registered<'a> {
    pub(crate) iss: Option<Text<'a>>,
    pub(crate) sub: Option<Text<'a>>,
    pub(crate) aud: Option<Words<'a>>,
    pub(crate) exp: Option<NumericDate>,
    pub(crate) nbf: Option<NumericDate>,
    pub(crate) iat: Option<NumericDate>,
    pub(crate) jti: Option<Text<'a>>,
    pub(crate) sid: Option<Text<'a>>,
    scope: Option<Words<'a>>,
    scp: Option<Words<'a>>,
    roles: Option<Words<'a>>,
    permissions: Option<Words<'a>>,
    tenant: Option<Text<'a>>,
    kind: Option<Text<'a>>,
    nonce: bool,
    other_use: bool,
}

impl<'a> Registered<'a> {
    pub(crate) fn parse(json: &'a [u8]) -> Result<Self, Refusal> {
        serde_json::from_slice(json).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => Refusal::ClaimsMalformed,
            _ => Refusal::TokenMalformed,
        })
    }

    /// Whether a claim says that this is an ID or a refresh token.
    pub(crate) const fn says_other_use(&self) -> bool {
        self.other_use
    }

    /// The nonce of an OpenID Connect ID token, which no access token has.
    pub(crate) const fn has_nonce(&self) -> bool {
        self.nonce
    }

    /// The principal that these claims describe.
    pub(crate) fn principal(&self, issuer: &str, subject: &str, expires_at: UnixTime) -> Principal {
        let is_service = self
            .kind
            .as_ref()
            .is_some_and(|kind| kind.0 == PrincipalKind::Service.as_str());
        let mut principal = if is_service {
            Principal::service(issuer, subject)
        } else {
            Principal::user(issuer, subject)
        }
        .expires_at(expires_at);
        if let Some(scope) = self.scope.as_ref().or(self.scp.as_ref()) {
            principal = principal.scopes(scope.iter());
        }
        // A role or a permission may be a name with a space in it; only a scope is a list in one text.
        if let Some(roles) = &self.roles {
            principal = principal.roles(roles.elements());
        }
        if let Some(permissions) = &self.permissions {
            principal = principal.permissions(permissions.elements());
        }
        if let Some(tenant) = &self.tenant {
            principal = principal.tenant(&tenant.0);
        }
        if let Some(session) = &self.sid {
            principal = principal.session(&session.0);
        }
        principal
    }
}

struct ClaimsVisitor;

impl<'de> Visitor<'de> for ClaimsVisitor {
    type Value = Registered<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a claims set")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Registered<'de>, A::Error> {
        let mut claims = Registered::default();
        let mut others = Names::default();
        while let Some(name) = members.next_key::<Text<'de>>()? {
            let c = &mut claims;
            match &*name.0 {
                "iss" => once(&mut c.iss, &mut members)?,
                "sub" => once(&mut c.sub, &mut members)?,
                "aud" => once(&mut c.aud, &mut members)?,
                "exp" => once(&mut c.exp, &mut members)?,
                "nbf" => once(&mut c.nbf, &mut members)?,
                "iat" => once(&mut c.iat, &mut members)?,
                "jti" => once(&mut c.jti, &mut members)?,
                "sid" => once(&mut c.sid, &mut members)?,
                "scope" => once(&mut c.scope, &mut members)?,
                "scp" => once(&mut c.scp, &mut members)?,
                "roles" => once(&mut c.roles, &mut members)?,
                "permissions" => once(&mut c.permissions, &mut members)?,
                "tenant" => once(&mut c.tenant, &mut members)?,
                "kind" => once(&mut c.kind, &mut members)?,
                "nonce" | "at_hash" | "c_hash" => {
                    c.nonce = true;
                    members.next_value_seed(Unique)?;
                    others.push(name);
                }
                "typ" | "token_use" | "token_type" | "type" => {
                    let used: serde_json::Value = members.next_value()?;
                    c.other_use |= used.as_str().is_some_and(is_other_use);
                    others.push(name);
                }
                _ => {
                    members.next_value_seed(Unique)?;
                    others.push(name);
                }
            }
        }
        if others.all_differ() {
            Ok(claims)
        } else {
            Err(A::Error::custom("a claim is named twice"))
        }
    }
}

/// The words by which widespread issuers mark what is not an access token, in a claim instead of the header.
fn is_other_use(text: &str) -> bool {
    [
        "refresh",
        "refresh_token",
        "refresh+jwt",
        "offline",
        "id",
        "id_token",
    ]
    .iter()
    .any(|other| text.eq_ignore_ascii_case(other))
}

fn once<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    claim: &mut Option<T>,
    members: &mut A,
) -> Result<(), A::Error> {
    if claim.is_some() {
        return Err(A::Error::custom("a claim is named twice"));
    }
    *claim = Some(members.next_value()?);
    Ok(())
}

impl<'de> Deserialize<'de> for Registered<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ClaimsVisitor)
    }
}

/// What one issuer's tokens must say.
#[derive(Debug, Clone)]
pub(crate) struct ClaimRules {
    pub(crate) audiences: Vec<Box<str>>,
    pub(crate) max_lifetime: Duration,
    pub(crate) leeway: Duration,
    pub(crate) issued_at_required: bool,
}

impl ClaimRules {
    /// Checks everything but the signature, and gives back `exp` and `sub`.
    pub(crate) fn check<'c>(
        &self,
        claims: &'c Registered<'_>,
        now: UnixTime,
    ) -> Result<(UnixTime, &'c str), Refusal> {
        let expires_at = self.check_times(claims, now)?;
        let audience_matches = claims.aud.as_ref().is_some_and(|given| {
            given
                .elements()
                .any(|one| self.audiences.iter().any(|known| **known == *one))
        });
        if !audience_matches {
            return Err(Refusal::WrongAudience);
        }
        match &claims.sub {
            Some(subject) if !subject.0.is_empty() => Ok((expires_at, &subject.0)),
            _ => Err(Refusal::SubjectMissing),
        }
    }

    fn check_times(&self, claims: &Registered<'_>, now: UnixTime) -> Result<UnixTime, Refusal> {
        let leeway = self.leeway.as_secs();
        let now = now.as_secs();
        let exp = claims.exp.ok_or(Refusal::ExpiryMissing)?.floor();
        if now >= exp.saturating_add(leeway) {
            return Err(Refusal::TokenExpired);
        }
        if claims
            .nbf
            .is_some_and(|nbf| nbf.ceil() > now.saturating_add(leeway))
        {
            return Err(Refusal::NotYetValid);
        }
        let issued_at = claims.iat.map(NumericDate::floor);
        if self.issued_at_required && issued_at.is_none() {
            return Err(Refusal::IssuedAtMissing);
        }
        if issued_at.is_some_and(|iat| iat > now.saturating_add(leeway)) {
            return Err(Refusal::IssuedInFuture);
        }
        // Without `iat` the rest of the life is bounded, which is all that can be known.
        let lifetime = exp.saturating_sub(issued_at.unwrap_or(now));
        if lifetime > self.max_lifetime.as_secs() {
            return Err(Refusal::LifetimeTooLong);
        }
        Ok(UnixTime::from_secs(exp))
    }
}

/// The claims of a verified token as its issuer wrote them, for what the application itself put there.
#[derive(Clone)]
pub struct TokenClaims(Vec<u8>);

/// The claims are not of the type that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the claims do not have the expected form")]
pub struct InvalidClaims;

impl TokenClaims {
    pub(crate) const fn new(json: Vec<u8>) -> Self {
        Self(json)
    }

    /// Reads the claims into a type of the application's own.
    ///
    /// # Errors
    ///
    /// Fails when a member that the type needs is missing or has another form.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, InvalidClaims> {
        serde_json::from_slice(&self.0).map_err(|_| InvalidClaims)
    }
}

impl fmt::Debug for TokenClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Claims may hold personal data, which does not belong in logs.
        f.write_str("TokenClaims([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn rules() -> ClaimRules {
        ClaimRules {
            audiences: vec!["api".into()],
            max_lifetime: Duration::from_secs(900),
            leeway: Duration::from_secs(30),
            issued_at_required: false,
        }
    }

    fn check(json: &str) -> Result<String, Refusal> {
        let claims = Registered::parse(json.as_bytes())?;
        rules()
            .check(&claims, UnixTime::from_secs(NOW))
            .map(|(_, subject)| subject.to_owned())
    }

    #[test]
    fn a_token_is_valid_from_nbf_to_exp_with_leeway_on_both_sides() {
        let at = |exp: u64, nbf: u64| {
            check(&format!(
                r#"{{"sub":"a","aud":"api","exp":{exp},"nbf":{nbf}}}"#
            ))
        };
        assert_eq!(at(NOW + 60, NOW).as_deref(), Ok("a"));
        assert_eq!(at(NOW - 29, NOW - 60).as_deref(), Ok("a"), "29 s late");
        assert_eq!(at(NOW - 30, NOW - 60), Err(Refusal::TokenExpired));
        assert_eq!(at(NOW + 60, NOW + 30).as_deref(), Ok("a"), "30 s early");
        assert_eq!(at(NOW + 60, NOW + 31), Err(Refusal::NotYetValid));
    }

    #[test]
    fn fractions_of_a_second_never_widen_the_window() {
        let exp = format!(r#"{{"sub":"a","aud":"api","exp":{}.9}}"#, NOW - 30);
        assert_eq!(check(&exp), Err(Refusal::TokenExpired));
        let nbf = format!(
            r#"{{"sub":"a","aud":"api","exp":{},"nbf":{}.1}}"#,
            NOW + 60,
            NOW + 30
        );
        assert_eq!(check(&nbf), Err(Refusal::NotYetValid));
    }

    #[test]
    fn the_lifetime_is_bounded() {
        let lived = |iat: u64, exp: u64| {
            check(&format!(
                r#"{{"sub":"a","aud":"api","iat":{iat},"exp":{exp}}}"#
            ))
        };
        assert!(lived(NOW - 800, NOW + 100).is_ok());
        assert_eq!(lived(NOW - 801, NOW + 100), Err(Refusal::LifetimeTooLong));
        assert_eq!(lived(NOW + 31, NOW + 60), Err(Refusal::IssuedInFuture));
        let no_iat = format!(r#"{{"sub":"a","aud":"api","exp":{}}}"#, NOW + 901);
        assert_eq!(check(&no_iat), Err(Refusal::LifetimeTooLong));
    }

    #[test]
    fn a_claim_of_another_json_type_is_refused() {
        for bad in [
            r#""iss":["a"]"#,
            r#""iss":7"#,
            r#""iss":null"#,
            r#""sub":{"a":1}"#,
            r#""aud":7"#,
            r#""aud":[["api"]]"#,
            r#""exp":"1800000060""#,
            r#""exp":-1"#,
            r#""exp":1e300"#,
            r#""exp":1800000060000"#,
            r#""nbf":true"#,
            r#""jti":1"#,
            r#""sub":"a","sub":"b""#,
            r#""own":1,"own":2"#,
            r#""own":{"a":1,"a":2}"#,
        ] {
            let json = format!("{{{bad}}}");
            assert_eq!(check(&json), Err(Refusal::ClaimsMalformed), "{bad}");
        }
        for broken in ["", "{", "{\"exp\":1", "{\"exp\":1}}", "\u{feff}{}"] {
            assert_eq!(check(broken), Err(Refusal::TokenMalformed), "{broken:?}");
        }
        assert_eq!(check("[]"), Err(Refusal::ClaimsMalformed));
    }

    #[test]
    fn what_is_required_is_required() {
        let exp = NOW + 60;
        for (claims, refusal) in [
            (
                r#""sub":"a","aud":"api""#.to_owned(),
                Refusal::ExpiryMissing,
            ),
            (
                format!(r#""aud":"api","exp":{exp}"#),
                Refusal::SubjectMissing,
            ),
            (
                format!(r#""sub":"","aud":"api","exp":{exp}"#),
                Refusal::SubjectMissing,
            ),
            (format!(r#""sub":"a","exp":{exp}"#), Refusal::WrongAudience),
            (
                format!(r#""sub":"a","aud":[],"exp":{exp}"#),
                Refusal::WrongAudience,
            ),
            (
                format!(r#""sub":"a","aud":"api2","exp":{exp}"#),
                Refusal::WrongAudience,
            ),
            (
                format!(r#""sub":"a","aud":"other api","exp":{exp}"#),
                Refusal::WrongAudience,
            ),
        ] {
            assert_eq!(check(&format!("{{{claims}}}")), Err(refusal), "{claims}");
        }
        let several = format!(r#"{{"sub":"a","aud":["other","api"],"exp":{exp}}}"#);
        assert!(check(&several).is_ok());
    }

    #[test]
    fn refresh_and_id_tokens_are_told_by_their_claims() {
        for other in [
            r#"{"typ":"Refresh"}"#,
            r#"{"typ":"Offline"}"#,
            r#"{"token_use":"id"}"#,
            r#"{"token_type":"refresh"}"#,
            r#"{"type":"refresh"}"#,
        ] {
            assert!(
                Registered::parse(other.as_bytes())
                    .unwrap()
                    .says_other_use(),
                "{other}"
            );
        }
        for access in [
            r#"{"typ":"Bearer"}"#,
            r#"{"token_use":"access"}"#,
            r#"{"type":7}"#,
        ] {
            assert!(
                !Registered::parse(access.as_bytes())
                    .unwrap()
                    .says_other_use(),
                "{access}"
            );
        }
        assert!(Registered::parse(br#"{"nonce":"n"}"#).unwrap().has_nonce());
    }
}
