//! The discovery document (OpenID Connect Discovery 1.0, section 3; RFC 8414). Pure.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Deserialize;

use super::super::flow::NamesItself;
use crate::jwt::is_trusted;

pub(crate) struct Metadata {
    pub(crate) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    pub(crate) userinfo_endpoint: Option<String>,
    pub(crate) end_session_endpoint: Option<String>,
    /// The ways in which clients may authenticate, if it says so.
    pub(super) methods: Option<Vec<String>>,
    /// The algorithms of client assertions, if it says so.
    pub(super) assertion_algorithms: Option<Vec<String>>,
    pub(crate) names_itself: NamesItself,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    userinfo_endpoint: Option<String>,
    end_session_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    token_endpoint_auth_signing_alg_values_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl Document {
    fn endpoints(&self) -> impl Iterator<Item = &String> {
        let required = [&self.authorization_endpoint, &self.token_endpoint];
        let optional = [&self.userinfo_endpoint, &self.end_session_endpoint];
        required.into_iter().chain(optional.into_iter().flatten())
    }
}

impl Metadata {
    /// Believes a document where it may be believed.
    pub(super) fn read(response: &Response<Bytes>, issuer: &str) -> Result<Self, &'static str> {
        if response.status() != StatusCode::OK {
            return Err("the discovery document is not there");
        }
        let document: Document = serde_json::from_slice(response.body())
            .map_err(|_| "the discovery document lacks an endpoint")?;
        if document.issuer != issuer {
            return Err("the discovery document is another issuer's");
        }
        if !document
            .endpoints()
            .all(|url| is_trusted(url) && !url.contains('#'))
        {
            return Err("an endpoint of the discovery document is not https");
        }
        let names_itself = if document.authorization_response_iss_parameter_supported {
            NamesItself::Always
        } else {
            NamesItself::Perhaps
        };
        Ok(Self {
            authorization_endpoint: document.authorization_endpoint,
            token_endpoint: document.token_endpoint,
            userinfo_endpoint: document.userinfo_endpoint,
            end_session_endpoint: document.end_session_endpoint,
            methods: document.token_endpoint_auth_methods_supported,
            assertion_algorithms: document.token_endpoint_auth_signing_alg_values_supported,
            names_itself,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// <https://accounts.google.com/.well-known/openid-configuration>, without what is not read here.
    const GOOGLE: &str = r#"{
        "issuer": "https://accounts.google.com",
        "authorization_endpoint": "https://accounts.google.com/o/oauth2/v2/auth",
        "device_authorization_endpoint": "https://oauth2.googleapis.com/device/code",
        "token_endpoint": "https://oauth2.googleapis.com/token",
        "userinfo_endpoint": "https://openidconnect.googleapis.com/v1/userinfo",
        "revocation_endpoint": "https://oauth2.googleapis.com/revoke",
        "jwks_uri": "https://www.googleapis.com/oauth2/v3/certs",
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        "code_challenge_methods_supported": ["plain", "S256"]
    }"#;

    #[test]
    fn the_discovery_document_of_google_is_read() {
        let response = || Response::new(Bytes::from_static(GOOGLE.as_bytes()));
        let google = Metadata::read(&response(), "https://accounts.google.com").unwrap();
        assert_eq!(
            google.authorization_endpoint,
            "https://accounts.google.com/o/oauth2/v2/auth"
        );
        assert_eq!(google.token_endpoint, "https://oauth2.googleapis.com/token");
        assert_eq!(
            google.userinfo_endpoint.as_deref(),
            Some("https://openidconnect.googleapis.com/v1/userinfo")
        );
        assert_eq!(google.end_session_endpoint, None, "no logout of its own");
        assert_eq!(google.names_itself, NamesItself::Perhaps);
        let client = super::super::Client::confidential("1234", "GOCSPX-an-example");
        let method = client.method(google.methods.as_deref());
        assert_eq!(
            method.map(super::super::client::Method::name),
            Some("client_secret_basic")
        );
        for other in ["https://accounts.google.com/", "accounts.google.com"] {
            assert!(Metadata::read(&response(), other).is_err(), "{other}");
        }
    }
}
