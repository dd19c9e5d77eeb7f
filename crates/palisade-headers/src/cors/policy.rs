//! What CORS decides, and the headers that say so.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};

use crate::count::Counter;
use crate::origin::Origins;
use crate::template::{Merge, Template, leaked};

#[derive(Debug, Clone)]
pub(super) struct Policy {
    pub(super) allowed: Allowed,
    pub(super) status: StatusCode,
    /// The answer to an allowed preflight, with a place for the origin.
    pub(super) preflight: HeaderMap,
    /// What an allowed response gets, with a place for the origin.
    pub(super) actual: Template,
    /// Preflights that were refused.
    pub(super) denied: Counter,
}

#[derive(Debug, Clone)]
pub(super) enum Allowed {
    Everybody,
    Listed(Origins),
}

/// The lists of a policy as the headers name them, those that are not empty.
pub(super) struct Lists {
    pub(super) methods: Option<HeaderValue>,
    pub(super) headers: Option<HeaderValue>,
    pub(super) expose: Option<HeaderValue>,
}

/// What a request asks of CORS.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// May I send this? From an origin that may.
    Preflight(HeaderValue),
    /// May I send this? From an origin that may not.
    DeniedPreflight,
    /// The request itself.
    Actual(Reader),
}

/// Who may read the response.
#[derive(Debug, PartialEq, Eq)]
pub enum Reader {
    /// Everybody, whether they ask or not.
    Everybody,
    /// This origin, out of line because it is kept until the response.
    Origin(Box<HeaderValue>),
    /// Nobody of another origin; what another request would get depends on its origin.
    Nobody,
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
        // Where origins are listed, an empty value keeps the place of the one that will ask.
        let origin = HeaderValue::from_static(if is_listed { "" } else { "*" });
        let who = [
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, Some(origin)),
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
            preflight: preflight.filter_map(present).collect(),
            actual: Template::new(&actual, &merges, &[]),
            denied: Counter::default(),
        }
    }

    /// A policy for nobody.
    pub(super) fn nobody() -> Self {
        let none = Lists {
            methods: None,
            headers: None,
            expose: None,
        };
        let allowed = Allowed::Listed(Origins::default());
        Self::new(allowed, none, false, Duration::ZERO, StatusCode::NO_CONTENT)
    }

    #[inline]
    pub(super) fn ask<B>(&self, request: &Request<B>) -> Asked {
        let headers = request.headers();
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let origin = origins.next();
        let preflight = request.method() == Method::OPTIONS
            && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        // No browser sends two, and there is no telling which one a proxy or a handler believes.
        let alone = origins.next().is_none();
        match (self.reader(origin, alone), origin) {
            (Reader::Nobody, Some(_)) if preflight => Asked::DeniedPreflight,
            (Reader::Everybody | Reader::Origin(_), Some(origin)) if preflight => {
                Asked::Preflight(origin.clone())
            }
            (reader, _) => Asked::Actual(reader),
        }
    }

    fn reader(&self, origin: Option<&HeaderValue>, alone: bool) -> Reader {
        match (&self.allowed, origin) {
            (Allowed::Everybody, _) => Reader::Everybody,
            (Allowed::Listed(origins), Some(origin))
                if alone && origins.contains(origin.as_bytes()) =>
            {
                Reader::Origin(Box::new(origin.clone()))
            }
            (Allowed::Listed(_), _) => Reader::Nobody,
        }
    }

    /// The answer to an allowed preflight.
    pub(super) fn preflight(&self, origin: HeaderValue) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = self.status;
        *response.headers_mut() = self.preflight.clone();
        if let Allowed::Listed(_) = self.allowed {
            let headers = response.headers_mut();
            let _ = headers.try_insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
        response
    }

    #[inline]
    pub(super) fn apply(&self, reader: Reader, headers: &mut HeaderMap) {
        if headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
            // The handler decides for its own response; ours beside it could say that its `*` goes with credentials.
            if let Allowed::Listed(_) = self.allowed {
                vary_by_origin(headers);
            }
            return;
        }
        match reader {
            Reader::Nobody => vary_by_origin(headers),
            Reader::Everybody => self.actual.apply(headers, |_| {}),
            Reader::Origin(origin) => {
                let known = varies_by_origin(headers);
                self.actual.apply(headers, |ours| {
                    let _ = ours.try_insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, *origin);
                    if known {
                        ours.remove(header::VARY);
                    }
                });
            }
        }
    }

    pub(super) fn leak(mut self) -> Self {
        for value in self.preflight.values_mut() {
            *value = leaked(value);
        }
        self.actual = self.actual.leak();
        self
    }
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
