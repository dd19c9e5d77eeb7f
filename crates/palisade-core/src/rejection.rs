#[cfg(feature = "axum")]
mod axum;
mod code;
mod context;
mod render;
mod respond;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Response};
use serde_json::Value;

pub use self::code::Code;
pub use self::context::RejectionContext;
use crate::Name;

/// A refusal, or an application's own error, in the one format of a whole service.
///
/// Over HTTP it becomes `application/problem+json` (RFC 9457) that also carries the usual error envelope; over gRPC a
/// trailers-only response. It never says why a credential failed, and names nothing internal: what goes into
/// [`message`](Self::message) and [`detail`](Self::detail) is for the caller to read.
///
/// # Example
///
/// ```
/// use palisade_core::{Code, Rejection, RejectionContext};
///
/// let request = http::Request::new(());
/// let refusal = Rejection::new(Code::Validation).message("two fields are wrong").detail("room", "is empty");
/// let response = refusal.into_response::<String>(&RejectionContext::of(&request));
/// assert_eq!(response.status(), 400);
/// assert_eq!(response.headers()["content-type"], "application/problem+json");
/// ```
#[derive(Debug, Clone)]
pub struct Rejection(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    code: Code,
    problem_type: &'static str,
    message: Cow<'static, str>,
    violated_policy: Option<Name>,
    members: Vec<(&'static str, Value)>,
    details: Vec<(Cow<'static, str>, Value)>,
    retry_after: Option<Duration>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Replaces the form of rejections; see [`ScopeLayer::renderer`](crate::ScopeLayer::renderer).
#[derive(Clone)]
pub struct Renderer(Arc<Render>);

type Render = dyn Fn(&Rejection, &RejectionContext) -> Response<bytes::Bytes> + Send + Sync;

impl Renderer {
    /// A renderer that answers what `render` answers.
    #[must_use]
    pub fn new(
        render: impl Fn(&Rejection, &RejectionContext) -> Response<bytes::Bytes> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(render))
    }
}

impl std::fmt::Debug for Renderer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Renderer")
    }
}

impl Rejection {
    /// A rejection with the code's own message.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self(Box::new(Parts {
            code,
            problem_type: "about:blank",
            message: Cow::Borrowed(code.default_message()),
            violated_policy: None,
            members: Vec::new(),
            details: Vec::new(),
            retry_after: None,
            headers: Vec::new(),
        }))
    }

    /// Sets the sentence that the caller reads.
    #[must_use]
    pub fn message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.0.message = message.into();
        self
    }

    /// Sets the problem type, a URI (RFC 9457, section 3.1.1); default `about:blank`.
    #[must_use]
    pub fn problem_type(mut self, uri: &'static str) -> Self {
        self.0.problem_type = uri;
        self
    }

    /// Sets an entry of `error.details`, such as a field and what is wrong with it. The latest of one name stays, and
    /// `retry_after` is what [`retry_after`](Self::retry_after) says.
    #[must_use]
    pub fn detail(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> Self {
        set(&mut self.0.details, name.into(), value.into());
        self
    }

    /// Names the limit that refused, as the member `violated-policies` of problems with quotas
    /// (draft-ietf-httpapi-ratelimit-headers-10, section 6).
    #[must_use]
    pub fn violated_policy(mut self, policy: Name) -> Self {
        self.0.violated_policy = Some(policy);
        self
    }

    /// Sets an extension member of the problem itself (RFC 9457, section 3.2). The latest of one name stays; the names
    /// that have a method or a meaning of their own, such as `status`, are not extensions and are left alone.
    #[must_use]
    pub fn member(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        if !STANDARD_MEMBERS.contains(&name) {
            set(&mut self.0.members, name, value.into());
        }
        self
    }

    /// Says when to try again: `Retry-After` in whole seconds, rounded up and at least 1, or
    /// `grpc-retry-pushback-ms`.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Adds a header to the response, such as `WWW-Authenticate` or `Allow`.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// The kind of the rejection.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.0.code
    }

    /// The sentence that the caller reads.
    #[must_use]
    pub fn message_text(&self) -> &str {
        &self.0.message
    }

    /// The time until the caller may try again.
    #[must_use]
    pub const fn retry_hint(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The entries of `error.details`.
    pub fn details(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0
            .details
            .iter()
            .map(|(name, value)| (name.as_ref(), value))
    }

    /// The extra headers.
    pub fn headers(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.0.headers.iter().map(|(name, value)| (name, value))
    }

    /// Whole seconds of [`retry_after`](Self::retry_after), rounded up and at least 1.
    pub(crate) fn retry_seconds(&self) -> Option<u64> {
        let wait = self.0.retry_after?;
        let rounded_up = wait
            .as_secs()
            .saturating_add(u64::from(wait.subsec_nanos() > 0));
        Some(rounded_up.max(1))
    }
}

/// The members that a problem has of itself.
const STANDARD_MEMBERS: [&str; 6] = [
    "type",
    "title",
    "status",
    "detail",
    "violated-policies",
    "error",
];

/// Sets the value of a name that must not stand twice: parsers differ over which of two they believe.
fn set<N: PartialEq>(entries: &mut Vec<(N, Value)>, name: N, value: Value) {
    match entries.iter_mut().find(|(known, _)| *known == name) {
        Some((_, old)) => *old = value,
        None => entries.push((name, value)),
    }
}
