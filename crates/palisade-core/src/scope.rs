mod late;
mod layer;
mod limits;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use http::{Extensions, HeaderValue};

pub use self::late::LateSink;
pub use self::layer::ScopeLayer;
pub use self::limits::LimitDecision;
use self::limits::Limits;
use crate::time::{self, Instant};
use crate::{ClientAddr, Principal, Renderer, RequestId, SecurityEvent, TraceParent};

/// The state that the layers of one request share: its id, client, principals, decisions of limits and security events.
///
/// It lies in the request's extensions and is shared, so that the record stays whole when the client hangs up, a
/// timeout replaces the response, or the handler panics. Our own layers pass nothing to each other by header.
///
/// # Example
///
/// ```
/// use palisade_core::{Principal, RequestScope};
///
/// let mut request = http::Request::new(());
/// assert!(RequestScope::current(request.extensions()).is_none());
///
/// let scope = RequestScope::enter(request.extensions_mut());
/// scope.push_principal(Principal::user("https://idp.example/", "alice").into());
/// let seen = RequestScope::current(request.extensions()).unwrap();
/// assert_eq!(seen.principal().unwrap().subject(), "alice");
/// ```
#[derive(Clone)]
pub struct RequestScope(Arc<Shared>);

struct Shared {
    started: Instant,
    request_id: OnceLock<RequestId>,
    trace_parent: OnceLock<TraceParent>,
    trace_state: OnceLock<HeaderValue>,
    client: OnceLock<ClientAddr>,
    renderer: OnceLock<Renderer>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    // The usual single principal needs no list of its own.
    principal: Option<Arc<Principal>>,
    earlier: Vec<Arc<Principal>>,
    limits: Limits,
    events: Vec<SecurityEvent>,
    closed: bool,
    late: Option<LateSink>,
}

/// The part of a scope that goes into the record of its request.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ClosedScope {
    /// The events that were noted and not taken before.
    pub events: Vec<SecurityEvent>,
    /// The latest principal.
    pub principal: Option<Arc<Principal>>,
    /// The limit that refused the request, or else the first that it was counted by.
    pub limit: Option<LimitDecision>,
}

impl RequestScope {
    /// A scope of its own, outside any request.
    #[must_use]
    pub fn detached() -> Self {
        Self::started_at(time::now(), None)
    }

    pub(crate) fn started_at(started: Instant, client: Option<ClientAddr>) -> Self {
        Self(Arc::new(Shared {
            started,
            request_id: OnceLock::new(),
            trace_parent: OnceLock::new(),
            trace_state: OnceLock::new(),
            client: client.map_or_else(OnceLock::new, OnceLock::from),
            renderer: OnceLock::new(),
            state: Mutex::default(),
        }))
    }

    /// Finds the request's scope, or makes it.
    pub fn enter(extensions: &mut Extensions) -> Self {
        if let Some(scope) = Self::current(extensions) {
            return scope.clone();
        }
        let scope = Self::detached();
        extensions.insert(scope.clone());
        scope
    }

    /// Finds the request's scope.
    #[inline]
    #[must_use]
    pub fn current(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// A new scope for a call to another service, with the request's id and trace and nothing else.
    ///
    /// A client-side layer takes this instead of what it finds in a cloned or forwarded request, so that one caller's
    /// principal never speaks for another.
    #[must_use]
    pub fn outbound(&self) -> Self {
        let outbound = Self::detached();
        if let Some(id) = self.request_id() {
            outbound.set_request_id(id.clone());
        }
        if let Some(trace) = self.trace_parent() {
            outbound.set_trace_parent(trace);
            if let Some(state) = self.trace_state() {
                outbound.set_trace_state(state.clone());
            }
        }
        outbound
    }

    /// The time at which the request entered.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.0.started
    }

    /// The request's id, once a layer has set it.
    #[must_use]
    pub fn request_id(&self) -> Option<&RequestId> {
        self.0.request_id.get()
    }

    /// Sets the request's id; the first one stays, and is answered.
    pub fn set_request_id(&self, id: RequestId) -> &RequestId {
        self.0.request_id.get_or_init(|| id)
    }

    /// The request's place in a distributed trace.
    #[must_use]
    pub fn trace_parent(&self) -> Option<TraceParent> {
        self.0.trace_parent.get().copied()
    }

    /// Sets the request's place in a distributed trace; the first one stays.
    pub fn set_trace_parent(&self, trace: TraceParent) {
        let _ = self.0.trace_parent.set(trace);
    }

    /// The notes of the systems on the way about that trace: `tracestate` (W3C Trace Context, section 3.3), if the layer
    /// that set the trace found a list of entries.
    #[must_use]
    pub fn trace_state(&self) -> Option<&HeaderValue> {
        self.0.trace_state.get()
    }

    /// Sets the notes about the request's trace; the first ones stay. They mean nothing, and go nowhere, without a
    /// [trace](Self::set_trace_parent).
    pub fn set_trace_state(&self, state: HeaderValue) {
        let _ = self.0.trace_state.set(state);
    }

    /// The client's address, once it has been decided.
    #[must_use]
    pub fn client(&self) -> Option<ClientAddr> {
        self.0.client.get().copied()
    }

    /// Decides the client's address; the first decision stays.
    pub fn set_client(&self, client: ClientAddr) {
        let _ = self.0.client.set(client);
    }

    pub(crate) fn renderer(&self) -> Option<&Renderer> {
        self.0.renderer.get()
    }

    pub(crate) fn set_renderer(&self, renderer: Renderer) {
        let _ = self.0.renderer.set(renderer);
    }

    /// The principal, the latest where a step-up replaced an earlier one.
    #[must_use]
    pub fn principal(&self) -> Option<Arc<Principal>> {
        self.state().principal.clone()
    }

    /// Every principal in the order in which they were proved.
    #[must_use]
    pub fn principals(&self) -> Vec<Arc<Principal>> {
        let state = self.state();
        let known = state.earlier.iter().chain(&state.principal);
        known.cloned().collect()
    }

    /// Sets the principal, and keeps the earlier ones as history.
    pub fn push_principal(&self, principal: Arc<Principal>) {
        let mut state = self.state();
        if let Some(replaced) = state.principal.replace(principal) {
            state.earlier.push(replaced);
        }
    }

    /// Notes what a limit decided; there may be several in one stack.
    pub fn push_limit(&self, decision: LimitDecision) {
        self.state().limits.push(decision);
    }

    /// The decisions of the limits, in their order.
    #[must_use]
    pub fn limits(&self) -> Vec<LimitDecision> {
        self.state().limits.as_slice().to_vec()
    }

    /// Notes what a limit decided, and asks `read` about what all limits decided, without copying it.
    pub fn push_limit_and_read<T>(
        &self,
        decision: LimitDecision,
        read: impl FnOnce(&[LimitDecision]) -> T,
    ) -> T {
        let mut state = self.state();
        state.limits.push(decision);
        read(state.limits.as_slice())
    }

    /// Asks `read` about what the limits decided, without copying it.
    pub fn with_limits<T>(&self, read: impl FnOnce(&[LimitDecision]) -> T) -> T {
        read(self.state().limits.as_slice())
    }

    /// Notes an event; after [`close`](Self::close) it goes to the sink for late events on its own.
    pub fn record(&self, event: SecurityEvent) {
        let mut state = self.state();
        if !state.closed {
            state.events.push(event);
            return;
        }
        let late = state.late.clone();
        drop(state);
        match late {
            Some(sink) => sink.send(self.request_id(), event),
            None => tracing::warn!(target: "palisade_core",
                event = event.kind().as_str(),
                reason = event.reason_code(),
                "late event, no sink"
            ),
        }
    }

    /// Sets where events go that are recorded after [`close`](Self::close), with the request's id.
    pub fn on_late_event(
        &self,
        sink: impl Fn(Option<&RequestId>, SecurityEvent) + Send + Sync + 'static,
    ) {
        self.state().late = Some(LateSink::new(sink));
    }

    /// Takes the events noted so far and stays open, for a record that is written before the request ends.
    #[must_use]
    pub fn take_events(&self) -> Vec<SecurityEvent> {
        std::mem::take(&mut self.state().events)
    }

    /// Closes the scope: later events go to this sink, with the request's id.
    #[must_use]
    pub fn close_to(&self, late: LateSink) -> ClosedScope {
        let mut state = self.state();
        state.late = Some(late);
        state.closed = true;
        let limits = state.limits.as_slice();
        let refused = limits.iter().find(|limit| !limit.allowed);
        ClosedScope {
            limit: refused.or(limits.first()).copied(),
            principal: state.principal.clone(),
            events: std::mem::take(&mut state.events),
        }
    }

    /// Takes the events noted so far; later ones go to the sink for late events.
    #[must_use]
    pub fn close(&self) -> Vec<SecurityEvent> {
        let mut state = self.state();
        state.closed = true;
        std::mem::take(&mut state.events)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for RequestScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestScope")
            .field("request_id", &self.request_id())
            .field("client", &self.client())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EventKind;

    #[test]
    fn the_latest_principal_wins_and_history_is_kept() {
        let scope = RequestScope::detached();
        scope.push_principal(Principal::user("iss", "alice").into());
        scope.push_principal(Principal::user("iss", "alice-stepped-up").into());
        assert_eq!(scope.principal().unwrap().subject(), "alice-stepped-up");
        let subjects: Vec<String> = scope
            .principals()
            .iter()
            .map(|known| known.subject().to_owned())
            .collect();
        assert_eq!(subjects, ["alice", "alice-stepped-up"]);
    }

    #[test]
    fn outbound_carries_the_id_and_the_trace_alone() {
        let scope = RequestScope::detached();
        let trace = TraceParent {
            trace_id: [1; 16],
            parent_id: [2; 8],
            flags: 1,
        };
        scope.set_request_id(RequestId::new("id-1").unwrap());
        scope.set_trace_parent(trace);
        scope.push_principal(Principal::user("iss", "alice").into());
        scope.record(SecurityEvent::new(EventKind::LoginFailure));

        let outbound = scope.outbound();

        assert_eq!(outbound.request_id().unwrap().as_str(), "id-1");
        assert_eq!(outbound.trace_parent(), Some(trace));
        assert!(outbound.principal().is_none());
        assert!(outbound.close().is_empty());
    }

    #[test]
    fn the_first_id_stays() {
        let scope = RequestScope::detached();
        scope.set_request_id(RequestId::new("first").unwrap());
        assert_eq!(
            scope
                .set_request_id(RequestId::new("second").unwrap())
                .as_str(),
            "first"
        );
    }

    #[test]
    fn events_after_close_reach_the_sink_with_the_request_id() {
        let scope = RequestScope::detached();
        scope.set_request_id(RequestId::new("id-1").unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        scope.on_late_event(move |id, event| {
            sink.lock()
                .unwrap()
                .push((id.map(ToString::to_string), event.kind()));
        });
        scope.record(SecurityEvent::new(EventKind::LoginFailure));

        assert_eq!(scope.close().len(), 1);
        scope.record(SecurityEvent::new(EventKind::AdminAction));

        assert_eq!(
            *seen.lock().unwrap(),
            [(Some("id-1".to_owned()), EventKind::AdminAction)]
        );
        assert!(scope.close().is_empty(), "a late event is not kept as well");
    }

    #[test]
    fn taking_events_leaves_the_scope_open() {
        let scope = RequestScope::detached();
        let late = Arc::new(Mutex::new(0));
        let sink = Arc::clone(&late);
        scope.on_late_event(move |_, _| *sink.lock().unwrap() += 1);
        scope.record(SecurityEvent::new(EventKind::LoginFailure));
        assert_eq!(scope.take_events().len(), 1);
        scope.record(SecurityEvent::new(EventKind::AdminAction));
        assert_eq!(scope.close()[0].kind(), EventKind::AdminAction);
        assert_eq!(*late.lock().unwrap(), 0, "nothing was late so far");
        scope.record(SecurityEvent::new(EventKind::DataAccess));
        assert_eq!(*late.lock().unwrap(), 1);
    }
}
