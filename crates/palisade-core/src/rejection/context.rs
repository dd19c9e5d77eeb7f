use http::{HeaderMap, Method, Request, header};

use crate::{RequestId, RequestScope};

/// The part of a request that is needed to reject it later in the form that its caller reads.
#[derive(Debug, Clone)]
pub struct RejectionContext {
    head: bool,
    grpc: bool,
    scope: Option<RequestScope>,
}

impl RejectionContext {
    /// Keeps what matters of this request.
    #[inline]
    #[must_use]
    pub fn of<B>(request: &Request<B>) -> Self {
        Self {
            head: request.method() == Method::HEAD,
            grpc: Self::asks_for_grpc(request.headers()),
            scope: RequestScope::current(request.extensions()).cloned(),
        }
    }

    pub(crate) const fn new(head: bool, grpc: bool, scope: Option<RequestScope>) -> Self {
        Self { head, grpc, scope }
    }

    pub(crate) fn with_scope(self, scope: Option<RequestScope>) -> Self {
        Self { scope, ..self }
    }

    #[inline]
    pub(crate) fn asks_for_grpc(headers: &HeaderMap) -> bool {
        const GRPC: &[u8] = b"application/grpc";
        headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.as_bytes().get(..GRPC.len()))
            .is_some_and(|start| start.eq_ignore_ascii_case(GRPC))
    }

    /// Whether the caller speaks gRPC: its content type starts with `application/grpc`.
    #[must_use]
    pub const fn is_grpc(&self) -> bool {
        self.grpc
    }

    /// Whether the answer must not have a body.
    #[must_use]
    pub const fn is_head(&self) -> bool {
        self.head
    }

    /// The request's scope.
    #[must_use]
    pub const fn scope(&self) -> Option<&RequestScope> {
        self.scope.as_ref()
    }

    /// The request's id, if a layer has set one by now.
    #[must_use]
    pub fn request_id(&self) -> Option<&RequestId> {
        self.scope.as_ref()?.request_id()
    }
}
