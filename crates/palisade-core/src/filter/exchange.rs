use std::fmt;

use bytes::Bytes;
use http::{Extensions, Request, Response};
use tracing::Span;

use crate::time::{self, Instant, UnixTime, WallClock};
use crate::{ClientAddr, Rejection, RejectionContext, RequestScope};

/// One request and its response, as the filters of one service see them: what they share is found once.
pub struct Exchange {
    found: Found,
    now: Option<Instant>,
}

/// The part of an exchange that lies in its future: what the clock said is past by the response.
#[derive(Default)]
pub(super) struct Found {
    scope: Option<RequestScope>,
    span: Option<Box<Span>>,
    form: Option<Form>,
    /// Set while the inner service's own code runs: a drop that finds it set comes from a panic, which a runtime may
    /// have caught by then.
    pub(super) running: bool,
}

/// The form in which the caller reads a rejection.
#[derive(Debug, Clone, Copy)]
struct Form {
    head: bool,
    grpc: bool,
}

impl Exchange {
    /// Begins an exchange outside of a service, for tests of a filter's hooks.
    #[inline]
    #[must_use]
    pub const fn begin() -> Self {
        Self::resume(Found {
            scope: None,
            span: None,
            form: None,
            running: false,
        })
    }

    /// Goes on with an exchange. What the clock said before is past.
    #[inline]
    pub(super) const fn resume(found: Found) -> Self {
        Self { found, now: None }
    }

    /// The part that outlives this look at the clock.
    #[inline]
    pub(super) fn pause(self) -> Found {
        self.found
    }

    /// Ends an exchange whose response leaves.
    #[inline]
    pub(super) fn end(self) {
        if let Some(scope) = self.found.scope {
            scope.end();
        }
    }

    /// Finds the request's scope, or makes it. It started at [`now`](Self::now).
    #[inline]
    pub fn enter(&mut self, extensions: &mut Extensions) -> &RequestScope {
        match &mut self.found.scope {
            Some(scope) => scope,
            none => none.insert(match RequestScope::current(extensions) {
                Some(scope) => scope.clone(),
                None => {
                    let now = *self.now.get_or_insert_with(time::now);
                    let scope = RequestScope::started_at(now, None);
                    extensions.insert(scope.clone());
                    scope
                }
            }),
        }
    }

    /// Makes the scope of a request that has none, with its client's address. Returns `false` where it has one.
    #[inline]
    pub fn begin_scope(&mut self, extensions: &mut Extensions, client: Option<ClientAddr>) -> bool {
        let is_new = self.find_scope(extensions).is_none();
        if is_new {
            let scope = RequestScope::started_at(self.now(), client);
            extensions.insert(scope.clone());
            self.found.scope = Some(scope);
        }
        is_new
    }

    /// The request's scope, if a filter of this service has entered it.
    #[inline]
    #[must_use]
    pub const fn scope(&self) -> Option<&RequestScope> {
        self.found.scope.as_ref()
    }

    /// The request's scope, if anybody has entered it so far.
    #[inline]
    #[must_use]
    pub fn find_scope<'a>(&'a self, extensions: &'a Extensions) -> Option<&'a RequestScope> {
        self.found
            .scope
            .as_ref()
            .or_else(|| RequestScope::current(extensions))
    }

    /// The time at which the filters of this service began with the request, went on with it after a wait, or began
    /// with its response. The clock is read once for all of them.
    #[inline]
    pub fn now(&mut self) -> Instant {
        *self.now.get_or_insert_with(time::now)
    }

    /// The wall time that goes with [`now`](Self::now), by this clock. The system's is told from the monotonic time
    /// for 20 ms at most, and then read again.
    #[inline]
    pub fn unix_now(&mut self, clock: &WallClock) -> UnixTime {
        match clock.is_system() {
            true => time::system_at(self.now()),
            false => clock.now(),
        }
    }

    /// Enters this span whenever the inner service runs.
    pub fn set_span(&mut self, span: Span) {
        if !span.is_disabled() {
            self.found.span = Some(Box::new(span));
        }
    }

    /// Renders a rejection in the form that the caller of this request reads.
    pub fn render<B>(&mut self, request: &Request<B>, rejection: Rejection) -> Response<Bytes> {
        rejection.into_bytes(&self.rejection_context(request))
    }

    /// The form in which the caller of this request reads rejections.
    pub fn rejection_context<B>(&mut self, request: &Request<B>) -> RejectionContext {
        self.note_form(request);
        self.noted_context()
            .with_scope(self.find_scope(request.extensions()).cloned())
    }

    /// Notes the form in which the caller of this request reads rejections, for one that may be needed once the
    /// request is gone.
    #[inline]
    pub fn note_form<B>(&mut self, request: &Request<B>) {
        if self.found.form.is_none() {
            self.found.form = Some(Form {
                head: request.method() == http::Method::HEAD,
                grpc: RejectionContext::asks_for_grpc(request.headers()),
            });
        }
    }

    /// The form that was [noted](Self::note_form), else that of a caller who reads problem documents.
    #[must_use]
    pub fn noted_context(&self) -> RejectionContext {
        let Form { head, grpc } = self.found.form.unwrap_or(Form {
            head: false,
            grpc: false,
        });
        RejectionContext::new(head, grpc, self.found.scope.clone())
    }
}

impl Found {
    #[inline]
    pub(super) fn span(&self) -> Option<&Span> {
        self.span.as_deref()
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("scope", &self.found.scope)
            .finish_non_exhaustive()
    }
}
