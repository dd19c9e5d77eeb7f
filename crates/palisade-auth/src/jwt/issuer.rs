use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::Algorithm;
#[cfg(feature = "jwks")]
use jsonwebtoken::AlgorithmFamily;
use palisade_core::{Principal, Problems};

use super::hmac::HmacKeys;
use super::key_set::KeySet;
use super::purpose::Purpose;
#[cfg(feature = "jwks")]
use super::remote::Jwks;
use super::rules::{ClaimRules, ClientClaim};
use super::token_type::TokenType;
use super::trusted::{Adapt, Keys, TENANT, Tenants, TrustedIssuer, name_problem};
use crate::TokenClaims;

/// Somebody whose tokens are accepted: a name, keys, and what a token must say.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use palisade_auth::{HmacKeys, Issuer};
/// # let secret = "kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu";
///
/// let ours = Issuer::hmac("bookings", HmacKeys::current(secret)?)
///     .audience("api://bookings")
///     .max_lifetime(Duration::from_secs(600));
/// # Ok::<(), palisade_auth::AuthError>(())
/// ```
#[derive(Clone)]
pub struct Issuer {
    pub(crate) name: Box<str>,
    pub(crate) keys: Keys,
    algorithms: Option<Vec<Algorithm>>,
    audiences: Vec<Box<str>>,
    clients: Vec<(ClientClaim, Box<str>)>,
    token_type: TokenType,
    max_lifetime: Duration,
    leeway: Duration,
    pub(super) bound: bool,
    issued_at_required: bool,
    services: bool,
    nonces: bool,
    purpose: Purpose,
    adapt: Option<Adapt>,
    tenants: Option<Tenants>,
}

impl Issuer {
    /// 15 minutes, the longest life of tokens of our own: a stolen one is of no use for longer.
    pub const OWN_LIFETIME: Duration = Duration::from_secs(15 * 60);
    /// 24 hours, the longest life of other issuers' tokens unless told otherwise: the longest default in wide use.
    pub const FOREIGN_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
    /// 30 seconds: what clocks that are kept in time differ by at the worst.
    pub const DEFAULT_LEEWAY: Duration = Duration::from_secs(30);
    /// 60 seconds, the largest leeway that is accepted.
    pub const MAX_LEEWAY: Duration = Duration::from_secs(60);

    /// An issuer of our own, that shares a secret with us: `typ` must be `at+jwt`, `iat` must be there, and a token
    /// may live for 15 minutes.
    ///
    /// For a foreign issuer with a shared secret, loosen it with [`token_type`](Self::token_type) and
    /// [`max_lifetime`](Self::max_lifetime).
    #[must_use]
    pub fn hmac(name: &str, keys: HmacKeys) -> Self {
        Self::own(name, Keys::Secret(keys))
    }

    /// An issuer whose tokens we make.
    pub(crate) fn own(name: &str, keys: Keys) -> Self {
        Self {
            token_type: TokenType::AccessToken,
            max_lifetime: Self::OWN_LIFETIME,
            issued_at_required: true,
            services: true,
            ..Self::of(name, keys)
        }
    }

    /// An issuer with these public keys: `typ` may be absent, `JWT` or `at+jwt`, and a token may live for 24 hours.
    #[must_use]
    pub fn keys(name: &str, keys: KeySet) -> Self {
        Self::of(name, Keys::Fixed(keys))
    }

    /// An issuer that publishes its keys; other rules as for [`keys`](Self::keys). Say which algorithms it uses.
    #[cfg(feature = "jwks")]
    #[cfg_attr(docsrs, doc(cfg(feature = "jwks")))]
    #[must_use]
    pub fn jwks(name: &str, keys: Jwks) -> Self {
        Self::of(name, Keys::Remote(keys))
    }

    /// An issuer of opaque tokens, which says itself what they are good for; other rules as for [`keys`](Self::keys).
    #[cfg(feature = "introspection")]
    #[cfg_attr(docsrs, doc(cfg(feature = "introspection")))]
    #[must_use]
    pub fn introspected(name: &str) -> Self {
        Self::of(name, Keys::Asked)
    }

    pub(crate) fn of(name: &str, keys: Keys) -> Self {
        Self {
            name: name.into(),
            keys,
            algorithms: None,
            audiences: Vec::new(),
            clients: Vec::new(),
            token_type: TokenType::Common,
            max_lifetime: Self::FOREIGN_LIFETIME,
            leeway: Self::DEFAULT_LEEWAY,
            bound: false,
            issued_at_required: false,
            services: false,
            nonces: false,
            purpose: Purpose::Access,
            adapt: None,
            tenants: None,
        }
    }

    /// The same issuer for its tokens of another purpose, which must say when they were made if they must say when they
    /// end.
    #[cfg(feature = "oidc")]
    pub(crate) fn for_purpose(self, purpose: Purpose) -> Self {
        Self {
            purpose,
            issued_at_required: purpose.needs_expiry(),
            ..self
        }
    }

    /// Accepts these algorithms alone; default those of the keys.
    #[must_use]
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = Some(algorithms.into_iter().collect());
        self
    }

    /// Adds a name of ours, one of which must stand in `aud`. At least one is required, or a
    /// [client](Self::client_without_audience).
    #[must_use]
    pub fn audience(mut self, audience: &str) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Accepts tokens that have no `aud` and name this client of ours instead, for issuers that write none: the access
    /// tokens of Amazon Cognito have `client_id`, the session tokens of Clerk `azp`.
    ///
    /// A token that has an `aud` must match one of the [audiences](Self::audience) all the same.
    ///
    /// # Security
    ///
    /// `aud` says whom a token is for, these claims whom it was given to. A client of ours that uses other services of the
    /// same issuer presents such a token there too, and each of them could present it here.
    #[must_use]
    pub fn client_without_audience(mut self, claim: ClientClaim, client: &str) -> Self {
        self.clients.push((claim, client.into()));
        self
    }

    /// Sets which `typ` is accepted.
    #[must_use]
    pub fn token_type(mut self, token_type: TokenType) -> Self {
        self.token_type = token_type;
        self
    }

    /// Believes the issuer's claim `kind`, by which a token is a service's and not a user's; default for issuers of our
    /// own alone.
    ///
    /// # Security
    ///
    /// [`RequireService::any`](crate::RequireService::any) lets every service of every such issuer pass.
    #[must_use]
    pub const fn may_name_services(mut self) -> Self {
        self.services = true;
        self
    }

    /// Accepts access tokens with a `nonce`, as Keycloak up to 24 makes them; default refused, because a `nonce` is how an
    /// ID token that says nothing else of itself is known (OpenID Connect Core, section 2).
    ///
    /// # Security
    ///
    /// ID tokens are then refused by their `typ` or `token_use`, by `at_hash` or `c_hash`, and by their `aud` alone, which
    /// names the client: the client's id must not be one of the [audiences](Self::audience).
    #[must_use]
    pub const fn may_send_nonce(mut self) -> Self {
        self.nonces = true;
        self
    }

    /// Sets the longest time from `iat` to `exp`, in whole seconds.
    #[must_use]
    pub const fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.max_lifetime = lifetime;
        self
    }

    /// Sets by how much clocks may differ; default 30 s, at most 60 s.
    #[must_use]
    pub const fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Completes the principal from the issuer's own claims, such as roles that stand elsewhere than in `roles`, or are no
    /// list of texts there.
    ///
    /// Runs once per token, not per request, while the token is in the cache. It may return another principal, even one
    /// of another name: revocation goes by what the token itself says, and the principal lasts no longer than the token.
    #[must_use]
    pub fn adapt(
        mut self,
        adapt: impl Fn(Principal, &TokenClaims) -> Principal + Send + Sync + 'static,
    ) -> Self {
        self.adapt = Some(Arc::new(adapt));
        self
    }

    /// Makes a template of the name, in which `{tenant}` stands for one of many: the issuers of all tenants have the same
    /// keys and rules, and `known` says which tenants there are. It is asked once a token, while that is in the cache.
    ///
    /// A principal's issuer is the one that its token names, and its tenant the one in there, whatever a claim says. A tenant
    /// is of letters, digits, `-` and `_`. An issuer that is configured by its whole name goes before a template.
    ///
    /// # Example
    ///
    /// ```
    /// use palisade_auth::{Issuer, KeySet};
    ///
    /// fn entra(keys: KeySet) -> Issuer {
    ///     Issuer::keys("https://login.microsoftonline.com/{tenant}/v2.0", keys)
    ///         .audience("6e74172b-be56-4843-9ff4-e66a39bb12e3")
    ///         .tenants(|tenant| tenant == "9122040d-6c67-4c5b-b112-36a304b66dad")
    /// }
    /// # let _ = entra;
    /// ```
    ///
    /// # Security
    ///
    /// With `|_| true` everybody who can make a tenant at the provider can sign in here.
    #[must_use]
    pub fn tenants(mut self, known: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.tenants = Some(Arc::new(known));
        self
    }

    pub(super) fn build(mut self) -> Result<TrustedIssuer, Problems> {
        let mut problems = self.problems();
        self.settle_keys(&mut problems);
        problems.into_result(self.trusted())
    }

    /// For tokens that their issuer vouches for itself.
    #[cfg(feature = "introspection")]
    pub(crate) fn build_without_keys(self) -> Result<TrustedIssuer, Problems> {
        let problems = self.problems();
        problems.into_result(self.trusted())
    }

    fn problems(&self) -> Problems {
        let mut problems = Problems::none();
        if let Some(reason) = name_problem(&self.name) {
            problems.push("name", reason);
        }
        if self.tenants.is_some() && self.name.matches(TENANT).count() != 1 {
            problems.push("name", "does not have `{tenant}` exactly once");
        }
        let is_empty = |name: &str| name.is_empty();
        if self.clients.iter().any(|(_, client)| is_empty(client)) {
            problems.push("client", "is empty");
        }
        if self.clients.is_empty() && self.audiences.iter().all(|audience| is_empty(audience)) {
            problems.push(
                "audience",
                "is missing: without one a token for another service passes",
            );
        }
        if self.leeway > Self::MAX_LEEWAY {
            problems.push("leeway", "is over 60 seconds");
        }
        if self.max_lifetime.as_secs() == 0 {
            problems.push("max_lifetime", "is under one second");
        }
        problems
    }

    fn settle_keys(&mut self, problems: &mut Problems) {
        match &mut self.keys {
            Keys::Fixed(keys) => {
                if let Some(allowed) = &self.algorithms {
                    keys.settle(|algorithm| allowed.contains(&algorithm));
                }
                if keys.is_empty() {
                    problems.push("algorithms", "leaves no key that could be used");
                }
            }
            Keys::Secret(keys) => {
                let allowed = self.algorithms.as_ref();
                if allowed.is_some_and(|allowed| !allowed.contains(&keys.algorithm())) {
                    problems.push("algorithms", "leaves no key that could be used");
                }
            }
            // Which of them may be used is asked for each token.
            Keys::Own(_) => {}
            #[cfg(feature = "introspection")]
            Keys::Asked => problems.push("keys", "are missing: its tokens are for introspection"),
            #[cfg(feature = "jwks")]
            Keys::Remote(jwks) => {
                let symmetric = |algorithm: &Algorithm| algorithm.family() == AlgorithmFamily::Hmac;
                if self.algorithms.iter().flatten().any(symmetric) {
                    problems.push(
                        "algorithms",
                        "has one with a shared secret, which nobody publishes",
                    );
                }
                if let Some(algorithms) = &self.algorithms {
                    jwks.allow(algorithms);
                }
            }
        }
    }

    fn trusted(self) -> TrustedIssuer {
        TrustedIssuer {
            name: self.name,
            bound: self.bound,
            keys: self.keys,
            algorithms: self.algorithms,
            token_type: self.token_type,
            rules: ClaimRules {
                audiences: self.audiences,
                clients: self.clients,
                max_lifetime: self.max_lifetime,
                leeway: self.leeway,
                issued_at_required: self.issued_at_required,
                subject_required: self.purpose.needs_subject(),
                expiry_required: self.purpose.needs_expiry(),
            },
            services: self.services,
            nonces: self.nonces,
            purpose: self.purpose,
            adapt: self.adapt,
            tenants: self.tenants,
        }
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer")
            .field("name", &self.name)
            .field("keys", &self.keys)
            .field("audiences", &self.audiences)
            .field("token_type", &self.token_type)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "k7Qm2vXp9Lr4Wz8Nc1Tb6Yd3Hs5Jf0Ga";

    fn issuer(name: &str) -> Issuer {
        Issuer::hmac(name, HmacKeys::current(SECRET).unwrap()).audience("api")
    }

    #[test]
    fn a_template_has_one_place_for_the_tenant() {
        let fits = |name: &str| {
            let problems = issuer(name).tenants(|_| true).problems();
            problems.into_result(()).is_ok()
        };
        assert!(fits("https://i.example/{tenant}/v2"));
        assert!(!fits("https://i.example/v2"));
        assert!(!fits("https://{tenant}.i.example/{tenant}"));
    }

    #[test]
    fn debug_output_has_the_name_and_no_secret() {
        let text = format!("{:?}", issuer("https://i.example"));
        assert!(
            text.contains("https://i.example") && text.contains("api"),
            "{text}"
        );
        assert!(!text.contains(SECRET), "{text}");
    }
}
