//! The discovery document (OpenID Connect Discovery 1.0, section 3; RFC 8414). Pure.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Deserialize;

use super::super::flow::NamesItself;
use super::client::Method;
use crate::jwt::is_trusted;

pub(crate) struct Metadata {
    pub(crate) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    pub(crate) userinfo_endpoint: Option<String>,
    pub(crate) end_session_endpoint: Option<String>,
    pub(super) method: Option<Method>,
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
            method: method(document.token_endpoint_auth_methods_supported.as_deref()),
            names_itself,
        })
    }
}

/// `client_secret_basic` unless the document leaves it out.
fn method(supported: Option<&[String]>) -> Option<Method> {
    let has = |name: &str| supported.is_none_or(|all| all.iter().any(|method| method == name));
    if has("client_secret_basic") {
        Some(Method::Basic)
    } else if has("client_secret_post") {
        Some(Method::Post)
    } else {
        None
    }
}
