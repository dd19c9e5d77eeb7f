use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use zeroize::Zeroizing;

use crate::form::escape;

/// The credentials of this service at the provider.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) id: Box<str>,
    secret: Option<Zeroizing<String>>,
}

/// The way in which a client authenticates at the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Basic,
    Post,
}

impl Client {
    pub(crate) fn confidential(id: &str, secret: &str) -> Self {
        Self {
            id: id.into(),
            secret: Some(Zeroizing::new(secret.to_owned())),
        }
    }

    pub(crate) fn public(id: &str) -> Self {
        Self {
            id: id.into(),
            secret: None,
        }
    }

    pub(super) const fn has_secret(&self) -> bool {
        self.secret.is_some()
    }

    pub(crate) fn has_empty_secret(&self) -> bool {
        self.secret.as_ref().is_some_and(|secret| secret.is_empty())
    }

    /// `Authorization` (RFC 6749, section 2.3.1), if this is how.
    pub(super) fn authorization(&self, method: Method) -> Option<HeaderValue> {
        let secret = self.secret.as_ref().filter(|_| method == Method::Basic)?;
        let mut pair = Zeroizing::new(Vec::new());
        escape(self.id.as_bytes(), &mut pair);
        pair.push(b':');
        escape(secret.as_bytes(), &mut pair);
        let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(&*pair)));
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// The members of the body that say it otherwise.
    pub(super) fn members(&self, method: Method) -> Vec<(&str, &str)> {
        match (&self.secret, method) {
            (Some(_), Method::Basic) => Vec::new(),
            (Some(secret), Method::Post) => {
                vec![("client_id", &self.id), ("client_secret", secret)]
            }
            (None, _) => vec![("client_id", &self.id)],
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
