mod closed;
mod late;
mod layer;
mod limits;
mod shared;

use std::fmt;
use std::sync::{Arc, MutexGuard};

use http::{Extensions, HeaderValue};

pub use self::closed::ClosedScope;
pub use self::late::LateSink;
pub use self::layer::ScopeLayer;
pub use self::limits::LimitDecision;
use self::shared::{Shared, State};
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

impl RequestScope {
    /// A scope of its own, outside any request.
    #[must_use]
    pub fn detached() -> Self {
        Self::started_at(time::now(), None)
    }

    pub(crate) fn started_at(started: Instant, client: Option<ClientAddr>) -> Self {
        Self(Shared::begin(started, client))
    }

    /// Gives the memory of the scope to a later request, unless somebody else still holds it.
    pub(crate) fn end(self) {
        Shared::end(self.0);
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
        self.0.client()
    }

    /// Decides the client's address; the first decision stays.
    pub fn set_client(&self, client: ClientAddr) {
        self.0.set_client(client);
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
        match self.0.note(event) {
            None => {}
            Some((event, Some(sink))) => sink.send(self.request_id(), event),
            Some((event, None)) => tracing::warn!(target: "palisade_core",
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
        self.0.take_events()
    }

    /// Closes the scope: later events go to this sink, with the request's id. It is asked for where somebody else holds
    /// the scope and may note events still; otherwise a later request gets the scope's memory.
    #[must_use]
    pub fn close_to(self, late: impl FnOnce() -> LateSink) -> ClosedScope {
        Shared::close(self.0, late)
    }

    /// Takes the events noted so far; later ones go to the sink for late events.
    #[must_use]
    pub fn close(&self) -> Vec<SecurityEvent> {
        self.0.close_events()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state()
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
mod tests;
