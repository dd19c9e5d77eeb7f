use std::fmt;

use arc_swap::ArcSwapOption;
use http::HeaderValue;
use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use crate::{Error, Secret, Secrets};

/// The token to sign with now, as the value of a header.
pub(super) enum Tokens {
    Fixed(HeaderValue),
    Rotating {
        secrets: Secrets,
        name: Box<str>,
        /// The value made of the latest secret, so that it is made once.
        made: ArcSwapOption<(Secret, HeaderValue)>,
    },
}

impl Tokens {
    pub(super) fn fixed(token: &str) -> Result<Self, Error> {
        header("token", token).map(Self::Fixed)
    }

    pub(super) fn rotating(secrets: Secrets, name: &str) -> Self {
        Self::Rotating {
            secrets,
            name: name.into(),
            made: ArcSwapOption::empty(),
        }
    }

    /// The value, unless it must be waited for.
    pub(super) fn now(&self) -> Option<Result<HeaderValue, Error>> {
        match self {
            Self::Fixed(value) => Some(Ok(value.clone())),
            Self::Rotating { secrets, name, .. } => Some(match secrets.cached(name)? {
                Ok(secret) => self.value_of(&secret),
                Err(error) => Err(error),
            }),
        }
    }

    /// The secret, once it is there. Nothing to wait for with a fixed token.
    pub(super) async fn wait(&self) {
        if let Self::Rotating { secrets, name, .. } = self {
            // What it is, or why there is none, is known from now on.
            let _ = secrets.secret(name).await;
        }
    }

    fn value_of(&self, secret: &Secret) -> Result<HeaderValue, Error> {
        let Self::Rotating { name, made, .. } = self else {
            return header("token", secret.expose_secret());
        };
        if let Some(made) = &*made.load()
            && made.0.ptr_eq(secret)
        {
            return Ok(made.1.clone());
        }
        let value = header(name, secret.expose_secret())?;
        made.store(Some(std::sync::Arc::new((secret.clone(), value.clone()))));
        Ok(value)
    }
}

/// `Bearer` and the token, marked so that it is neither shown nor compressed.
fn header(name: &str, token: &str) -> Result<HeaderValue, Error> {
    let invalid = |reason: &str| Error::Invalid {
        name: name.into(),
        field: "value".into(),
        reason: reason.into(),
    };
    // RFC 6750, section 2.1: letters, digits and these, then any number of `=`.
    let token68 = token.trim_end_matches('=');
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    if token68.is_empty() || !token68.bytes().all(allowed) {
        return Err(invalid("is not a bearer token (RFC 6750, section 2.1)"));
    }
    let text = Zeroizing::new(format!("Bearer {token}"));
    let mut value = HeaderValue::from_str(&text).map_err(|_| invalid("is not a header value"))?;
    value.set_sensitive(true);
    Ok(value)
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(_) => f.write_str("Fixed([redacted])"),
            Self::Rotating { name, .. } => f.debug_tuple("Rotating").field(name).finish(),
        }
    }
}
