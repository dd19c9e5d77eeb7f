use super::issuer::Issuer;
use super::remote::Jwks;
use crate::AuthError;

impl Issuer {
    /// An issuer whose keys are fetched from this URL; other rules as for [`keys`](Self::keys). Say which algorithms it
    /// uses. [`Jwks::download`] takes a client of your own.
    ///
    /// # Errors
    ///
    /// Refuses a URL that is not `https`, unless its host is this machine. Fails when the root certificates of the system
    /// cannot be read.
    #[cfg_attr(docsrs, doc(cfg(feature = "client")))]
    pub fn jwks_url(name: &str, url: &str) -> Result<Self, AuthError> {
        Ok(Self::jwks(name, Jwks::download(url, None)?))
    }

    /// An issuer whose keys are where its discovery document says (OpenID Connect Discovery 1.0); other rules as for
    /// [`keys`](Self::keys). Say which algorithms it uses. [`Jwks::discover`] takes a client of your own.
    ///
    /// `name` is the issuer as its tokens name it, to the last slash. Nothing is fetched before the first token.
    ///
    /// # Example
    ///
    /// ```
    /// use palisade_auth::{Algorithm, Issuer, JwtVerifier};
    ///
    /// let idp = Issuer::discover("https://idp.example/")?
    ///     .algorithms([Algorithm::RS256])
    ///     .audience("api://bookings");
    /// let jwt = JwtVerifier::builder().issuer(idp).build()?;
    /// # Ok::<(), palisade_auth::AuthError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`jwks_url`](Self::jwks_url), and refuses a name with a query or a fragment.
    #[cfg_attr(docsrs, doc(cfg(feature = "client")))]
    pub fn discover(name: &str) -> Result<Self, AuthError> {
        Ok(Self::jwks(name, Jwks::discover(name, None)?))
    }
}
