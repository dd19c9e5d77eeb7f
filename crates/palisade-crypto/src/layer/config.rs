use std::fmt;
use std::sync::Arc;

use http::request::Parts;
use http::{Extensions, HeaderMap, Method, Request, Uri};
use palisade_core::{Handle, Principal, RequestScope, sent_path};

use super::counters::Counters;
use super::routes::Routes;
use crate::{Context, Error, FieldCipher, Fields};

/// The head of a request, as closures get it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a Method,
    /// The target as this layer sees it; a router that nests the layer has stripped its prefix.
    pub uri: &'a Uri,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The extensions, in which the request's scope lies.
    pub extensions: &'a Extensions,
}

impl<'a> RequestHead<'a> {
    pub(super) fn of<B>(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }

    pub(super) fn of_parts(head: &'a Parts) -> Self {
        Self {
            method: &head.method,
            uri: &head.uri,
            headers: &head.headers,
            extensions: &head.extensions,
        }
    }
}

/// The place of the values of one message, besides the path of each field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    record_type: Box<str>,
    tenant: Option<Box<str>>,
    record_id: Option<Box<str>>,
}

impl Binding {
    /// To this record type alone.
    #[must_use]
    pub fn new(record_type: &str) -> Self {
        Self {
            record_type: record_type.into(),
            tenant: None,
            record_id: None,
        }
    }

    /// To this tenant too.
    #[must_use]
    pub fn tenant(mut self, tenant: &str) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// To the record with this id too.
    #[must_use]
    pub fn record_id(mut self, id: &str) -> Self {
        self.record_id = Some(id.into());
        self
    }

    fn context(&self) -> Context<'_> {
        let mut context = Context::new(&self.record_type);
        if let Some(tenant) = &self.tenant {
            context = context.tenant(tenant);
        }
        if let Some(id) = &self.record_id {
            context = context.record_id(id);
        }
        context
    }
}

type Bind = dyn Fn(&RequestHead<'_>) -> Binding + Send + Sync;
type When = dyn Fn(&RequestHead<'_>) -> bool + Send + Sync;

/// The configuration that a filter leaves with a request, for the service that its response passes through.
#[derive(Clone)]
pub(super) struct Configured(pub(super) Handle<Config>);

#[derive(Clone)]
pub(super) struct Config {
    pub(super) cipher: FieldCipher,
    pub(super) response: Option<Task>,
    pub(super) request: Option<Task>,
    pub(super) record_type: Box<str>,
    pub(super) bind: Option<Arc<Bind>>,
    pub(super) routes: Option<Routes>,
    pub(super) when: Option<Arc<When>>,
    pub(super) limit: usize,
    pub(super) counters: Counters,
}

#[derive(Debug, Clone)]
pub(super) enum Task {
    Seal(Fields),
    Open(Fields),
}

/// The layout of the JSON of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Document,
    Lines,
    /// A record separator before each document (RFC 7464).
    Sequence,
    /// JSON in a form that is not read here, or a part of a body.
    Unreadable,
}

impl Config {
    pub(super) fn new(cipher: FieldCipher) -> Self {
        Self {
            cipher,
            response: None,
            request: None,
            record_type: "http".into(),
            bind: None,
            routes: None,
            when: None,
            limit: 2 * 1024 * 1024,
            counters: Counters::default(),
        }
    }

    /// Whether this request is one to work on.
    pub(super) fn concerns(&self, head: &RequestHead<'_>) -> bool {
        self.routes
            .as_ref()
            .is_none_or(|routes| routes.contain(sent_path(head.extensions, head.uri)))
            && self.when.as_ref().is_none_or(|when| when(head))
    }

    /// Returns the binding by the user's closure; without one it is known only once the principal is.
    pub(super) fn binding_by_closure(&self, head: &RequestHead<'_>) -> Option<Binding> {
        self.bind.as_ref().map(|bind| bind(head))
    }

    /// The body as it leaves; nothing when it stays as it is. Without a binding of the user's its values are bound to the
    /// record type, and to the tenant of the principal in `scope`.
    pub(super) fn rewrite(
        &self,
        task: &Task,
        form: Form,
        body: &[u8],
        binding: Option<&Binding>,
        scope: Option<&RequestScope>,
    ) -> Result<Option<Vec<u8>>, Error> {
        if let Some(binding) = binding {
            return self.rewrite_at(task, form, body, &binding.context());
        }
        let principal = scope.and_then(RequestScope::principal);
        let context = Context::new(&self.record_type);
        match principal.as_deref().and_then(Principal::tenant_name) {
            Some(tenant) => self.rewrite_at(task, form, body, &context.tenant(tenant)),
            None => self.rewrite_at(task, form, body, &context),
        }
    }

    fn rewrite_at(
        &self,
        task: &Task,
        form: Form,
        body: &[u8],
        place: &Context<'_>,
    ) -> Result<Option<Vec<u8>>, Error> {
        match form {
            Form::Document => self.rewrite_document(task, body, place),
            Form::Lines => self.rewrite_each(task, body, b'\n', place).map(Some),
            Form::Sequence => self.rewrite_each(task, body, 0x1e, place).map(Some),
            Form::Unreadable => Err(Error::InvalidJson { offset: 0 }),
        }
    }

    /// Rewrites the documents that `separator` separates, which is not part of any.
    fn rewrite_each(
        &self,
        task: &Task,
        body: &[u8],
        separator: u8,
        place: &Context<'_>,
    ) -> Result<Vec<u8>, Error> {
        let mut out = Vec::with_capacity(body.len() + 512);
        for (position, part) in body.split(|byte| *byte == separator).enumerate() {
            if position > 0 {
                out.push(separator);
            }
            if part.trim_ascii().is_empty() {
                out.extend_from_slice(part);
                continue;
            }
            match self.rewrite_document(task, part, place)? {
                Some(changed) => out.extend_from_slice(&changed),
                None => out.extend_from_slice(part),
            }
        }
        Ok(out)
    }

    fn rewrite_document(
        &self,
        task: &Task,
        body: &[u8],
        place: &Context<'_>,
    ) -> Result<Option<Vec<u8>>, Error> {
        match task {
            Task::Seal(fields) => self.cipher.seal_document(body, fields, place),
            Task::Open(fields) => self.cipher.open_document(body, fields, place),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("cipher", &self.cipher)
            .field("response", &self.response)
            .field("request", &self.request)
            .field("record_type", &self.record_type)
            .field("routes", &self.routes)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
