use std::fmt;
use std::pin::Pin;

use http::HeaderValue;
use palisade_core::Handle;
use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use crate::{Error, Secret, Secrets, Stage};

pub(super) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The token to sign with now, as the value of a header.
pub(super) enum Tokens {
    Fixed(HeaderValue),
    Rotating { secrets: Secrets, name: Box<str> },
}

/// The token that one request is signed with.
#[derive(Clone)]
pub(super) struct Signature {
    pub(super) value: HeaderValue,
    /// The secret that it was made of; nothing for a fixed token.
    secret: Option<Secret>,
}

impl Tokens {
    pub(super) fn fixed(token: &str) -> Result<Self, Error> {
        header("token", token).map(Self::Fixed)
    }

    pub(super) fn rotating(secrets: Secrets, name: &str) -> Self {
        Self::Rotating {
            secrets,
            name: name.into(),
        }
    }

    /// Returns the header to sign with, unless it must be waited for.
    #[inline]
    pub(super) fn value_now(&self) -> Option<Result<HeaderValue, Error>> {
        match self {
            Self::Fixed(value) => Some(Ok(value.clone())),
            Self::Rotating { secrets, name } => {
                let value_of = |secret: &Secret| self.value_of(secret);
                match secrets.cached_as(name, Stage::Current, value_of)? {
                    Ok(value) => Some(value),
                    Err(error) => Some(Err(error)),
                }
            }
        }
    }

    /// As [`value_now`](Self::value_now), with what a second signature is told apart by.
    pub(super) fn signature_now(&self) -> Option<Result<Signature, Error>> {
        match self {
            Self::Fixed(value) => Some(Ok(Signature {
                value: value.clone(),
                secret: None,
            })),
            Self::Rotating { secrets, name } => {
                let read = secrets.cached(name)?;
                Some(read.and_then(|secret| self.sign_with(secret)))
            }
        }
    }

    /// Another signature than the one that was refused, if there is one.
    pub(super) fn another_than(
        tokens: Handle<Self>,
        refused: Signature,
    ) -> BoxFuture<Option<Signature>> {
        Box::pin(async move {
            let Self::Rotating { secrets, name } = &*tokens else {
                return None;
            };
            let refused = refused.secret.as_ref()?;
            secrets.report_rejected(name, refused);
            let secret = secrets.secret(name).await.ok()?;
            if secret.same_value(refused) {
                return None;
            }
            tokens.sign_with(secret).ok()
        })
    }

    /// The signature, once its secret is read. Nothing to wait for with a fixed token.
    pub(super) fn signature(tokens: Handle<Self>) -> BoxFuture<Result<Signature, Error>> {
        Box::pin(async move {
            match &*tokens {
                Self::Fixed(value) => Ok(Signature {
                    value: value.clone(),
                    secret: None,
                }),
                Self::Rotating { secrets, name } => {
                    let secret = secrets.secret(name).await?;
                    tokens.sign_with(secret)
                }
            }
        })
    }

    fn sign_with(&self, secret: Secret) -> Result<Signature, Error> {
        Ok(Signature {
            value: self.value_of(&secret)?,
            secret: Some(secret),
        })
    }

    /// Returns the header that a secret makes, which is kept with it.
    #[inline]
    fn value_of(&self, secret: &Secret) -> Result<HeaderValue, Error> {
        match (self, secret.header()) {
            (Self::Fixed(value), _) | (_, Some(value)) => Ok(value.clone()),
            (Self::Rotating { name, .. }, None) => {
                let value = header(name, secret.expose_secret())?;
                secret.keep_header(value.clone());
                Ok(value)
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_token_is_there_at_once_and_in_no_debug_output() {
        let tokens = Tokens::fixed("kD2vGq0yX8mTn5cWbR7s").unwrap();
        let value = tokens.value_now().unwrap().unwrap();
        assert_eq!(value, "Bearer kD2vGq0yX8mTn5cWbR7s");
        assert_eq!(format!("{tokens:?}"), "Fixed([redacted])");
    }
}
