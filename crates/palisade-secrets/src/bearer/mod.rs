//! Outbound requests, signed.

mod future;
mod outbound;
mod repeat;
mod service;
mod token;

use std::fmt;

use palisade_core::Handle;
use tower_layer::Layer;

pub use self::future::ResponseFuture;
pub use self::outbound::Outbound;
#[cfg(feature = "reqwest")]
pub use self::repeat::ReplayReqwest;
pub use self::repeat::{Once, Repeat, Replay};
pub use self::service::Bearer;
use self::token::Tokens;
use crate::{Error, Secrets};

/// Signs outbound requests with a bearer token (RFC 6750, section 2.1), which may rotate.
///
/// It sets `Authorization`, in the place of whatever stands there. When no token can be had the request is not sent, and
/// the answer is 503. The service inside must be `Clone`.
///
/// A token that is not known yet, or too old, is read while the call waits for it: once for all calls, and to the end
/// even when those calls are dropped. [`SecretsBuilder::provider_timeout`](crate::SecretsBuilder::provider_timeout)
/// bounds that read, and a timeout around this layer bounds the wait of a call.
///
/// With feature `reqwest` it signs the requests of reqwest's client as well.
///
/// # Example
///
/// ```
/// use palisade_secrets::BearerLayer;
///
/// let layer = BearerLayer::fixed("kD2vGq0yX8mTn5cWbR7s")?;
/// assert!(BearerLayer::fixed("two words").is_err());
/// # let _ = layer;
/// # Ok::<(), palisade_secrets::Error>(())
/// ```
///
/// # Security
///
/// The token goes wherever the client inside sends the request. Put the layer around a client for one service, not
/// around one that follows redirects to others.
#[derive(Clone)]
pub struct BearerLayer<R = Once> {
    tokens: Option<Handle<Tokens>>,
    repeat: R,
}

impl BearerLayer {
    /// Signs with this token.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when it has other characters than RFC 6750 allows.
    pub fn fixed(token: &str) -> Result<Self, Error> {
        Ok(Self {
            tokens: Some(Handle::new(Tokens::fixed(token)?)),
            repeat: Once,
        })
    }

    /// Signs with the token that a secret holds, and with the new one once it rotates.
    #[must_use]
    pub fn rotating(secrets: &Secrets, name: &str) -> Self {
        Self {
            tokens: Some(Handle::new(Tokens::rotating(secrets.clone(), name))),
            repeat: Once,
        }
    }

    /// A layer that passes everything through, of the same type.
    #[must_use]
    pub const fn off() -> Self {
        Self {
            tokens: None,
            repeat: Once,
        }
    }

    /// Sends a request a second time when the answer is 401 and another token is to be had by then.
    ///
    /// The refusal makes the secret be read anew, at most once in 10 seconds. `copy` copies the body of the request, or
    /// says with `None` that it cannot; such a request is sent once. Mind that the copy is kept while the first
    /// request is under way.
    ///
    /// # Example
    ///
    /// ```
    /// use palisade_secrets::BearerLayer;
    ///
    /// let layer = BearerLayer::off().repeat_unauthorized(|body: &String| Some(body.clone()));
    /// # let _ = layer;
    /// ```
    pub fn repeat_unauthorized<F, Rq>(self, copy: F) -> BearerLayer<Replay<F>>
    where
        F: Fn(&Rq) -> Option<Rq>,
    {
        BearerLayer {
            tokens: self.tokens,
            repeat: Replay::new(copy),
        }
    }
}

#[cfg(feature = "reqwest")]
impl BearerLayer {
    /// Sends a request of reqwest a second time, as [`repeat_unauthorized`](Self::repeat_unauthorized) does one of `http`,
    /// unless its body is a stream.
    #[must_use]
    pub fn repeat_unauthorized_reqwest(self) -> BearerLayer<ReplayReqwest> {
        BearerLayer {
            tokens: self.tokens,
            repeat: ReplayReqwest,
        }
    }
}

impl<R> BearerLayer<R> {
    /// Keeps the state for the rest of the process; see [`Handle::leak`].
    #[must_use]
    pub fn leak(self) -> Self {
        Self {
            tokens: self.tokens.map(Handle::leak),
            repeat: self.repeat,
        }
    }
}

impl<S, R: Clone> Layer<S> for BearerLayer<R> {
    type Service = Bearer<S, R>;

    fn layer(&self, inner: S) -> Bearer<S, R> {
        Bearer::new(inner, self.tokens.clone(), self.repeat.clone())
    }
}

impl<R> fmt::Debug for BearerLayer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BearerLayer")
            .field(&self.tokens.as_deref())
            .finish()
    }
}
