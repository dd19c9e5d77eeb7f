//! Requests to the server, and the meaning of its answers.

use std::collections::HashMap;
use std::error::Error as _;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use palisade_client::{HttpClient, HttpClientError};
use palisade_core::Problems;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{Error, ProviderError};

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
/// Asked of clients, so that a server-side request forgery, which cannot set it, does not pass a Vault Agent.
const REQUEST: HeaderName = HeaderName::from_static("x-vault-request");

#[derive(Clone)]
pub(super) struct Server {
    client: HttpClient,
    /// The address without a slash at its end.
    pub(super) base: Box<str>,
    /// The namespace, if there is one; `Some(None)` for one that is no value of a header field.
    pub(super) namespace: Option<Option<HeaderValue>>,
}

/// An answer that was read to its end.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    body: Bytes,
}

impl Server {
    pub(super) fn new(
        address: &str,
        client: Result<HttpClient, HttpClientError>,
    ) -> Result<Self, Error> {
        const FIELD: &str = "VAULT_ADDR";
        let client = client.map_err(|error| refused("vault", error.to_string()))?;
        let base = address.trim().trim_end_matches('/');
        let url: Uri = base.parse().map_err(|_| refused(FIELD, "is no URL"))?;
        if !matches!(url.scheme_str(), Some("http" | "https")) || url.host().is_none() {
            return Err(refused(FIELD, "must be an http or https URL"));
        }
        if url.query().is_some() || url.authority().is_some_and(|at| at.as_str().contains('@')) {
            return Err(refused(
                FIELD,
                "must have neither a query nor user information",
            ));
        }
        Ok(Self {
            client,
            base: base.into(),
            namespace: None,
        })
    }

    pub(super) async fn read(
        &self,
        path: &str,
        token: &SecretString,
    ) -> Result<Reply, ProviderError> {
        self.send(Method::GET, path, Some(token), Bytes::new())
            .await
    }

    pub(super) async fn write(
        &self,
        path: &str,
        token: Option<&SecretString>,
        body: &impl Serialize,
    ) -> Result<Reply, ProviderError> {
        let body = serde_json::to_vec(body)
            .map_err(|_| ProviderError::new("the request cannot be written as JSON"))?;
        self.send(Method::POST, path, token, body.into()).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        token: Option<&SecretString>,
        body: Bytes,
    ) -> Result<Reply, ProviderError> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = format!("{}/v1/{path}", self.base)
            .parse()
            .map_err(|_| ProviderError::new("the path cannot stand in a URL"))?;
        let headers = request.headers_mut();
        headers.insert(REQUEST, HeaderValue::from_static("true"));
        if let Some(namespace) = &self.namespace {
            let unusable = || ProviderError::new("the namespace cannot stand in a header field");
            headers.insert(NAMESPACE, namespace.clone().ok_or_else(unusable)?);
        }
        if let Some(token) = token {
            let mut value = HeaderValue::from_str(token.expose_secret())
                .map_err(|_| ProviderError::new("the token cannot stand in a header field"))?;
            value.set_sensitive(true);
            headers.insert(TOKEN, value);
        }
        let response = self
            .client
            .send(request)
            .await
            .map_err(|error| unreached(&error))?;
        Ok(Reply {
            status: response.status(),
            body: response.into_body(),
        })
    }
}

/// The error and its causes, of which none shows more of a URL than its origin.
fn unreached(error: &HttpClientError) -> ProviderError {
    let mut message = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        message = format!("{message}: {cause}");
        next = cause.source();
    }
    ProviderError::new(message)
}

impl Reply {
    /// The fields of an answer that is a success, or an error that says why it is none.
    pub(super) fn success(&self) -> Result<Answer<'_>, ProviderError> {
        if self.status.is_success() {
            self.parse()
        } else {
            Err(self.refusal())
        }
    }

    /// The fields of an answer of any status.
    pub(super) fn parse(&self) -> Result<Answer<'_>, ProviderError> {
        parsed(&self.body)
    }

    /// The reason for an answer that is no success. What the server wrote is not repeated: it quotes what it was sent.
    pub(super) fn refusal(&self) -> ProviderError {
        // https://developer.hashicorp.com/vault/api-docs#http-status-codes, and for 472 .../system/health
        let said = match self.status.as_u16() {
            300..400 => "redirects to another server, which is not followed",
            400 => "bad request",
            403 => "permission denied",
            404 => "not found",
            412 => "not yet as recent as its leader",
            429 => "too many requests, or a standby",
            472 => "a secondary of disaster recovery",
            473 => "a performance standby",
            501 => "not initialized",
            503 => "sealed, or down for maintenance",
            _ => "refused",
        };
        ProviderError::new(format!("{} ({said})", self.status.as_u16()))
    }
}

/// The fields that all answers share.
#[derive(Deserialize)]
pub(super) struct Answer<'a> {
    #[serde(borrow, default)]
    pub(super) data: Option<&'a RawValue>,
    #[serde(default)]
    pub(super) lease_id: String,
    /// In seconds.
    #[serde(default)]
    pub(super) lease_duration: u64,
    #[serde(default)]
    pub(super) renewable: bool,
    #[serde(default)]
    pub(super) auth: Option<Auth>,
}

/// A token that was given or renewed.
#[derive(Deserialize)]
pub(super) struct Auth {
    pub(super) client_token: SecretString,
    /// In seconds; 0 for a token without an end.
    pub(super) lease_duration: u64,
    pub(super) renewable: bool,
}

/// Reads JSON; the error of the parser would quote it.
pub(super) fn parsed<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, ProviderError> {
    serde_json::from_slice(json).map_err(|_| ProviderError::new("answered what cannot be read"))
}

/// Takes one field out of the fields of a secret, or all of them as JSON. Text is taken as it is, anything else as JSON.
pub(super) fn value_of(
    data: &RawValue,
    field: Option<&str>,
) -> Result<Option<SecretString>, ProviderError> {
    let Some(field) = field else {
        return Ok(Some(data.get().into()));
    };
    let fields: HashMap<String, &RawValue> = parsed(data.get().as_bytes())?;
    match fields.get(field).map(|value| value.get()) {
        None | Some("null") => Ok(None),
        Some(text) if text.starts_with('"') => parsed(text.as_bytes()).map(Some),
        Some(other) => Ok(Some(other.into())),
    }
}

/// One thing that is wrong with how a server is reached.
fn refused(field: &str, reason: impl Into<String>) -> Error {
    Error::Refused(Problems::one(field, reason))
}
