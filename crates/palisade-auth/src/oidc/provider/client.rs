use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use zeroize::Zeroizing;

use crate::SigningKeys;
use crate::form::escape;

/// The credentials of this service at the provider.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) id: Box<str>,
    credential: Credential,
}

#[derive(Clone)]
enum Credential {
    None,
    Secret(Zeroizing<String>),
    Key(SigningKeys),
}

/// The way in which a client authenticates at the token endpoint, by its registered name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    None,
    Basic,
    Post,
    PrivateKey,
}

impl Method {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
            Self::PrivateKey => "private_key_jwt",
        }
    }
}

impl Client {
    pub(crate) fn confidential(id: &str, secret: &str) -> Self {
        Self::of(id, Credential::Secret(Zeroizing::new(secret.to_owned())))
    }

    pub(crate) fn public(id: &str) -> Self {
        Self::of(id, Credential::None)
    }

    pub(crate) fn with_key(id: &str, keys: SigningKeys) -> Self {
        Self::of(id, Credential::Key(keys))
    }

    fn of(id: &str, credential: Credential) -> Self {
        Self {
            id: id.into(),
            credential,
        }
    }

    pub(crate) fn has_empty_secret(&self) -> bool {
        matches!(&self.credential, Credential::Secret(secret) if secret.is_empty())
    }

    pub(super) const fn keys(&self) -> Option<&SigningKeys> {
        match &self.credential {
            Credential::Key(keys) => Some(keys),
            Credential::None | Credential::Secret(_) => None,
        }
    }

    const fn secret(&self) -> Option<&Zeroizing<String>> {
        match &self.credential {
            Credential::Secret(secret) => Some(secret),
            Credential::None | Credential::Key(_) => None,
        }
    }

    /// The way to authenticate at a provider that supports these, or does not say.
    pub(super) fn method(&self, supported: Option<&[String]>) -> Option<Method> {
        let ways: &[Method] = match &self.credential {
            // There is nothing that it could be refused with.
            Credential::None => return Some(Method::None),
            Credential::Secret(_) => &[Method::Basic, Method::Post],
            Credential::Key(_) => &[Method::PrivateKey],
        };
        let has = |way: &&Method| {
            supported.is_none_or(|all| all.iter().any(|method| method == way.name()))
        };
        ways.iter().find(has).copied()
    }

    /// `Authorization` (RFC 6749, section 2.3.1), if this is how.
    pub(super) fn authorization(&self, method: Method) -> Option<HeaderValue> {
        let secret = self.secret().filter(|_| method == Method::Basic)?;
        let mut pair = Zeroizing::new(Vec::new());
        escape(self.id.as_bytes(), &mut pair);
        pair.push(b':');
        escape(secret.as_bytes(), &mut pair);
        let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(&*pair)));
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// The members of the body that say who asks, and his secret if it belongs there.
    pub(super) fn members(&self, method: Method) -> Vec<(&str, &str)> {
        let mut members = Vec::new();
        if method != Method::Basic {
            members.push(("client_id", &*self.id));
        }
        if method == Method::Post {
            members.extend(
                self.secret()
                    .map(|secret| ("client_secret", secret.as_str())),
            );
        }
        members
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
