use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, StatusCode};
use palisade_core::Problems;

use super::policy::{Allowed, Lists, Policy};
use super::{CorsLayer, environment, names};
use crate::HeadersError;
use crate::origin::{OriginCheck, OriginPattern, Origins};

impl CorsLayer {
    /// Begins a policy: no origin, no method, no header, no credentials yet.
    pub fn builder() -> CorsBuilder {
        CorsBuilder::new()
    }
}

/// Collects a CORS policy; [`try_build`](Self::try_build) reports all that is wrong with it.
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct CorsBuilder {
    origins: Vec<String>,
    origins_by: Vec<OriginCheck>,
    lookup: bool,
    mirror_headers: bool,
    /// Whether it must not build in production.
    pub(super) development: bool,
    methods: Vec<Result<Method, String>>,
    headers: Vec<String>,
    expose: Vec<String>,
    credentials: bool,
    max_age: Duration,
    status: StatusCode,
}

impl CorsBuilder {
    pub(super) fn new() -> Self {
        Self {
            origins: Vec::new(),
            origins_by: Vec::new(),
            lookup: false,
            mirror_headers: false,
            development: false,
            methods: Vec::new(),
            headers: Vec::new(),
            expose: names::EXPOSED.map(str::to_owned).to_vec(),
            credentials: false,
            max_age: Duration::from_secs(600),
            status: StatusCode::NO_CONTENT,
        }
    }

    /// Adds origins whose pages may read answers: `https://app.example`, `https://*.example.com` for every host with at
    /// least one label in front of the domain, `http://localhost:*` for every port, the default one included, or `*` for
    /// everybody.
    pub fn origins<T: Into<String>>(mut self, origins: impl IntoIterator<Item = T>) -> Self {
        self.origins.extend(origins.into_iter().map(Into::into));
        self
    }

    /// Adds the origins that a closure allows, beside those that are listed. It is asked about origins alone that are
    /// written as browsers write them and that no list has, never about `null`, and with
    /// [`credentials`](Self::credentials) only about those that a list could hold then.
    ///
    /// It runs on every request of another origin and must not block: where origins come from a database, let a task keep
    /// a set up to date that the closure reads.
    ///
    /// # Example
    ///
    /// ```
    /// use palisade_headers::CorsLayer;
    ///
    /// let cors = CorsLayer::builder()
    ///     .origins_by(|origin| origin.starts_with("https://pr-") && origin.ends_with(".preview.example"))
    ///     .try_build();
    /// assert!(cors.is_ok());
    /// ```
    ///
    /// # Security
    ///
    /// Compare whole hosts: `ends_with("example.com")` holds for `https://evilexample.com` too.
    pub fn origins_by(mut self, allows: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.origins_by.push(OriginCheck::new(allows));
        self
    }

    /// Adds the origins that an [`OriginLookupLayer`](crate::OriginLookupLayer) outside of this layer allows. Without
    /// that layer there are none; with [`credentials`](Self::credentials) only those count that a list could hold then.
    pub const fn origins_by_lookup(mut self) -> Self {
        self.lookup = true;
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

    /// Lets scripts set whichever request headers they ask for: a preflight is answered with the names that it has sent,
    /// if they are names. Default not. In place of [`headers`](Self::headers); beside it, it is a mistake.
    ///
    /// Unlike `*` it also holds for `Authorization`, and while credentials are on.
    pub const fn mirror_headers(mut self) -> Self {
        self.mirror_headers = true;
        self
    }

    /// Adds response headers that scripts may read.
    ///
    /// `X-Request-ID`, `WWW-Authenticate`, `Retry-After` and every `X-RateLimit` and `RateLimit` header are there from the
    /// start, because a client cannot sign in again or back off for a reason that it cannot see; [`expose_only`](Self::expose_only) takes them away.
    pub fn expose<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.expose.extend(names.into_iter().map(Into::into));
        self
    }

    /// Sets the response headers that scripts may read to exactly these.
    pub fn expose_only<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.expose = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets whether requests with cookies, client certificates or HTTP authentication may be read; default not.
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
    /// wildcards over public suffixes, and methods or headers that browsers never let scripts use. In production it
    /// names [`development`](Self::development).
    pub fn try_build(self) -> Result<CorsLayer, HeadersError> {
        let mut problems = Problems::none();
        if let (true, Some(reason)) = (self.development, environment::is_production()) {
            problems.push("development", reason);
        }
        if self.mirror_headers && !self.headers.is_empty() {
            problems.push(
                "headers",
                "are listed beside mirrored ones, which include them",
            );
        }
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
            mirror_headers: self.mirror_headers,
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
        if self.origins.is_empty() && self.origins_by.is_empty() && !self.lookup {
            problems.push("origins", "are missing; name them, or '*' for everybody");
        }
        let everybody = self.origins.iter().any(|origin| origin == "*");
        if everybody && self.credentials {
            problems.push(
                "credentials",
                "are on with origin '*', so every site could act as its visitor",
            );
        }
        if everybody && self.origins.len() + self.origins_by.len() + usize::from(self.lookup) > 1 {
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
        for check in &self.origins_by {
            listed.add_check(check.clone(), self.credentials);
        }
        if self.lookup {
            listed.add_lookup(self.credentials);
        }
        if everybody {
            Allowed::Everybody
        } else {
            Allowed::Listed(Box::new(listed))
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
