use std::fmt;
use std::sync::{Arc, OnceLock};

use http::Extensions;

/// 128 bits, as CSP Level 3, section 7.1, asks for at least.
const BYTES: usize = 16;
/// Characters of base64url without padding.
pub(super) const CHARS: usize = 22;

/// The nonce of one response, for `<script nonce="...">`.
///
/// It is made when it is first read: 128 random bits in 22 characters of base64url, which need no escaping in HTML.
/// Clones are the same nonce. With feature `axum` it is an extractor; elsewhere take it [from the
/// extensions](Self::of) of the request.
///
/// # Security
///
/// Read it before the response is returned. The headers leave then, so what is read later is not in the policy, and the
/// browser blocks the script. Never write it onto what a visitor typed.
///
/// # Example
///
/// ```
/// use palisade_headers::CspNonce;
///
/// fn page(request: &http::Request<()>) -> String {
///     match CspNonce::of(request.extensions()) {
///         Some(nonce) => format!("<script nonce=\"{nonce}\">start()</script>"),
///         None => String::from("no scripts here"),
///     }
/// }
/// # assert_eq!(page(&http::Request::new(())), "no scripts here");
/// ```
#[derive(Clone)]
pub struct CspNonce(Arc<OnceLock<Option<[u8; CHARS]>>>);

impl CspNonce {
    pub(super) fn unread() -> Self {
        Self(Arc::new(OnceLock::new()))
    }

    /// The nonce of the response to the request with these extensions, if its policy has one.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Option<Self> {
        extensions.get::<Self>().cloned()
    }

    /// The nonce as text.
    ///
    /// It is empty if the operating system had no random bytes; the policy then allows no inline script.
    #[must_use]
    pub fn as_str(&self) -> &str {
        text(self.0.get_or_init(|| {
            let bytes = palisade_core::random::bytes::<BYTES>().ok()?;
            Some(base64url(&bytes))
        }))
    }

    /// The characters of the nonce if somebody has read it.
    pub(super) fn if_read(&self) -> Option<&[u8; CHARS]> {
        self.0.get()?.as_ref()
    }
}

fn text(nonce: &Option<[u8; CHARS]>) -> &str {
    nonce
        .as_ref()
        .and_then(|chars| std::str::from_utf8(chars).ok())
        .unwrap_or_default()
}

impl fmt::Display for CspNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for CspNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CspNonce([redacted])")
    }
}

fn base64url(bytes: &[u8; BYTES]) -> [u8; CHARS] {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits = u128::from_be_bytes(*bytes);
    // 22 characters are 132 bits: the last one holds two bits and four zeros (RFC 4648, section 3.5).
    std::array::from_fn(|at| {
        let six = match at {
            21 => (bits << 4) & 0x3f,
            _ => (bits >> (122 - 6 * at)) & 0x3f,
        };
        ALPHABET[six as usize]
    })
}

#[cfg(feature = "axum")]
mod extract {
    use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
    use http::request::Parts;
    use palisade_core::{Code, Rejection};

    use super::CspNonce;

    impl<S: Sync> FromRequestParts<S> for CspNonce {
        type Rejection = Rejection;

        /// Answers 500 when no layer around the handler has a policy with a nonce: a page whose scripts would all be
        /// blocked is a mistake of the operator.
        async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
            Self::of(&parts.extensions).ok_or_else(|| {
                tracing::error!(target: crate::TARGET, "a handler asks for a nonce, but no policy has one");
                Rejection::new(Code::Internal)
            })
        }
    }

    impl<S: Sync> OptionalFromRequestParts<S> for CspNonce {
        type Rejection = std::convert::Infallible;

        async fn from_request_parts(
            parts: &mut Parts,
            _: &S,
        ) -> Result<Option<Self>, Self::Rejection> {
            Ok(Self::of(&parts.extensions))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 4648, section 10, gives no vector of 16 bytes; these follow from the alphabet of its table 2.
    #[test]
    fn text_is_base64url() {
        assert_eq!(&base64url(&[0; 16]), b"AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(&base64url(&[0xff; 16]), b"_____________________w");
        assert_eq!(&base64url(b"foobarfoobarfoob"), b"Zm9vYmFyZm9vYmFyZm9vYg");
    }

    #[test]
    fn clones_are_one_nonce_and_others_differ() {
        let nonce = CspNonce::unread();
        assert_eq!(nonce.if_read(), None);
        assert_eq!(nonce.clone().as_str(), nonce.as_str());
        assert_eq!(
            nonce.if_read().map(|read| &read[..]),
            Some(nonce.as_str().as_bytes())
        );
        assert_ne!(nonce.as_str(), CspNonce::unread().as_str());
    }

    #[test]
    fn debug_does_not_show_it() {
        let nonce = CspNonce::unread();
        assert!(!format!("{nonce:?}").contains(nonce.as_str()));
    }
}
