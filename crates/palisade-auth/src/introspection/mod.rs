//! Opaque access tokens, about which their issuer is asked (RFC 7662).

mod answer;
mod builder;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request, StatusCode, Uri};
use palisade_client::HttpClient;
use palisade_core::Principal;
use palisade_core::time::{UnixTime, WallClock};
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;

use self::answer::{KnownToken, read};
pub use self::builder::IntrospectionBuilder;
use crate::Refusal;
use crate::digest::{Digest, sha256};
use crate::form::escape;
use crate::jwt::trusted::TrustedIssuer;
use crate::outcome::Outcome;

/// Opaque access tokens of one issuer, about which it is asked (RFC 7662). Clones share what was answered.
///
/// An answer is believed for 10 seconds, unless told otherwise, and for no longer than the token lives. So a token that its
/// issuer has revoked passes for that long. The issuer is asked by at most 64 requests at once; more are refused with 503,
/// as are all while it does not answer. The body of a token is not logged.
///
/// # Example
///
/// ```
/// use palisade_auth::{AuthLayer, Introspection, Issuer};
/// # let secret = "Zt9QwL3nVb6YxK1rMd8FpS5gHc2JeU7o";
///
/// let rules = Issuer::introspected("https://idp.example/").audience("api://bookings");
/// let tokens = Introspection::builder(rules, "https://idp.example/introspect")
///     .client("bookings", secret)
///     .build()?;
/// let layer = AuthLayer::new().introspection(tokens);
/// # Ok::<(), palisade_auth::AuthError>(())
/// ```
#[derive(Clone)]
pub struct Introspection(Arc<Inner>);

struct Inner {
    issuer: TrustedIssuer,
    url: Uri,
    authorization: HeaderValue,
    client: HttpClient,
    believed_for: Duration,
    answers: Cache<Digest, Answered>,
    asking: Semaphore,
    clock: WallClock,
}

/// The answer about a token, and the time until which it is believed.
#[derive(Clone)]
struct Answered {
    result: Result<KnownToken, Refusal>,
    until: UnixTime,
}

impl Introspection {
    /// 10 seconds, for which an answer is believed unless told otherwise: a page and what it loads are one question.
    pub const DEFAULT_AGE: Duration = Duration::from_secs(10);
    /// 60 seconds, the longest time that an answer may be believed.
    pub const MAX_AGE: Duration = Duration::from_secs(60);
    /// The number of answers that are kept.
    const ANSWERS: usize = 10_000;
    /// The number of tokens that are asked about at once.
    const AT_ONCE: usize = 64;

    /// Decides about one token.
    ///
    /// # Errors
    ///
    /// The reason, which is for records and not for the caller. [`Refusal::UnknownToken`] for a token that is not active,
    /// [`Refusal::StoreUnavailable`] when the issuer could not be asked.
    ///
    /// # Cancel safety
    ///
    /// Dropping it leaves nothing behind.
    pub async fn authenticate(&self, token: &str) -> Result<Arc<Principal>, Refusal> {
        match self.check(
            token.as_bytes(),
            &crate::jwt::confirmation::Possession::default(),
        ) {
            Outcome::Now(result) => result,
            Outcome::Later(later) => later.await,
        }
    }

    pub(crate) fn check(
        &self,
        token: &[u8],
        shown: &crate::jwt::confirmation::Possession,
    ) -> Outcome {
        let name = sha256(token);
        let now = self.0.clock.now();
        if let Some(known) = self.0.answers.get(&name)
            && now < known.until
        {
            return Outcome::Now(known.result.and_then(|known| known.for_holder(shown)));
        }
        let (this, body, shown) = (self.clone(), form(token), *shown);
        Outcome::Later(Box::pin(async move {
            this.ask(name, body).await?.for_holder(&shown)
        }))
    }

    async fn ask(&self, name: Digest, body: Bytes) -> Result<KnownToken, Refusal> {
        let this = &self.0;
        let Ok(_asking) = this.asking.try_acquire() else {
            tracing::warn!(target: "palisade_auth", "too many tokens are asked about at once");
            return Err(Refusal::StoreUnavailable);
        };
        let mut request = Request::new(body);
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = this.url.clone();
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, this.authorization.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, form);
        let failed = |reason: &dyn fmt::Display| {
            tracing::warn!(target: "palisade_auth", %reason, "a token could not be asked about");
            Refusal::StoreUnavailable
        };
        let response = this.client.send(request).await;
        let response = response.map_err(|error| failed(&error))?;
        if response.status() != StatusCode::OK {
            return Err(failed(&response.status()));
        }
        let now = this.clock.now();
        let result = read(response.body(), &this.issuer, now);
        if matches!(result, Err(Refusal::StoreUnavailable)) {
            return Err(failed(&"the answer is no introspection response"));
        }
        let ends_at = result.as_ref().ok();
        let ends_at = ends_at.and_then(|known| known.principal.expiry());
        let believed = now.saturating_add(this.believed_for);
        let answered = Answered {
            result: result.clone(),
            until: ends_at.map_or(believed, |end| end.min(believed)),
        };
        this.answers.insert(name, answered);
        result
    }
}

impl KnownToken {
    /// The principal, for who has proved the key that the token is bound to.
    fn for_holder(
        self,
        shown: &crate::jwt::confirmation::Possession,
    ) -> Result<Arc<Principal>, Refusal> {
        shown.check(self.bound_to.as_ref()).map(|()| self.principal)
    }
}

/// `token=...&token_type_hint=access_token` (RFC 7662, section 2.1).
fn form(token: &[u8]) -> Bytes {
    let mut form = b"token=".to_vec();
    escape(token, &mut form);
    form.extend_from_slice(b"&token_type_hint=access_token");
    form.into()
}

impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspection")
            .field("issuer", &self.0.issuer.name)
            .finish_non_exhaustive()
    }
}
