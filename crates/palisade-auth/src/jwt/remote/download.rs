//! Documents of keys over HTTPS, and where an issuer says that its own is.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use palisade_client::{BreakerConfig, HttpClient};
use palisade_core::time::{self, Instant};
use serde::Deserialize;

use super::fetch::{FetchError, JwksResponse, is_trusted};
use super::{Jwks, MAX_BODY, TIMEOUT};
use crate::AuthError;

/// The pause of a server after repeated failures; [`HttpClient`]'s own minute is too long for tokens that wait for keys.
const REST: Duration = Duration::from_secs(5);
/// The time for which the place of the keys is believed: places change with migrations, not with keys.
const PLACE_FOR: Duration = Duration::from_secs(24 * 60 * 60);

impl Jwks {
    /// Keys from `url`, which `client` gets, or one with the limits that keys need: no redirects, 5 seconds for all
    /// attempts, 512 KiB, and 5 seconds of rest after 5 failures within a minute.
    ///
    /// A document that has an `ETag` is not sent again while it stays the same (RFC 9110, section 13.1.2).
    ///
    /// # Errors
    ///
    /// Refuses a URL that is not `https`, unless its host is this machine. Fails when the root certificates of the system
    /// cannot be read.
    pub fn download(url: &str, client: Option<HttpClient>) -> Result<Self, AuthError> {
        let documents = Arc::new(Documents::new(client)?);
        Self::new(url, move |url| {
            let documents = Arc::clone(&documents);
            async move { documents.keys.get(&documents.client, &url).await }
        })
    }

    /// The keys of an issuer, from where its discovery document says that they are (OpenID Connect Discovery 1.0); other
    /// limits as for [`download`](Self::download).
    ///
    /// The document is at `/.well-known/openid-configuration` below the issuer. It is asked for with the first keys, after
    /// 24 hours, and when the keys are no longer where it said. It must name exactly this issuer (section 4.3).
    ///
    /// # Errors
    ///
    /// As for [`download`](Self::download), and refuses an issuer with a query or a fragment (section 2).
    pub fn discover(issuer: &str, client: Option<HttpClient>) -> Result<Self, AuthError> {
        if issuer.contains(['?', '#']) {
            return Err(AuthError::one("issuer", "has a query or a fragment"));
        }
        let discovery = Arc::new(Discovery {
            issuer: issuer.into(),
            documents: Documents::new(client)?,
            place: Mutex::default(),
        });
        let below = issuer.strip_suffix('/').unwrap_or(issuer);
        let url = format!("{below}/.well-known/openid-configuration");
        Self::new(&url, move |url| {
            let discovery = Arc::clone(&discovery);
            async move { discovery.keys(&url).await }
        })
    }
}

struct Documents {
    client: HttpClient,
    keys: Document,
}

impl Documents {
    fn new(client: Option<HttpClient>) -> Result<Self, AuthError> {
        let client = client.map_or_else(default_client, Ok)?;
        let keys = Document::default();
        Ok(Self { client, keys })
    }
}

fn default_client() -> Result<HttpClient, AuthError> {
    let mut breaker = BreakerConfig::default();
    breaker.open_for = Some(REST);
    let builder = HttpClient::builder()
        .name("jwks")
        .connect_timeout(Duration::from_secs(2))
        .attempt_timeout(Duration::from_secs(4))
        .total_timeout(TIMEOUT)
        .max_body(MAX_BODY)
        .breaker(breaker);
    let built = builder.build();
    built.map_err(|error| AuthError::one("client", error.to_string()))
}

/// The last document that had a tag, so that it need not be sent again.
#[derive(Default)]
struct Document(Mutex<Option<Tagged>>);

#[derive(Clone)]
struct Tagged {
    url: String,
    tag: HeaderValue,
    body: Vec<u8>,
}

impl Document {
    async fn get(&self, client: &HttpClient, url: &str) -> Result<JwksResponse, FetchError> {
        let known = self.known().filter(|known| known.url == url);
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = url.parse::<Uri>()?;
        if let Some(known) = &known {
            let tag = known.tag.clone();
            request.headers_mut().insert(IF_NONE_MATCH, tag);
        }
        let response = client.send(request).await?;
        let body = match (response.status(), known) {
            (StatusCode::OK, _) => {
                let body = response.body().to_vec();
                self.keep(response.headers().get(ETAG).map(|tag| Tagged {
                    url: url.to_owned(),
                    tag: tag.clone(),
                    body: body.clone(),
                }));
                body
            }
            (StatusCode::NOT_MODIFIED, Some(known)) => known.body,
            (status, _) => return Err(refused(status)),
        };
        let cache_control = response.headers().get(CACHE_CONTROL);
        let cache_control = cache_control.and_then(|text| text.to_str().ok());
        Ok(JwksResponse {
            body,
            cache_control: cache_control.map(str::to_owned),
        })
    }

    fn known(&self) -> Option<Tagged> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.clone()
    }

    fn keep(&self, tagged: Option<Tagged>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = tagged;
    }
}

fn refused(status: StatusCode) -> FetchError {
    format!("the answer has status {}", status.as_u16()).into()
}

struct Discovery {
    issuer: Box<str>,
    documents: Documents,
    /// The address of the keys, and the time since which it is known.
    place: Mutex<Option<(String, Instant)>>,
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

impl Discovery {
    async fn keys(&self, url: &str) -> Result<JwksResponse, FetchError> {
        let known = self.place();
        if let Some((place, since)) = &known
            && since.elapsed() < PLACE_FOR
            && let Ok(keys) = self.keys_at(place).await
        {
            return Ok(keys);
        }
        let place = match (self.metadata(url).await, known) {
            (Ok(metadata), _) => self.admit(&metadata)?,
            // Who cannot be asked has said nothing new.
            (Err(_), Some((place, _))) => place,
            (Err(error), None) => return Err(error),
        };
        self.keys_at(&place).await
    }

    async fn keys_at(&self, place: &str) -> Result<JwksResponse, FetchError> {
        let documents = &self.documents;
        documents.keys.get(&documents.client, place).await
    }

    async fn metadata(&self, url: &str) -> Result<Response<Bytes>, FetchError> {
        let response = self.documents.client.get(url).await?;
        match response.status() {
            StatusCode::OK => Ok(response),
            status => Err(refused(status)),
        }
    }

    /// Believes a discovery document where it may be believed.
    fn admit(&self, response: &Response<Bytes>) -> Result<String, FetchError> {
        let metadata: Metadata = serde_json::from_slice(response.body())
            .map_err(|_| "the discovery document has no issuer or no jwks_uri")?;
        if metadata.issuer != *self.issuer {
            return Err("the discovery document is another issuer's".into());
        }
        if !is_trusted(&metadata.jwks_uri) {
            return Err("the jwks_uri of the discovery document is not https".into());
        }
        let place = metadata.jwks_uri;
        *self.locked() = Some((place.clone(), time::now()));
        Ok(place)
    }

    fn place(&self) -> Option<(String, Instant)> {
        self.locked().clone()
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Option<(String, Instant)>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
