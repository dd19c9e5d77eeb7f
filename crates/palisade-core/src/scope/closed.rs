use std::sync::Arc;

use super::limits::LimitDecision;
use crate::{Principal, RequestId, SecurityEvent, TraceParent};

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
    /// The request's id.
    pub request_id: Option<RequestId>,
    /// The request's place in a distributed trace.
    pub trace_parent: Option<TraceParent>,
}
