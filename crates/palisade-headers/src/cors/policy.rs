//! What CORS decides, and the headers that say so.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};

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
    Actual(Verdict),
}

/// Who may read the response.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Everybody, whether they ask or not.
    Everybody,
    /// This origin.
    Origin(HeaderValue),
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
        match (self.verdict(origin, alone), origin) {
            (Verdict::Nobody, Some(_)) if preflight => Asked::DeniedPreflight,
            (Verdict::Everybody | Verdict::Origin(_), Some(origin)) if preflight => {
                Asked::Preflight(origin.clone())
            }
            (verdict, _) => Asked::Actual(verdict),
        }
    }

    fn verdict(&self, origin: Option<&HeaderValue>, alone: bool) -> Verdict {
        match (&self.allowed, origin) {
            (Allowed::Everybody, _) => Verdict::Everybody,
            (Allowed::Listed(origins), Some(origin))
                if alone && origins.contains(origin.as_bytes()) =>
            {
                Verdict::Origin(origin.clone())
            }
            (Allowed::Listed(_), _) => Verdict::Nobody,
        }
    }

    pub(super) fn preflight_headers(&self, origin: HeaderValue) -> HeaderMap {
        let mut headers = self.preflight.clone();
        if let Allowed::Listed(_) = self.allowed {
            let _ = headers.try_insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
        headers
    }

    #[inline]
    pub(super) fn apply(&self, verdict: Verdict, headers: &mut HeaderMap) {
        if headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
            // The handler decides for its own response; ours beside it could say that its `*` goes with credentials.
            if let Allowed::Listed(_) = self.allowed {
                vary_by_origin(headers);
            }
            return;
        }
        match verdict {
            Verdict::Nobody => vary_by_origin(headers),
            Verdict::Everybody => self.actual.apply(headers, |_| {}),
            Verdict::Origin(origin) => {
                let known = varies_by_origin(headers);
                self.actual.apply(headers, |ours| {
                    let _ = ours.try_insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
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
