//! The memory of scopes, which later requests use again.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use http::HeaderValue;

use super::closed::ClosedScope;
use super::late::LateSink;
use super::limits::Limits;
use crate::time::Instant;
use crate::{ClientAddr, Principal, Renderer, RequestId, SecurityEvent, TraceParent};

/// The most scopes that a thread keeps for later requests: those of the requests that it works on at the same time.
const MOST_SPARE: usize = 64;

thread_local! {
    static SPARE: RefCell<Vec<Arc<Shared>>> = const { RefCell::new(Vec::new()) };
}

pub(super) struct Shared {
    pub(super) started: Instant,
    pub(super) request_id: OnceLock<RequestId>,
    pub(super) trace_parent: OnceLock<TraceParent>,
    pub(super) trace_state: OnceLock<HeaderValue>,
    /// The client's address, where it was known when the request began: a write that nobody can be in the way of.
    first_client: Option<ClientAddr>,
    client: OnceLock<ClientAddr>,
    pub(super) renderer: OnceLock<Renderer>,
    /// Whether there are events, for those who look before they lock.
    has_events: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    // The usual single principal needs no list of its own.
    pub(super) principal: Option<Arc<Principal>>,
    pub(super) earlier: Vec<Arc<Principal>>,
    pub(super) limits: Limits,
    events: Vec<SecurityEvent>,
    closed: bool,
    pub(super) late: Option<LateSink>,
}

impl Shared {
    fn at(started: Instant) -> Self {
        Self {
            started,
            request_id: OnceLock::new(),
            trace_parent: OnceLock::new(),
            trace_state: OnceLock::new(),
            first_client: None,
            client: OnceLock::new(),
            renderer: OnceLock::new(),
            has_events: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    /// The state of a request that begins, in memory of an earlier one where this thread has any.
    pub(super) fn begin(started: Instant, client: Option<ClientAddr>) -> Arc<Self> {
        let mut shared = take_spare().unwrap_or_else(|| Arc::new(Self::at(started)));
        if let Some(alone) = Arc::get_mut(&mut shared) {
            alone.started = started;
            alone.first_client = client;
        }
        shared
    }

    /// Keeps the memory for a later request, without anything of this one, if nobody else holds it.
    pub(super) fn end(mut shared: Arc<Self>) {
        // A look that costs nothing, before the one that is certain.
        if Arc::strong_count(&shared) == 1
            && let Some(alone) = Arc::get_mut(&mut shared)
        {
            *alone = Self::at(alone.started);
            keep_spare(shared);
        }
    }

    pub(super) fn client(&self) -> Option<ClientAddr> {
        self.first_client.or_else(|| self.client.get().copied())
    }

    pub(super) fn set_client(&self, client: ClientAddr) {
        if self.first_client.is_none() {
            let _ = self.client.set(client);
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an event, which comes back once the scope is closed.
    pub(super) fn note(&self, event: SecurityEvent) -> Option<(SecurityEvent, Option<LateSink>)> {
        let mut state = self.state();
        if state.closed {
            return Some((event, state.late.clone()));
        }
        state.events.push(event);
        self.has_events.store(true, Ordering::Release);
        None
    }

    pub(super) fn take_events(&self) -> Vec<SecurityEvent> {
        match self.has_events.load(Ordering::Acquire) {
            true => {
                let mut state = self.state();
                self.has_events.store(false, Ordering::Release);
                std::mem::take(&mut state.events)
            }
            false => Vec::new(),
        }
    }

    pub(super) fn close_events(&self) -> Vec<SecurityEvent> {
        let mut state = self.state();
        state.closed = true;
        std::mem::take(&mut state.events)
    }

    /// Closes the scope; later events go to this sink, if anybody is left who may note any.
    pub(super) fn close(mut shared: Arc<Self>, late: impl FnOnce() -> LateSink) -> ClosedScope {
        if let Some(alone) = Arc::get_mut(&mut shared) {
            let request_id = alone.request_id.take();
            let trace_parent = alone.trace_parent.take();
            let state = alone
                .state
                .get_mut()
                .unwrap_or_else(PoisonError::into_inner);
            let closed = state.close(request_id, trace_parent);
            *alone = Self::at(alone.started);
            keep_spare(shared);
            return closed;
        }
        let request_id = shared.request_id.get().cloned();
        let trace_parent = shared.trace_parent.get().copied();
        let mut state = shared.state();
        state.late = Some(late());
        state.close(request_id, trace_parent)
    }
}

impl State {
    fn close(
        &mut self,
        request_id: Option<RequestId>,
        trace_parent: Option<TraceParent>,
    ) -> ClosedScope {
        self.closed = true;
        ClosedScope {
            limit: self.limits.decisive(),
            principal: self.principal.clone(),
            events: std::mem::take(&mut self.events),
            request_id,
            trace_parent,
        }
    }
}

fn take_spare() -> Option<Arc<Shared>> {
    // While the thread ends there are none.
    let taken = SPARE.try_with(|spare| spare.try_borrow_mut().ok()?.pop());
    taken.ok().flatten()
}

fn keep_spare(shared: Arc<Shared>) {
    let _ = SPARE.try_with(|spare| {
        if let Ok(mut spare) = spare.try_borrow_mut()
            && spare.len() < MOST_SPARE
        {
            spare.push(shared);
        }
    });
}
