//! The userinfo endpoint (OpenID Connect Core 1.0, section 5.3).

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderValue, Request, StatusCode};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{OidcError, Provider};
use crate::TokenClaims;
use crate::jwt::json::has_unique_members;

#[derive(Deserialize)]
struct Subject {
    sub: String,
}

impl Provider {
    /// The claims about this subject.
    pub(crate) async fn userinfo(
        &self,
        url: &str,
        access_token: &str,
        subject: &str,
    ) -> Result<TokenClaims, OidcError> {
        let mut request = Request::new(Bytes::new());
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let bearer = Zeroizing::new(format!("Bearer {access_token}"));
        let bearer = HeaderValue::from_str(&bearer);
        let mut bearer = bearer.map_err(|_| OidcError::BadAnswer)?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
        let response = self.send(url, request).await?;
        match response.status() {
            StatusCode::OK => {}
            status if status.is_server_error() => return Err(OidcError::Unavailable),
            status => return Err(self.bad_answer(url, &status)),
        }
        let json = response.into_body();
        if !has_unique_members(&json) {
            return Err(self.bad_answer(url, &"it names a member twice, or is no JSON"));
        }
        let claims = TokenClaims::new(json.to_vec());
        let about: Subject = claims
            .parse()
            .map_err(|_| self.bad_answer(url, &"it has no `sub`"))?;
        // Anybody's claims could be put in the place of the user's otherwise (section 5.3.2).
        if about.sub != subject {
            return Err(OidcError::WrongSubject);
        }
        Ok(claims)
    }
}
