//! The rules over claims. Pure: handed the time.

use std::time::Duration;

use palisade_core::time::UnixTime;

use super::claims::{NumericDate, Registered};
use super::json::TextOrOther;
use crate::Refusal;

/// The claim in which an issuer that writes no `aud` names the client that a token was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientClaim {
    /// `client_id` (RFC 9068, section 2.2), as in access tokens of Amazon Cognito.
    ClientId,
    /// `azp` (OpenID Connect Core, section 2), as in session tokens of Clerk.
    AuthorizedParty,
}

/// The requirements on the claims of one issuer's tokens.
#[derive(Debug, Clone)]
pub(crate) struct ClaimRules {
    pub(crate) audiences: Vec<Box<str>>,
    /// The clients whose tokens are accepted without `aud`.
    pub(crate) clients: Vec<(ClientClaim, Box<str>)>,
    pub(crate) max_lifetime: Duration,
    pub(crate) leeway: Duration,
    pub(crate) issued_at_required: bool,
    /// Logout tokens may name a session alone.
    pub(crate) subject_required: bool,
    /// Claims of the userinfo endpoint need not end; what they say of their age is checked all the same.
    pub(crate) expiry_required: bool,
}

impl ClaimRules {
    /// Checks everything but the signature, and gives back `exp` and `sub`.
    pub(crate) fn check<'c>(
        &self,
        claims: &'c Registered<'_>,
        now: UnixTime,
    ) -> Result<(UnixTime, &'c str), Refusal> {
        let expires_at = self.check_times(claims, now)?;
        let is_for_us = match &claims.aud {
            Some(given) => given
                .elements()
                .any(|one| self.audiences.iter().any(|known| **known == *one)),
            None => self.is_of_known_client(claims),
        };
        if !is_for_us {
            return Err(Refusal::WrongAudience);
        }
        match &claims.sub {
            Some(subject) if !subject.0.is_empty() => Ok((expires_at, &subject.0)),
            None if !self.subject_required => Ok((expires_at, "")),
            _ => Err(Refusal::SubjectMissing),
        }
    }

    fn is_of_known_client(&self, claims: &Registered<'_>) -> bool {
        self.clients.iter().any(|(claim, known)| {
            let given = match claim {
                ClientClaim::ClientId => &claims.client_id,
                ClientClaim::AuthorizedParty => &claims.azp,
            };
            given.as_ref().and_then(TextOrOther::text) == Some(known)
        })
    }

    fn check_times(&self, claims: &Registered<'_>, now: UnixTime) -> Result<UnixTime, Refusal> {
        let leeway = self.leeway.as_secs();
        let now = now.as_secs();
        let exp = match claims.exp {
            Some(exp) => exp.floor(),
            None if self.expiry_required => return Err(Refusal::ExpiryMissing),
            None => now.saturating_add(1),
        };
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

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn rules() -> ClaimRules {
        ClaimRules {
            audiences: vec!["api".into()],
            clients: Vec::new(),
            max_lifetime: Duration::from_secs(900),
            leeway: Duration::from_secs(30),
            issued_at_required: false,
            subject_required: true,
            expiry_required: true,
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
    fn a_token_without_a_subject_passes_where_none_is_required() {
        let check = |required: bool, subject: &str| {
            let rules = ClaimRules {
                subject_required: required,
                ..rules()
            };
            let json = format!(r#"{{{subject}"aud":"api","exp":{}}}"#, NOW + 60);
            let claims = Registered::parse(json.as_bytes()).unwrap();
            rules
                .check(&claims, UnixTime::from_secs(NOW))
                .map(|(_, subject)| subject.to_owned())
        };
        assert_eq!(check(false, "").as_deref(), Ok(""));
        assert_eq!(check(true, ""), Err(Refusal::SubjectMissing));
        assert_eq!(check(false, r#""sub":"","#), Err(Refusal::SubjectMissing));
        assert_eq!(check(false, r#""sub":"a","#).as_deref(), Ok("a"));
    }

    #[test]
    fn a_token_that_need_not_end_passes_and_what_it_says_of_its_age_is_checked() {
        let check = |required: bool, times: &str| {
            let rules = ClaimRules {
                expiry_required: required,
                ..rules()
            };
            let json = format!(r#"{{"sub":"a","aud":"api"{times}}}"#);
            let claims = Registered::parse(json.as_bytes()).unwrap();
            rules
                .check(&claims, UnixTime::from_secs(NOW))
                .map(|(_, subject)| subject.to_owned())
        };
        assert_eq!(check(false, "").as_deref(), Ok("a"));
        assert_eq!(check(true, ""), Err(Refusal::ExpiryMissing));
        for (times, refusal) in [
            (format!(r#","exp":{}"#, NOW - 30), Refusal::TokenExpired),
            (format!(r#","nbf":{}"#, NOW + 31), Refusal::NotYetValid),
            (format!(r#","iat":{}"#, NOW + 31), Refusal::IssuedInFuture),
            (format!(r#","iat":{}"#, NOW - 900), Refusal::LifetimeTooLong),
        ] {
            assert_eq!(check(false, &times), Err(refusal), "{times}");
        }
    }
}
