mod span;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use palisade_core::time::{Instant, UnixTime};
use palisade_core::{
    ClientAddr, EventKind, LimitDecision, Name, Principal, RequestId, RequestScope, SecurityEvent,
    Severity, TraceParent,
};

use self::span::Span;
use crate::capture::{Capture, SharedCapture};
use crate::class::Deliveries;
use crate::hold::Hold;
use crate::redact::Kept;
use crate::trail::places::Place;
use crate::{Audit, Class, Delivery, Outcome};

/// Text buffers that grew beyond this are not kept for the next request.
const KEEP_TEXT: usize = 2_048;

/// An entry moves between threads as one pointer, and its memory is used again.
pub(crate) type Slot = Box<Entry>;

/// A request in flight, as far as it is known. Its memory is used again for later requests.
///
/// Texts are copied rather than shared: a shared slice would keep the server's whole read buffer alive until the
/// record is written, and be freed on another thread.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    pub(crate) at: UnixTime,
    pub(crate) started: Option<Instant>,
    pub(crate) duration: Duration,
    pub(crate) delivery: Delivery,
    pub(crate) method: Method,
    pub(crate) status: Option<StatusCode>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) grpc_status: Option<u32>,
    /// Bytes of the response body that the client's side took.
    pub(crate) sent: u64,
    /// The whole length of the body, where it was known.
    pub(crate) expected: Option<u64>,
    pub(crate) client: Option<ClientAddr>,
    /// The trail that the record goes to; not while the record waits for its writer.
    pub(crate) audit: Option<Audit>,
    /// Until the request is over: its memory is the server's, and is given back there.
    pub(crate) scope: Option<RequestScope>,
    pub(crate) trace: Option<TraceParent>,
    /// The policy of the limit that refused the request, or that it was counted by.
    pub(crate) limited_by: Option<Name>,
    /// The place in the queue for the record.
    pub(crate) place: Place,
    /// Whether the service's own code runs now.
    pub(crate) inside: bool,
    pub(crate) hold: Option<Box<Hold>>,
    pub(crate) principal: Option<Arc<Principal>>,
    pub(crate) events: Vec<SecurityEvent>,
    pub(crate) stage: Option<&'static str>,
    /// Up to how many bytes of the response's body are captured, where any are.
    pub(crate) capture_limit: Option<usize>,
    pub(crate) request_body: Option<SharedCapture>,
    pub(crate) response_body: Option<Box<Capture>>,
    text: Vec<u8>,
    path: Span,
    query: Option<Span>,
    host: Option<Span>,
    request_id: Option<Span>,
    headers: Vec<(HeaderName, Span)>,
}

impl Entry {
    pub(crate) fn with_room() -> Self {
        Self {
            text: Vec::with_capacity(256),
            ..Self::default()
        }
    }

    /// Drops everything but the buffers.
    ///
    /// The writer calls it for every entry and mostly changes nothing, so that the memory stays shared between processors
    /// and the next request need not fetch it back.
    pub(crate) fn release(&mut self) {
        if self.principal.is_some() {
            self.principal = None;
        }
        if !self.events.is_empty() {
            self.events.clear();
        }
        if self.request_body.is_some() {
            self.request_body = None;
        }
        if self.response_body.is_some() {
            self.response_body = None;
        }
        if self.text.capacity() > KEEP_TEXT {
            self.text = Vec::new();
        }
    }

    /// Makes the entry fit for the next request.
    pub(crate) fn clear(&mut self) {
        let mut text = std::mem::take(&mut self.text);
        let mut headers = std::mem::take(&mut self.headers);
        let mut events = std::mem::take(&mut self.events);
        text.clear();
        headers.clear();
        events.clear();
        *self = Self {
            text,
            headers,
            events,
            ..Self::default()
        };
    }

    pub(crate) fn set_target(&mut self, method: &Method, uri: &Uri, host: Option<&HeaderValue>) {
        self.method = copied(method);
        self.query = uri.query().map(|query| self.keep(query.as_bytes()));
        let host = match uri.authority() {
            Some(authority) => Some(authority.as_str().as_bytes()),
            None => host.map(HeaderValue::as_bytes),
        };
        // An authority may carry user info, which is a credential.
        let host = host.and_then(|host| host.rsplit(|byte| *byte == b'@').next());
        self.host = host.map(|host| self.keep(host));
    }

    /// Notes the path as the client sent it.
    pub(crate) fn set_path(&mut self, path: &str) {
        self.path = self.keep(path.as_bytes());
    }

    pub(crate) fn add_header(&mut self, name: &HeaderName, value: &HeaderValue) {
        let span = self.keep(value.as_bytes());
        self.headers.push((name.clone(), span));
    }

    fn keep(&mut self, bytes: &[u8]) -> Span {
        Span::copy(&mut self.text, bytes)
    }

    pub(crate) fn path(&self) -> &str {
        let bytes = self.sent_path().text;
        match std::str::from_utf8(bytes) {
            Ok(path) => path,
            // A long path may have been cut inside a character.
            Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
        }
    }

    pub(crate) fn sent_path(&self) -> Kept<'_> {
        self.path.of(&self.text)
    }

    pub(crate) fn query(&self) -> Option<Kept<'_>> {
        Some(self.query.as_ref()?.of(&self.text))
    }

    pub(crate) fn host(&self) -> Option<Kept<'_>> {
        Some(self.host.as_ref()?.of(&self.text))
    }

    pub(crate) fn headers(&self) -> impl Iterator<Item = (&HeaderName, Kept<'_>)> {
        self.headers
            .iter()
            .map(|(name, span)| (name, span.of(&self.text)))
    }

    pub(crate) fn request_id(&self) -> Option<&str> {
        let id = self.request_id.as_ref()?.of(&self.text);
        std::str::from_utf8(id.text).ok()
    }

    /// Notes what the scope knows of the request, so that the record can do without it: its memory is not the writer's
    /// to free.
    pub(crate) fn note_scope(
        &mut self,
        request_id: Option<&RequestId>,
        trace: Option<TraceParent>,
        limit: Option<LimitDecision>,
        principal: Option<Arc<Principal>>,
    ) {
        self.trace = trace;
        self.limited_by = limit.map(|limit| limit.policy);
        self.principal = principal;
        if let (Some(id), None) = (request_id, &self.request_id) {
            self.request_id = Some(self.keep(id.as_str().as_bytes()));
        }
    }

    /// Raises the delivery to the strictest of the classes of what happened.
    pub(crate) fn be_as_strict_as_its_classes(&mut self, deliveries: &Deliveries) {
        let strictest = self.classes().map(|class| deliveries.of(class)).max();
        self.delivery = self.delivery.max(strictest.unwrap_or(Delivery::BestEffort));
    }

    pub(crate) fn user_agent(&self) -> Option<Kept<'_>> {
        let mut headers = self.headers();
        let agent = headers.find(|(name, _)| **name == http::header::USER_AGENT);
        agent.map(|(_, value)| value)
    }

    /// Returns the outcome that the status stands for.
    pub(crate) fn outcome_of_status(&self) -> Outcome {
        if self.grpc_status.is_some_and(|status| status != 0) {
            return match self.grpc_status {
                Some(7 | 8 | 16) => Outcome::Denied,
                _ => Outcome::Failure,
            };
        }
        match self.status.map_or(0, |status| status.as_u16()) {
            401 | 403 | 407 | 429 | 511 => Outcome::Denied,
            400.. => Outcome::Failure,
            _ => Outcome::Success,
        }
    }

    /// Returns the most severe event, which explains a refusal best.
    pub(crate) fn most_severe(&self) -> Option<&SecurityEvent> {
        self.events.iter().max_by_key(|event| event.how_severe())
    }

    /// Returns the severity of the request itself: its events have records of their own.
    pub(crate) fn severity(&self) -> Severity {
        match self.outcome {
            Some(Outcome::Panic | Outcome::Error) => Severity::Critical,
            Some(Outcome::Denied | Outcome::Incomplete | Outcome::Aborted) => Severity::Warn,
            _ if self.status.is_some_and(|status| status.is_server_error()) => Severity::Warn,
            _ => Severity::Info,
        }
    }

    /// The classes of what happened: plain access, and those of its events.
    pub(crate) fn classes(&self) -> impl Iterator<Item = Class> {
        let events = self.events.iter().map(SecurityEvent::kind).map(Class::of);
        std::iter::once(Class::Access).chain(events)
    }

    /// The class that a lost record is counted under.
    pub(crate) fn main_class(&self) -> Class {
        self.most_severe()
            .map(SecurityEvent::kind)
            .map_or(Class::Access, Class::of)
    }

    /// A copy that says that the response has begun; the events go with it.
    pub(crate) fn stage_begun(&mut self) -> Self {
        self.stage = Some("response_complete");
        if let Some(scope) = self.scope.clone() {
            let limit = scope.with_limits(|limits| {
                let refused = limits.iter().find(|limit| !limit.allowed);
                refused.or(limits.first()).copied()
            });
            let (id, trace) = (scope.request_id(), scope.trace_parent());
            self.note_scope(id, trace, limit, scope.principal());
        }
        Self {
            at: self.at,
            started: self.started,
            duration: self.duration,
            delivery: self.delivery,
            method: self.method.clone(),
            status: self.status,
            outcome: None,
            grpc_status: self.grpc_status,
            sent: 0,
            expected: self.expected,
            client: self.client,
            audit: None,
            scope: None,
            trace: self.trace,
            limited_by: self.limited_by,
            place: Place::None,
            inside: false,
            hold: None,
            principal: self.principal.clone(),
            events: std::mem::take(&mut self.events),
            stage: Some("response_started"),
            capture_limit: None,
            request_body: self.request_body.clone(),
            response_body: None,
            text: self.text.clone(),
            path: self.path,
            query: self.query,
            host: self.host,
            request_id: self.request_id,
            headers: self.headers.clone(),
        }
    }
}

/// Copies a method. A clone is stored in parts and loaded as a whole, which stalls the processor; a constant is not.
fn copied(method: &Method) -> Method {
    match *method {
        Method::GET => Method::GET,
        Method::HEAD => Method::HEAD,
        Method::POST => Method::POST,
        Method::PUT => Method::PUT,
        Method::PATCH => Method::PATCH,
        Method::DELETE => Method::DELETE,
        Method::OPTIONS => Method::OPTIONS,
        _ => method.clone(),
    }
}

/// Whether an event says by itself that something was refused.
pub(crate) const fn outcome_of_event(kind: EventKind) -> Outcome {
    match kind {
        EventKind::LoginFailure
        | EventKind::RevokedTokenUse
        | EventKind::RefreshReuse
        | EventKind::AuthorizationFailure
        | EventKind::ExcessRateLimit
        | EventKind::MaliciousCors
        | EventKind::CrossOriginRequest
        | EventKind::InputValidationFailure
        | EventKind::BreakerRejection => Outcome::Denied,
        EventKind::CryptoFailure | EventKind::StoreUnavailable => Outcome::Failure,
        _ => Outcome::Success,
    }
}
