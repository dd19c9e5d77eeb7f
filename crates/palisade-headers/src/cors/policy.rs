//! The decision of CORS, and the headers that carry it.

use std::time::Duration;

use bytes::Bytes;
use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header,
};

use crate::count::Counter;
use crate::origin::{OriginMatch, Origins};
use crate::template::{self, Merge, Template, leaked};

const ALLOW_ORIGIN: HeaderName = header::ACCESS_CONTROL_ALLOW_ORIGIN;

#[derive(Debug, Clone)]
pub(super) struct Policy {
    pub(super) allowed: Allowed,
    pub(super) status: StatusCode,
    /// The answer to an allowed preflight, without the origin where origins are listed.
    pub(super) preflight: HeaderMap,
    mirror_headers: bool,
    /// The fields of an allowed response, with an empty origin where origins are listed.
    pub(super) actual: Template,
    /// Preflights that were refused.
    pub(super) denied: Counter,
}

#[derive(Debug, Clone)]
pub(super) enum Allowed {
    Everybody,
    Listed(Box<Origins>),
}

/// The lists of a policy as the headers name them, those that are not empty.
pub(super) struct Lists {
    pub(super) methods: Option<HeaderValue>,
    pub(super) headers: Option<HeaderValue>,
    /// Whether a preflight is answered with the header names that it asks for.
    pub(super) mirror_headers: bool,
    pub(super) expose: Option<HeaderValue>,
}

/// The kind of a request, as CORS sees it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A preflight of this origin, which is allowed.
    Preflight(HeaderValue),
    /// A preflight of an origin that is not allowed.
    DeniedPreflight,
    /// The request itself.
    Actual(Access),
}

/// The origin that may read the response.
#[derive(Debug, PartialEq, Eq)]
pub enum Access {
    /// Every origin, also in the answer to a request without one.
    Anyone,
    /// The origin with this number in the policy's list.
    Listed(u32),
    /// This origin of a pattern, out of line because it is kept until the response.
    Matched(Box<HeaderValue>),
    /// None; the answer to another request depends on its origin.
    Denied,
}

impl Policy {
    pub(super) const VARY_ORIGIN: HeaderValue = HeaderValue::from_static("Origin");
    pub(super) const VARY_PREFLIGHT: HeaderValue = HeaderValue::from_static(
        "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
    );

    pub(super) fn new(
        allowed: Allowed,
        lists: Lists,
        credentials: bool,
        max_age: Duration,
        status: StatusCode,
    ) -> Self {
        let is_listed = matches!(allowed, Allowed::Listed(_));
        // Where origins are listed, the one that asks is inserted.
        let everybody = (!is_listed).then(|| HeaderValue::from_static("*"));
        let who = [
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, everybody),
            (
                header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
                credentials.then(|| HeaderValue::from_static("true")),
            ),
        ];
        let preflight = [
            (header::ACCESS_CONTROL_ALLOW_METHODS, lists.methods),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, lists.headers),
            (
                header::ACCESS_CONTROL_MAX_AGE,
                Some(HeaderValue::from(max_age.as_secs())),
            ),
            (header::VARY, Some(Self::VARY_PREFLIGHT)),
        ];
        let actual = [
            // Each response has its own in its place. An empty one would allow no origin.
            (
                ALLOW_ORIGIN,
                is_listed.then_some(HeaderValue::from_static("")),
            ),
            (header::ACCESS_CONTROL_EXPOSE_HEADERS, lists.expose),
            (header::VARY, is_listed.then_some(Self::VARY_ORIGIN)),
        ];
        let present = |(name, value): (HeaderName, Option<HeaderValue>)| Some((name, value?));
        let merges =
            [header::VARY, header::ACCESS_CONTROL_EXPOSE_HEADERS].map(|name| (name, Merge::Append));
        let preflight = who.clone().into_iter().chain(preflight);
        let actual: Vec<_> = who.into_iter().chain(actual).filter_map(present).collect();
        Self {
            allowed,
            status,
            mirror_headers: lists.mirror_headers,
            preflight: preflight.filter_map(present).collect(),
            actual: Template::new(&actual, &merges, &[]),
            denied: Counter::default(),
        }
    }

    /// A policy that allows no origin.
    pub(super) fn deny_all() -> Self {
        let none = Lists {
            methods: None,
            headers: None,
            mirror_headers: false,
            expose: None,
        };
        let allowed = Allowed::Listed(Box::default());
        Self::new(allowed, none, false, Duration::ZERO, StatusCode::NO_CONTENT)
    }

    #[inline]
    pub(super) fn classify<B>(&self, request: &Request<B>) -> Kind {
        let headers = request.headers();
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let origin = origins.next();
        let preflight = request.method() == Method::OPTIONS
            && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        // No browser sends two, and there is no telling which one a proxy or a handler believes.
        let alone = origins.next().is_none();
        match (self.access(origin, alone, request.extensions()), origin) {
            (Access::Denied, Some(_)) if preflight => Kind::DeniedPreflight,
            (Access::Anyone | Access::Listed(_) | Access::Matched(_), Some(origin))
                if preflight =>
            {
                Kind::Preflight(origin.clone())
            }
            (access, _) => Kind::Actual(access),
        }
    }

    fn access(&self, origin: Option<&HeaderValue>, alone: bool, extensions: &Extensions) -> Access {
        match (&self.allowed, origin) {
            (Allowed::Everybody, _) => Access::Anyone,
            (Allowed::Listed(origins), Some(origin)) if alone => {
                match origins.find_for(origin, extensions) {
                    Some(OriginMatch::Exact(number)) => Access::Listed(number),
                    Some(OriginMatch::Pattern) => Access::Matched(Box::new(origin.clone())),
                    None => Access::Denied,
                }
            }
            (Allowed::Listed(_), _) => Access::Denied,
        }
    }

    /// The answer to an allowed preflight with these headers.
    pub(super) fn preflight(&self, origin: HeaderValue, request: &HeaderMap) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = self.status;
        *response.headers_mut() = self.preflight.clone();
        if let Allowed::Listed(_) = self.allowed {
            let headers = response.headers_mut();
            let _ = headers.try_insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
        if let (true, Some(names)) = (self.mirror_headers, requested_names(request)) {
            let headers = response.headers_mut();
            let _ = headers.try_insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
        }
        response
    }

    #[inline]
    pub(super) fn apply(&self, access: Access, headers: &mut HeaderMap) {
        if headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
            // The handler decides for its own response; ours beside it could say that its `*` goes with credentials.
            if let Allowed::Listed(_) = self.allowed {
                vary_by_origin(headers);
            }
            return;
        }
        match access {
            Access::Denied => vary_by_origin(headers),
            Access::Anyone => self.actual.apply(headers),
            Access::Listed(number) => match &self.allowed {
                Allowed::Listed(origins) => self.allow(origins.exact(number).cloned(), headers),
                Allowed::Everybody => {}
            },
            Access::Matched(origin) => self.allow(Some(*origin), headers),
        }
    }

    /// Lets this origin read the response.
    #[inline]
    fn allow(&self, origin: Option<HeaderValue>, headers: &mut HeaderMap) {
        let Some(origin) = origin else { return };
        match varies_by_origin(headers) {
            false => self.actual.apply_with(headers, &ALLOW_ORIGIN, origin),
            true => self.actual.apply_edited(headers, |ours| {
                ours.remove(header::VARY);
                template::replace(ours, &ALLOW_ORIGIN, origin);
            }),
        }
    }

    /// The number of header fields that it may add.
    pub(super) fn fields(&self) -> usize {
        self.actual.len()
    }

    pub(super) fn leak(mut self) -> Self {
        for value in self.preflight.values_mut() {
            *value = leaked(value);
        }
        self.actual = self.actual.leak();
        if let Allowed::Listed(origins) = self.allowed {
            self.allowed = Allowed::Listed(Box::new(origins.leak()));
        }
        self
    }
}

/// The names that a preflight asks for, if it is one list of names.
fn requested_names(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut lists = headers
        .get_all(header::ACCESS_CONTROL_REQUEST_HEADERS)
        .iter();
    let list = lists.next()?;
    let is_name = |name: &[u8]| HeaderName::from_bytes(name.trim_ascii()).is_ok();
    let are_names = list.as_bytes().split(|byte| *byte == b',').all(is_name);
    (are_names && lists.next().is_none()).then_some(list)
}

fn vary_by_origin(headers: &mut HeaderMap) {
    if !varies_by_origin(headers) {
        let _ = headers.try_append(header::VARY, Policy::VARY_ORIGIN);
    }
}

fn varies_by_origin(headers: &HeaderMap) -> bool {
    headers.get_all(header::VARY).iter().any(|value| {
        value
            .as_bytes()
            .split(|byte| *byte == b',')
            .map(<[u8]>::trim_ascii)
            .any(|name| name == b"*" || name.eq_ignore_ascii_case(b"origin"))
    })
}
