use std::fmt;
use std::sync::Arc;

use palisade_core::{Principal, secret};

use crate::AuthError;
use crate::credential::is_token68;
use crate::digest::{Digest, same_digest, sha256};

/// The issuer that principals of static service tokens have.
pub(crate) const ISSUER: &str = "service-token";

/// A static bearer token by which one service knows another. Only its SHA-256 is kept.
///
/// # Example
///
/// ```
/// use palisade_auth::{AuthLayer, ServiceToken};
/// # let (new, old) = ("kD2vGq0yX8mTn5cWbR7sJ4hLz1fP6aEu", "Zt9QwL3nVb6YxK1rMd8FpS5gHc2JeU7o");
///
/// let crm = ServiceToken::new("crm", new)?.previous(old)?.scopes(["notify"]);
/// let layer = AuthLayer::new().service(crm)?;
/// # Ok::<(), palisade_auth::AuthError>(())
/// ```
#[derive(Clone)]
pub struct ServiceToken {
    name: Box<str>,
    digests: Vec<Digest>,
    principal: Principal,
}

impl ServiceToken {
    /// The issuer of every service that has a static token.
    pub const ISSUER: &str = ISSUER;

    /// The token of the service `name`: at least 32 bytes from a random generator, of the characters that a bearer
    /// token may have (`A-Z a-z 0-9 - . _ ~ + /`, and `=` at the end).
    ///
    /// # Errors
    ///
    /// Refuses an empty name, and a token that is too short, a placeholder, not random, or could not stand in a header.
    pub fn new(name: &str, token: impl AsRef<[u8]>) -> Result<Self, AuthError> {
        if name.is_empty() {
            return Err(AuthError::one("service_token", "has no name"));
        }
        Ok(Self {
            name: name.into(),
            digests: vec![digest(name, token.as_ref())?],
            principal: Principal::service(ISSUER, name),
        })
    }

    /// Accepts the token used until now as well, while the other side changes.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new), and refuses a third one.
    pub fn previous(mut self, token: impl AsRef<[u8]>) -> Result<Self, AuthError> {
        if self.digests.len() > 1 {
            let field = format!("service_token[{}].previous", self.name);
            return Err(AuthError::one(field, "is there already"));
        }
        self.digests.push(digest(&self.name, token.as_ref())?);
        Ok(self)
    }

    /// Sets the scopes that the service has; default none.
    #[must_use]
    pub fn scopes<T: AsRef<str>>(mut self, scopes: impl IntoIterator<Item = T>) -> Self {
        self.principal = self.principal.scopes(scopes);
        self
    }

    /// Sets the roles that the service has; default none.
    #[must_use]
    pub fn roles<T: AsRef<str>>(mut self, roles: impl IntoIterator<Item = T>) -> Self {
        self.principal = self.principal.roles(roles);
        self
    }

    /// Sets the permissions that the service has; default none.
    #[must_use]
    pub fn permissions<T: AsRef<str>>(mut self, permissions: impl IntoIterator<Item = T>) -> Self {
        self.principal = self.principal.permissions(permissions);
        self
    }
}

impl fmt::Debug for ServiceToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceToken")
            .field("name", &self.name)
            .field("tokens", &self.digests.len())
            .finish_non_exhaustive()
    }
}

fn digest(name: &str, token: &[u8]) -> Result<Digest, AuthError> {
    let field = || format!("service_token[{name}]");
    secret::check(token, 32).map_err(|weak| AuthError::one(field(), weak.to_string()))?;
    if !is_token68(token) {
        return Err(AuthError::one(
            field(),
            "has characters that no bearer token has",
        ));
    }
    Ok(sha256(token))
}

/// Every configured service token.
#[derive(Clone, Default)]
pub(crate) struct ServiceTokens(Vec<(Digest, Arc<Principal>)>);

impl ServiceTokens {
    pub(crate) fn add(&mut self, service: ServiceToken) -> Result<(), AuthError> {
        let taken = |digest: &Digest| self.0.iter().any(|(known, _)| known == digest);
        if service.digests.iter().any(taken) {
            let field = format!("service_token[{}]", service.name);
            return Err(AuthError::one(field, "is that of another service"));
        }
        let principal = Arc::new(service.principal);
        let tokens = service.digests.into_iter();
        self.0
            .extend(tokens.map(|digest| (digest, Arc::clone(&principal))));
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Looks at every token, so that the time says nothing about which one was near.
    pub(crate) fn find(&self, presented: &Digest) -> Option<&Arc<Principal>> {
        let mut found = None;
        for (digest, principal) in &self.0 {
            if same_digest(digest, presented) {
                found = Some(principal);
            }
        }
        found
    }
}
