//! The claims of an access token (RFC 7519, section 4; RFC 9068).

use std::fmt;

use palisade_core::{Principal, PrincipalKind};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::confirmation::Confirmation;
use super::json::{Names, Text, TextOrOther, Unique, Words, WordsOrOther};
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

/// The claims that decide, each at most once and of its own JSON type. Those that describe and are common names in which
/// issuers write what they like (`roles`, `permissions`, `tenant`, `kind`, `client_id`, `azp`) say nothing where they have
/// another type, and are left to [`Issuer::adapt`](crate::Issuer::adapt).
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
    pub(crate) client_id: Option<TextOrOther<'a>>,
    pub(crate) azp: Option<TextOrOther<'a>>,
    roles: Option<WordsOrOther<'a>>,
    permissions: Option<WordsOrOther<'a>>,
    tenant: Option<TextOrOther<'a>>,
    kind: Option<TextOrOther<'a>>,
    nonce: bool,
    id_use: bool,
    event: bool,
    other_use: bool,
    /// The key of its holder, which who presents the token must prove to have (RFC 7800).
    pub(crate) cnf: Option<Confirmation>,
}

impl<'a> Registered<'a> {
    pub(crate) fn parse(json: &'a [u8]) -> Result<Self, Refusal> {
        serde_json::from_slice(json).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => Refusal::ClaimsMalformed,
            _ => Refusal::TokenMalformed,
        })
    }

    /// Whether a claim says that this is an ID, a refresh or a logout token, or another security event (RFC 8417).
    pub(crate) const fn says_other_use(&self) -> bool {
        self.id_use || self.event || self.other_use
    }

    /// Whether a claim says that this is an ID token, which an ID token may say.
    #[cfg(feature = "oidc")]
    pub(crate) const fn says_id_use_at_most(&self) -> bool {
        !self.event && !self.other_use
    }

    /// Whether a claim says that this is a security event, as a logout token is, and none that it is something else.
    #[cfg(feature = "oidc")]
    pub(crate) const fn says_event_alone(&self) -> bool {
        self.event && !self.id_use && !self.other_use
    }

    /// Whether there is the nonce of an OpenID Connect ID token, which few access tokens have.
    pub(crate) const fn has_nonce(&self) -> bool {
        self.nonce
    }

    /// Whether the claim `kind` says that this is the token of a service.
    pub(crate) fn says_service(&self) -> bool {
        let kind = self.kind.as_ref().and_then(TextOrOther::text);
        kind == Some(PrincipalKind::Service.as_str())
    }

    /// The principal with what these claims say about it.
    pub(crate) fn describe(&self, mut principal: Principal) -> Principal {
        if let Some(scope) = self.scope.as_ref().or(self.scp.as_ref()) {
            principal = principal.scopes(scope.iter());
        }
        // A role or a permission may be a name with a space in it; only a scope is a list in one text.
        if let Some(WordsOrOther(Some(roles))) = &self.roles {
            principal = principal.roles(roles.elements());
        }
        if let Some(WordsOrOther(Some(permissions))) = &self.permissions {
            principal = principal.permissions(permissions.elements());
        }
        if let Some(tenant) = self.tenant.as_ref().and_then(TextOrOther::text) {
            principal = principal.tenant(tenant);
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
                "client_id" => once(&mut c.client_id, &mut members)?,
                "azp" => once(&mut c.azp, &mut members)?,
                "roles" => once(&mut c.roles, &mut members)?,
                "permissions" => once(&mut c.permissions, &mut members)?,
                "tenant" => once(&mut c.tenant, &mut members)?,
                "kind" => once(&mut c.kind, &mut members)?,
                "nonce" => {
                    c.nonce = true;
                    members.next_value_seed(Unique)?;
                    others.push(name);
                }
                "cnf" => {
                    c.cnf = Some(members.next_value()?);
                    others.push(name);
                }
                "at_hash" | "c_hash" | "events" => {
                    let mark = match &*name.0 {
                        "events" => &mut c.event,
                        _ => &mut c.id_use,
                    };
                    *mark = true;
                    members.next_value_seed(Unique)?;
                    others.push(name);
                }
                "typ" | "token_use" | "token_type" | "type" => {
                    let TextOrOther(used) = members.next_value()?;
                    let is =
                        |words: &[&str]| used.as_ref().is_some_and(|used| is_one(&used.0, words));
                    c.id_use |= is(&["id", "id_token"]);
                    c.other_use |= is(&["refresh", "refresh_token", "refresh+jwt", "offline"]);
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

/// Whether a text is one of the words by which widespread issuers mark what is not an access token, in a claim instead of
/// the header.
fn is_one(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.eq_ignore_ascii_case(word))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refresh_and_id_tokens_are_told_by_their_claims() {
        for other in [
            r#"{"typ":"Refresh"}"#,
            r#"{"typ":"Offline"}"#,
            r#"{"token_use":"id"}"#,
            r#"{"token_type":"refresh"}"#,
            r#"{"type":"refresh"}"#,
            r#"{"at_hash":"77QmUPtjPfzWtF2AnpK9RQ"}"#,
            r#"{"c_hash":"LDktKdoQak3Pk0cnXxCltA"}"#,
            r#"{"events":{"http://schemas.openid.net/event/backchannel-logout":{}}}"#,
            r#"{"events":null}"#,
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
        assert!(!Registered::parse(br#"{"nonces":"n"}"#).unwrap().has_nonce());
    }

    // OpenID Connect Core, section 2 (`at_hash`), and Back-Channel Logout, section 2.4 (`events`).
    #[cfg(feature = "oidc")]
    #[test]
    fn an_id_token_and_a_security_event_are_not_taken_for_each_other() {
        let uses = |json: &str| {
            let claims = Registered::parse(json.as_bytes()).unwrap();
            (claims.says_id_use_at_most(), claims.says_event_alone())
        };
        assert_eq!(uses("{}"), (true, false));
        assert_eq!(uses(r#"{"at_hash":"a"}"#), (true, false));
        assert_eq!(uses(r#"{"typ":"Refresh"}"#), (false, false));
        assert_eq!(uses(r#"{"events":{}}"#), (false, true));
        assert_eq!(uses(r#"{"events":{},"at_hash":"a"}"#), (false, false));
        assert_eq!(uses(r#"{"events":{},"typ":"Refresh"}"#), (false, false));
    }

    #[test]
    fn the_claim_kind_alone_says_that_a_token_is_a_service_s() {
        let says = |json: &str| Registered::parse(json.as_bytes()).unwrap().says_service();
        assert!(says(r#"{"kind":"service"}"#));
        for json in [
            "{}",
            r#"{"kind":"user"}"#,
            r#"{"kind":"Service"}"#,
            r#"{"kind":["service"]}"#,
            r#"{"kinds":"service"}"#,
        ] {
            assert!(!says(json), "{json}");
        }
    }
}
