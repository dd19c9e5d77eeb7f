//! An issuer whose settings hold together, and its keys.

use std::sync::Arc;

use jsonwebtoken::Algorithm;
use palisade_core::Principal;
use palisade_core::time::UnixTime;

use super::claims::Registered;
use super::hmac::HmacKeys;
use super::key_set::KeySet;
use super::parse::Header;
use super::purpose::Purpose;
#[cfg(feature = "jwks")]
use super::remote::Jwks;
use super::rules::ClaimRules;
use super::signing_keys::SigningKeys;
use super::token_claims::TokenClaims;
use super::token_type::TokenType;
use crate::Refusal;

/// The source of an issuer's keys.
#[derive(Debug, Clone)]
pub(crate) enum Keys {
    Fixed(KeySet),
    /// Shared secrets, which may rotate.
    Secret(HmacKeys),
    /// Private keys of our own, which may rotate.
    Own(SigningKeys),
    /// None: the issuer is asked about each token.
    #[cfg(feature = "introspection")]
    Asked,
    #[cfg(feature = "jwks")]
    Remote(Jwks),
}

impl Keys {
    /// Reads the keys; fails when they could not be fetched yet.
    pub(crate) fn with<T>(&self, read: impl FnOnce(&KeySet) -> T) -> Result<T, Refusal> {
        match self {
            Self::Fixed(keys) => Ok(read(keys)),
            Self::Secret(keys) => Ok(read(&keys.secrets().verifying)),
            Self::Own(keys) => Ok(read(&keys.view().published)),
            #[cfg(feature = "introspection")]
            Self::Asked => Err(Refusal::UnknownKey),
            #[cfg(feature = "jwks")]
            Self::Remote(jwks) => jwks.with(read),
        }
    }

    /// Changes whenever the keys do, so that what was verified with others is verified anew.
    pub(crate) fn generation(&self) -> u64 {
        match self {
            Self::Fixed(_) => 0,
            Self::Secret(keys) => keys.generation(),
            Self::Own(keys) => keys.generation(),
            #[cfg(feature = "introspection")]
            Self::Asked => 0,
            #[cfg(feature = "jwks")]
            Self::Remote(jwks) => jwks.generation(),
        }
    }
}

/// Completes a principal from the issuer's own claims.
pub(crate) type Adapt = Arc<dyn Fn(Principal, &TokenClaims) -> Principal + Send + Sync>;

/// An issuer whose settings hold together.
pub(crate) struct TrustedIssuer {
    pub(crate) name: Box<str>,
    /// Whether tokens must be bound to a key.
    pub(crate) bound: bool,
    pub(crate) keys: Keys,
    pub(super) algorithms: Option<Vec<Algorithm>>,
    pub(crate) token_type: TokenType,
    pub(crate) rules: ClaimRules,
    /// Whether the claim `kind` is believed.
    pub(crate) services: bool,
    /// Whether access tokens may have a `nonce`.
    pub(crate) nonces: bool,
    pub(crate) purpose: Purpose,
    pub(crate) adapt: Option<Adapt>,
    /// The known tenants, if the name is a template.
    pub(crate) tenants: Option<Tenants>,
}

/// The tenants of a template that are known.
pub(crate) type Tenants = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// The placeholder of the tenant in the name of an issuer.
pub(super) const TENANT: &str = "{tenant}";

impl TrustedIssuer {
    /// Whether this is the issuer of that name, and which tenant it names.
    pub(crate) fn is_named<'n>(&self, name: &'n str) -> Option<Option<&'n str>> {
        let Some(tenants) = &self.tenants else {
            return (*self.name == *name).then_some(None);
        };
        let (before, after) = self.name.split_once(TENANT)?;
        let tenant = name.strip_prefix(before)?.strip_suffix(after)?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let known = !tenant.is_empty() && tenant.bytes().all(plain) && tenants(tenant);
        known.then_some(Some(tenant))
    }

    /// Whether a token is of the kind that is accepted of this issuer.
    pub(crate) fn accepts_use(&self, header: &Header<'_>, claims: &Registered<'_>) -> bool {
        match self.purpose {
            Purpose::Access => {
                self.token_type.accepts(header)
                    && !claims.says_other_use()
                    && (self.nonces || !claims.has_nonce())
            }
            #[cfg(feature = "oidc")]
            Purpose::SignIn => {
                (header.typ.is_none() || header.is_type("JWT")) && claims.says_id_use_at_most()
            }
            #[cfg(feature = "oidc")]
            Purpose::Userinfo => {
                (header.typ.is_none() || header.is_type("JWT"))
                    && !claims.says_other_use()
                    && !claims.has_nonce()
            }
            #[cfg(feature = "oidc")]
            Purpose::Logout => {
                let typed = ["JWT", "logout+jwt"].iter().any(|typ| header.is_type(typ));
                (header.typ.is_none() || typed) && claims.says_event_alone() && !claims.has_nonce()
            }
        }
    }

    pub(crate) fn verify(
        &self,
        header: &Header<'_>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Refusal> {
        let algorithm = header.alg.ok_or(Refusal::AlgorithmNotAllowed)?;
        let kid = header.kid.as_ref().map(|kid| &*kid.0);
        if self
            .algorithms
            .as_ref()
            .is_some_and(|allowed| !allowed.contains(&algorithm))
        {
            return Err(Refusal::AlgorithmNotAllowed);
        }
        self.keys.with(|keys| {
            if self.is_settled() && keys.iter().all(|key| key.algorithm() != algorithm) {
                return Err(Refusal::AlgorithmNotAllowed);
            }
            keys.verify(kid, algorithm, message, signature)
        })?
    }

    /// The principal that these claims describe, as far as the issuer is believed.
    pub(crate) fn principal(
        &self,
        claims: &Registered<'_>,
        name: &str,
        subject: &str,
        expires_at: UnixTime,
    ) -> Principal {
        let principal = if self.services && claims.says_service() {
            Principal::service(name, subject)
        } else {
            Principal::user(name, subject)
        };
        claims.describe(principal.expires_at(expires_at))
    }

    /// Whether the keys are all there are; an issuer that publishes its own may be about to change to another kind.
    pub(super) const fn is_settled(&self) -> bool {
        match self.keys {
            Keys::Fixed(_) | Keys::Secret(_) | Keys::Own(_) => true,
            #[cfg(feature = "introspection")]
            Keys::Asked => true,
            #[cfg(feature = "jwks")]
            Keys::Remote(_) => false,
        }
    }
}

/// The reason why an issuer cannot have this name.
pub(crate) fn name_problem(name: &str) -> Option<&'static str> {
    match name {
        "" => Some("is empty"),
        crate::api_key::ISSUER | crate::service_token::ISSUER => {
            Some("is the issuer of credentials that are no tokens of an issuer")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_issuer_has_the_name_of_one_of_the_layer_s_own() {
        for name in [crate::api_key::ISSUER, crate::service_token::ISSUER, ""] {
            assert!(name_problem(name).is_some(), "{name:?}");
        }
        assert_eq!(name_problem("https://issuer.example"), None);
    }

    // RFC 9068, section 4; OpenID Connect Core, sections 2 and 5.3.2, and Back-Channel Logout, section 2.4.
    #[cfg(feature = "oidc")]
    #[test]
    fn a_token_of_one_purpose_is_accepted_for_no_other() {
        use crate::Issuer;

        let header = |typ: &Option<&str>| match typ {
            Some(typ) => format!(r#"{{"alg":"HS256","typ":"{typ}"}}"#),
            None => r#"{"alg":"HS256"}"#.to_owned(),
        };
        let (plain, nonce, id) = ("{}", r#"{"nonce":"n"}"#, r#"{"at_hash":"h"}"#);
        let (id_nonce, event) = (r#"{"at_hash":"h","nonce":"n"}"#, r#"{"events":{}}"#);
        let never = [
            r#"{"typ":"Refresh"}"#,
            r#"{"typ":"Refresh","nonce":"n"}"#,
            r#"{"events":{},"typ":"Refresh"}"#,
            r#"{"events":{},"nonce":"n"}"#,
            r#"{"events":{},"at_hash":"h"}"#,
        ];
        let jwt = [None, Some("JWT")];
        for (purpose, own_type, of_use) in [
            (Purpose::Access, Some("at+jwt"), &[plain][..]),
            (Purpose::SignIn, None, &[plain, nonce, id, id_nonce]),
            (Purpose::Userinfo, None, &[plain]),
            (Purpose::Logout, Some("logout+jwt"), &[event]),
        ] {
            let keys = HmacKeys::current("k7Qm2vXp9Lr4Wz8Nc1Tb6Yd3Hs5Jf0Ga").unwrap();
            let issuer = Issuer::hmac("iss", keys)
                .audience("api")
                .token_type(TokenType::Common)
                .for_purpose(purpose)
                .build()
                .unwrap();
            for typ in jwt
                .into_iter()
                .chain(["at+jwt", "logout+jwt", "secevent+jwt", "dpop+jwt"].map(Some))
            {
                let of_type = jwt.contains(&typ) || (typ.is_some() && typ == own_type);
                for claims in [plain, nonce, id, id_nonce, event].into_iter().chain(never) {
                    let header = header(&typ);
                    let accepted = issuer.accepts_use(
                        &Header::parse(header.as_bytes()).unwrap(),
                        &Registered::parse(claims.as_bytes()).unwrap(),
                    );
                    let expected = of_type && of_use.contains(&claims);
                    assert_eq!(accepted, expected, "{purpose:?} {header} {claims}");
                }
            }
        }
    }
}
