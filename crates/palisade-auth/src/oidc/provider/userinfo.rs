//! The userinfo endpoint (OpenID Connect Core 1.0, section 5.3).

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use zeroize::Zeroizing;

use super::{OidcError, Provider};
use crate::TokenClaims;
use crate::jwt::json::has_unique_members;

/// The answer of the endpoint, whomever it is about.
pub(crate) enum UserinfoAnswer {
    Plain(TokenClaims),
    /// A token that nobody has verified yet (section 5.3.2).
    Signed(String),
}

impl Provider {
    pub(crate) async fn userinfo(
        &self,
        url: &str,
        access_token: &str,
    ) -> Result<UserinfoAnswer, OidcError> {
        let mut request = Request::new(Bytes::new());
        let headers = request.headers_mut();
        let both = HeaderValue::from_static("application/json, application/jwt");
        headers.insert(ACCEPT, both);
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
        let is_signed = is_jwt(response.headers());
        let body = response.into_body();
        if is_signed {
            let token = std::str::from_utf8(&body);
            let token = token.map_err(|_| self.bad_answer(url, &"it is no token"))?;
            return Ok(UserinfoAnswer::Signed(token.trim().to_owned()));
        }
        if !has_unique_members(&body) {
            return Err(self.bad_answer(url, &"it names a member twice, or is no JSON"));
        }
        Ok(UserinfoAnswer::Plain(TokenClaims::new(body.to_vec())))
    }
}

fn is_jwt(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/jwt")
}
