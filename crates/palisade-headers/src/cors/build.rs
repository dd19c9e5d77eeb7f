use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, StatusCode};
use palisade_core::Problems;

use super::policy::{Allowed, Lists, Policy};
use super::{CorsLayer, names};
use crate::HeadersError;
use crate::origin::{OriginPattern, Origins};

impl CorsLayer {
    /// Begins a policy: no origin, no method, no header, no credentials yet.
    pub fn builder() -> CorsBuilder {
        CorsBuilder::new()
    }

    /// For public APIs whose callers prove themselves by a header, not by a cookie.
    ///
    /// Every origin may read, without credentials; `GET` and `POST`; `Authorization`, `Content-Type`, `X-Track-ID` and
    /// `Idempotency-Key`; `X-Request-ID`, `Retry-After` and every limit header are exposed; a preflight is answered 200.
    pub fn api() -> Self {
        CorsBuilder::api()
            .try_build()
            // A test holds that these settings build; were they not to, nobody of another origin would read anything.
            .unwrap_or_else(|_| Self::of(Policy::nobody()))
    }
}

/// Collects a CORS policy; [`try_build`](Self::try_build) reports all that is wrong with it.
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct CorsBuilder {
    origins: Vec<String>,
    methods: Vec<Result<Method, String>>,
    headers: Vec<String>,
    expose: Vec<String>,
    credentials: bool,
    max_age: Duration,
    status: StatusCode,
}

impl CorsBuilder {
    fn new() -> Self {
        Self {
            origins: Vec::new(),
            methods: Vec::new(),
            headers: Vec::new(),
            expose: names::LIMITS.map(str::to_owned).to_vec(),
            credentials: false,
            max_age: Duration::from_secs(600),
            status: StatusCode::NO_CONTENT,
        }
    }

    /// Begins with the policy of [`CorsLayer::api`], to be extended.
    ///
    /// # Example
    ///
    /// ```
    /// use http::Method;
    /// use palisade_headers::CorsBuilder;
    ///
    /// let cors = CorsBuilder::api().methods([Method::DELETE]).headers(["X-Tenant"]).try_build();
    /// assert!(cors.is_ok());
    /// ```
    pub fn api() -> Self {
        Self::new()
            .origins(["*"])
            .methods([Method::GET, Method::POST])
            .headers([
                "Authorization",
                "Content-Type",
                "X-Track-ID",
                "Idempotency-Key",
            ])
            .preflight_ok()
    }

    /// Adds origins whose pages may read answers: `https://app.example`, `https://*.example.com` for every host with at
    /// least one label in front of the domain, or `*` for everybody.
    pub fn origins<T: Into<String>>(mut self, origins: impl IntoIterator<Item = T>) -> Self {
        self.origins.extend(origins.into_iter().map(Into::into));
        self
    }

    /// Adds methods; default none. `GET`, `HEAD` and `POST` need no preflight by themselves, but do with other headers
    /// or content types, so name them.
    ///
    /// `get` means `GET`, and so do `delete`, `head`, `options`, `post` and `put` in any case, because browsers send them
    /// in capitals (Fetch, section 2.2.1). Every other method is sent as the script writes it.
    pub fn methods<M>(mut self, methods: impl IntoIterator<Item = M>) -> Self
    where
        M: TryInto<Method> + ToString,
    {
        self.methods.extend(methods.into_iter().map(|method| {
            let text = method.to_string();
            method.try_into().map_err(|_| text)
        }));
        self
    }

    /// Adds request headers that scripts may set, or `*` for all but `Authorization`; default none.
    pub fn headers<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.headers.extend(names.into_iter().map(Into::into));
        self
    }

    /// Adds response headers that scripts may read.
    ///
    /// `X-Request-ID`, `Retry-After` and every `X-RateLimit` and `RateLimit` header are there from the start, because a
    /// client cannot back off from a limit that it cannot see; [`expose_only`](Self::expose_only) takes them away.
    pub fn expose<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.expose.extend(names.into_iter().map(Into::into));
        self
    }

    /// Sets the response headers that scripts may read to exactly these.
    pub fn expose_only<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.expose = names.into_iter().map(Into::into).collect();
        self
    }

    /// Says whether requests with cookies, client certificates or HTTP authentication may be read; default not.
    pub const fn credentials(mut self, allowed: bool) -> Self {
        self.credentials = allowed;
        self
    }

    /// Sets for how long a browser remembers a preflight, in whole seconds; default 10 minutes, the longest that all
    /// browsers keep to. An origin that is taken off the list may send requests for so long.
    pub const fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    /// Sets the status of an allowed preflight to 200, for middleboxes and old browsers that mistrust 204, the default.
    pub const fn preflight_ok(mut self) -> Self {
        self.status = StatusCode::OK;
        self
    }

    /// The layer.
    ///
    /// # Errors
    ///
    /// Names every mistake: no origin at all, an empty one, `*` with credentials or beside other origins, with
    /// credentials anything but HTTPS, this machine, and the schemes of extensions and of applications (`app`,
    /// `capacitor`, `ionic`, `tauri`), `null`, paths, schemes without pages, addresses that browsers write differently,
    /// wildcards over public suffixes, and methods or headers that browsers never let scripts use.
    pub fn try_build(self) -> Result<CorsLayer, HeadersError> {
        let mut problems = Problems::none();
        let allowed = self.allowed(&mut problems);
        let methods = self.method_list(&mut problems);
        let headers = name_list(
            "headers",
            &self.headers,
            self.credentials,
            names::is_forbidden_request_header,
            &mut problems,
        );
        let expose = name_list(
            "expose",
            &self.expose,
            self.credentials,
            names::is_forbidden_response_header,
            &mut problems,
        );
        problems.into_result(()).map_err(HeadersError::Cors)?;

        let lists = Lists {
            methods,
            headers,
            expose,
        };
        Ok(CorsLayer::of(Policy::new(
            allowed,
            lists,
            self.credentials,
            self.max_age,
            self.status,
        )))
    }

    fn allowed(&self, problems: &mut Problems) -> Allowed {
        if self.origins.is_empty() {
            problems.push("origins", "are missing; name them, or '*' for everybody");
        }
        let everybody = self.origins.iter().any(|origin| origin == "*");
        if everybody && self.credentials {
            problems.push(
                "credentials",
                "are on with origin '*', so every site could act as its visitor",
            );
        }
        if everybody && self.origins.len() > 1 {
            problems.push("origins", "have '*' beside others, which then mean nothing");
        }
        let mut listed = Origins::default();
        for origin in self.origins.iter().filter(|origin| *origin != "*") {
            let field = format!("origins {origin:?}");
            match OriginPattern::parse(origin) {
                Ok(pattern) if self.credentials && pattern.is_insecure() => {
                    problems.push(
                        field,
                        "is not HTTPS, so anybody on the way could change its pages, with credentials on",
                    );
                }
                Ok(pattern) => listed.add(&pattern),
                Err(reason) => problems.push(field, reason),
            }
        }
        if everybody {
            Allowed::Everybody
        } else {
            Allowed::Listed(listed)
        }
    }

    fn method_list(&self, problems: &mut Problems) -> Option<HeaderValue> {
        let mut list: Vec<&str> = Vec::new();
        for method in &self.methods {
            match method {
                Ok(method) if method.as_str() == "*" && self.credentials => {
                    problems.push(
                        "methods \"*\"",
                        "means a method of that name while credentials are on",
                    );
                }
                Ok(method) if names::is_forbidden_method(method) => {
                    problems.push(
                        format!("methods {:?}", method.as_str()),
                        "cannot be used by scripts",
                    );
                }
                Ok(method) if is_odd_patch(method) => problems.push(
                    format!("methods {:?}", method.as_str()),
                    "is not PATCH, which browsers do not write in capitals by themselves",
                ),
                Ok(method) => {
                    let sent = names::normalized(method.as_str());
                    if !list.contains(&sent) {
                        list.push(sent);
                    }
                }
                Err(text) if text.is_empty() => problems.push("methods \"\"", "is empty"),
                Err(text) => problems.push(format!("methods {text:?}"), "is not a method"),
            }
        }
        joined(&list)
    }
}

/// Whether it is `PATCH` in another case: a method of its own, which no server knows.
fn is_odd_patch(method: &Method) -> bool {
    *method != Method::PATCH && method.as_str().eq_ignore_ascii_case("PATCH")
}

fn name_list(
    field: &str,
    names: &[String],
    credentials: bool,
    is_forbidden: impl Fn(&str) -> bool,
    problems: &mut Problems,
) -> Option<HeaderValue> {
    let mut list: Vec<&str> = Vec::new();
    for name in names {
        let place = || format!("{field} {name:?}");
        let lower = name.to_ascii_lowercase();
        if name == "*" && credentials {
            problems.push(
                place(),
                "means a header of that name while credentials are on",
            );
        } else if name.is_empty() {
            problems.push(place(), "is empty");
        } else if HeaderName::from_bytes(name.as_bytes()).is_err() {
            problems.push(place(), "is not a header's name");
        } else if is_forbidden(&lower) {
            problems.push(place(), "is out of reach of scripts");
        } else if !list.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            list.push(name);
        }
    }
    joined(&list)
}

fn joined(list: &[&str]) -> Option<HeaderValue> {
    // Names and methods are visible ASCII.
    (!list.is_empty()).then(|| HeaderValue::from_str(&list.join(", ")).ok())?
}
