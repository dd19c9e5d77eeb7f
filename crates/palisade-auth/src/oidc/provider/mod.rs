//! The requests to a provider over HTTPS.

mod assertion;
mod client;
mod metadata;
mod tokens;
mod userinfo;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use palisade_client::HttpClient;
use palisade_core::time::{self, Instant, WallClock};
use tokio::sync::Mutex;

pub(super) use self::client::Client;
use self::metadata::Metadata;
pub use self::tokens::ProviderTokens;
#[cfg(all(feature = "redis", feature = "axum"))]
pub(crate) use self::tokens::TokenParts;
pub(super) use self::userinfo::UserinfoAnswer;
use super::OidcError;

/// The time for which a discovery document is believed: places change with migrations.
const KNOWN_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// The time in which nobody else waits for a provider that has just not answered.
const REST: Duration = Duration::from_secs(2);

/// The registration at a provider.
pub(super) struct Registered {
    pub(super) client: Client,
    pub(super) redirect_uri: Box<str>,
    /// The audience of client assertions; default the token endpoint.
    pub(super) assertion_audience: Option<Box<str>>,
    pub(super) clock: WallClock,
}

pub(super) struct Provider {
    issuer: Box<str>,
    http: HttpClient,
    registered: Registered,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    metadata: Option<(Arc<Metadata>, Instant)>,
    failed: Option<(OidcError, Instant)>,
}

impl Provider {
    pub(super) fn new(issuer: &str, http: HttpClient, registered: Registered) -> Self {
        Self {
            issuer: issuer.into(),
            http,
            registered,
            known: Mutex::default(),
        }
    }

    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(super) fn client_id(&self) -> &str {
        &self.registered.client.id
    }

    pub(super) fn redirect_uri(&self) -> &str {
        &self.registered.redirect_uri
    }

    /// The discovery document, fetched once for all who wait for it. An old one stays while there is no newer.
    pub(super) async fn metadata(&self) -> Result<Arc<Metadata>, OidcError> {
        let mut known = self.known.lock().await;
        let old = match &known.metadata {
            Some((metadata, since)) if since.elapsed() < KNOWN_FOR => {
                return Ok(Arc::clone(metadata));
            }
            old => old.as_ref().map(|(metadata, _)| Arc::clone(metadata)),
        };
        if let Some((error, at)) = known.failed
            && at.elapsed() < REST
        {
            return old.ok_or(error);
        }
        match self.fetch_metadata().await {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                known.failed = None;
                known.metadata = Some((Arc::clone(&metadata), time::now()));
                Ok(metadata)
            }
            Err(error) => {
                known.failed = Some((error, time::now()));
                old.ok_or(error)
            }
        }
    }

    async fn fetch_metadata(&self) -> Result<Metadata, OidcError> {
        let below = self.issuer.strip_suffix('/').unwrap_or(&self.issuer);
        let url = format!("{below}/.well-known/openid-configuration");
        let response = self.send(&url, Request::new(Bytes::new())).await?;
        Metadata::read(&response, &self.issuer).map_err(|reason| self.bad_answer(&url, &reason))
    }

    async fn send(
        &self,
        url: &str,
        mut request: Request<Bytes>,
    ) -> Result<Response<Bytes>, OidcError> {
        *request.uri_mut() = url.parse::<Uri>().map_err(|_| OidcError::BadAnswer)?;
        let sent = self.http.send(request).await;
        sent.map_err(|error| {
            tracing::warn!(target: "palisade_auth", url, %error, "the provider could not be asked");
            OidcError::Unavailable
        })
    }

    fn bad_answer(&self, url: &str, reason: &dyn fmt::Display) -> OidcError {
        tracing::warn!(
            target: "palisade_auth",
            issuer = &*self.issuer, url, %reason,
            "the provider's answer cannot be used"
        );
        OidcError::BadAnswer
    }
}
