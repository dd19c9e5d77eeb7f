use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri};
use palisade_client::HttpClient;
use palisade_core::Problems;
use palisade_core::time::WallClock;
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::{Inner, Introspection};
use crate::AuthError;
use crate::form::escape;
use crate::jwt::issuer::Issuer;

/// The longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Collects the settings of [`Introspection`].
pub struct IntrospectionBuilder {
    issuer: Issuer,
    url: Box<str>,
    authorization: Option<HeaderValue>,
    client: Option<HttpClient>,
    believed_for: Duration,
    clock: WallClock,
}

impl Introspection {
    /// Starts with an issuer made by [`Issuer::introspected`], and the address of its introspection endpoint.
    #[must_use]
    pub fn builder(issuer: Issuer, url: &str) -> IntrospectionBuilder {
        IntrospectionBuilder {
            issuer,
            url: url.into(),
            authorization: None,
            client: None,
            believed_for: Self::DEFAULT_AGE,
            clock: WallClock::system(),
        }
    }
}

impl IntrospectionBuilder {
    /// Sets by what this service is known to the issuer, sent as `Basic` (RFC 6749, section 2.3.1). Required.
    #[must_use]
    pub fn client(mut self, id: &str, secret: &str) -> Self {
        let mut pair = Zeroizing::new(Vec::new());
        escape(id.as_bytes(), &mut pair);
        pair.push(b':');
        escape(secret.as_bytes(), &mut pair);
        let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(&*pair)));
        self.authorization = HeaderValue::from_str(&text).ok().map(|mut value| {
            value.set_sensitive(true);
            value
        });
        self
    }

    /// Sets for how long an answer is believed, in whole seconds; default 10 seconds, at most 60. Zero asks each time.
    #[must_use]
    pub const fn believed_for(mut self, age: Duration) -> Self {
        self.believed_for = age;
        self
    }

    /// Sets the HTTP client; default one of its own, which gives up after 5 seconds.
    #[must_use]
    pub fn http_client(mut self, client: HttpClient) -> Self {
        self.client = Some(client);
        self
    }

    /// Sets the clock; default the system's.
    #[must_use]
    pub fn clock(mut self, clock: WallClock) -> Self {
        self.clock = clock;
        self
    }

    /// The tokens.
    ///
    /// # Errors
    ///
    /// Returns every setting that cannot be used: an address that is not `https` nor on this machine, no client, an age over
    /// 60 seconds, and what the issuer lacks. Fails when the root certificates of the system cannot be read.
    pub fn build(self) -> Result<Introspection, AuthError> {
        let mut problems = Problems::none();
        let issuer = self.issuer.build_without_keys();
        let issuer = issuer.map_err(|part| problems.append("issuer.", part));
        let url = self.url.parse::<Uri>().ok();
        let url = url.filter(|_| crate::jwt::is_trusted(&self.url));
        if url.is_none() {
            problems.push("url", "is not an https URL");
        }
        if self.authorization.is_none() {
            problems.push("client", "is missing");
        }
        if self.believed_for > Introspection::MAX_AGE {
            problems.push("believed_for", "is over 60 seconds");
        }
        let client = match self.client {
            Some(client) => Ok(client),
            None => HttpClient::builder()
                .name("introspection")
                .connect_timeout(Duration::from_secs(2))
                .attempt_timeout(TIMEOUT)
                .total_timeout(TIMEOUT)
                .max_body(64 * 1024)
                .build(),
        };
        let client = client.map_err(|error| problems.push("http_client", error.to_string()));
        let (Ok(issuer), Some(url), Some(authorization), Ok(client), true) =
            (issuer, url, self.authorization, client, problems.is_empty())
        else {
            return Err(problems.into());
        };
        Ok(Introspection(Arc::new(Inner {
            issuer,
            url,
            authorization,
            client,
            believed_for: self.believed_for,
            answers: Cache::new(Introspection::ANSWERS),
            asking: Semaphore::new(Introspection::AT_ONCE),
            clock: self.clock,
        })))
    }
}

impl fmt::Debug for IntrospectionBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntrospectionBuilder")
            .field("issuer", &self.issuer)
            .field("believed_for", &self.believed_for)
            .finish_non_exhaustive()
    }
}
