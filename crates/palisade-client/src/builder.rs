use std::fmt;
use std::time::Duration;

use http::HeaderValue;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use palisade_breaker::{BreakerConfig, BreakerLayer, ByAuthority, RetryConfig, RetryLayer};
use palisade_core::{Name, Problems};
use tower_layer::Layer;

use crate::attempt::Attempt;
use crate::client::Inner;
use crate::connector::Connector;
use crate::guard::{Advice, Health};
use crate::origin::PlainHttp;
use crate::proxy::{Proxies, ProxySetting};
use crate::roots::Roots;
use crate::{HttpClient, HttpClientError};

/// The buffer for the head of a response in bytes. hyper looks at the bound before it reads into the buffer once more, so
/// that a head may have nearly twice as much. Its own bound is some 400 kB.
const HEAD_BUFFER: usize = 32 * 1024;

/// The settings of an [`HttpClient`].
#[derive(Clone)]
pub struct HttpClientBuilder {
    name: Name,
    connect: Duration,
    attempt: Duration,
    total: Duration,
    largest: usize,
    idle: Duration,
    most_idle: usize,
    roots: Roots,
    proxy: ProxySetting,
    plain: PlainHttp,
    user_agent: String,
    breaker: BreakerConfig,
    retry: RetryConfig,
    any_method: bool,
}

impl Default for HttpClientBuilder {
    fn default() -> Self {
        Self {
            name: Name::from("http-client"),
            connect: Duration::from_secs(3),
            attempt: Duration::from_secs(10),
            total: Duration::from_secs(30),
            largest: 1024 * 1024,
            idle: Duration::from_secs(60),
            most_idle: 8,
            roots: Roots {
                system: true,
                added: Vec::new(),
            },
            proxy: ProxySetting::Environment,
            plain: PlainHttp::Loopback,
            user_agent: concat!("palisade/", env!("CARGO_PKG_VERSION")).to_owned(),
            breaker: BreakerConfig::default(),
            retry: RetryConfig::default(),
            any_method: false,
        }
    }
}

impl HttpClientBuilder {
    /// Sets the name of the breakers in events and metrics; default `http-client`.
    #[must_use]
    pub fn name(mut self, name: impl Into<Name>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the limit of a connection, from the look-up of the name to the end of the handshake, the proxy's answer
    /// included; default 3 s, which outlasts one lost packet of each.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect = limit;
        self
    }

    /// Sets the limit of one attempt, from its beginning to the last byte of the response; default 10 s. A server that
    /// sends a byte now and then is cut off by it.
    #[must_use]
    pub fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.attempt = limit;
        self
    }

    /// Sets the limit of all attempts and the waits between them; default 30 s, which is three attempts.
    #[must_use]
    pub fn total_timeout(mut self, limit: Duration) -> Self {
        self.total = limit;
        self
    }

    /// Sets the largest body of a response in bytes; default 1 MiB, far above any key set or secret. Reading ends where
    /// a body exceeds it, or at the head if its `Content-Length` does. A head is bounded by 64 KiB.
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.largest = bytes;
        self
    }

    /// Sets how long a connection is kept without use; default 60 s, below what servers and balancers usually keep.
    #[must_use]
    pub fn idle_timeout(mut self, time: Duration) -> Self {
        self.idle = time;
        self
    }

    /// Sets the number of idle connections that are kept for each server; default 8, and 0 keeps none.
    #[must_use]
    pub fn max_idle(mut self, connections: usize) -> Self {
        self.most_idle = connections;
        self
    }

    /// Adds root certificates in PEM, such as those of a private authority, to those of the system.
    #[must_use]
    pub fn add_root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots.added.push(pem.into());
        self
    }

    /// Trusts the added root certificates alone, and not those of the system.
    #[must_use]
    pub fn only_added_roots(mut self) -> Self {
        self.roots.system = false;
        self
    }

    /// Sends HTTPS through this proxy, an `http` or `https` URL that may carry user and password, by `CONNECT`
    /// (RFC 9110, section 9.3.6). Hosts in `except`, a list as in `NO_PROXY`, are called directly, and so is loopback.
    ///
    /// Default: as the environment says, by `HTTPS_PROXY` or else `ALL_PROXY`, and `NO_PROXY`, in upper or lower case.
    /// Plain HTTP is never sent through a proxy.
    #[must_use]
    pub fn proxy(mut self, url: impl Into<String>, except: impl Into<String>) -> Self {
        self.proxy = ProxySetting::Url {
            proxy: url.into(),
            except: except.into(),
        };
        self
    }

    /// Uses no proxy, whatever the environment says.
    #[must_use]
    pub fn no_proxy(mut self) -> Self {
        self.proxy = ProxySetting::None;
        self
    }

    /// Sends plain HTTP to any host, and not to loopback alone. Everybody on the way reads and changes such requests,
    /// credentials included; this is for networks that encrypt below, such as a mesh.
    #[must_use]
    pub fn insecure_plain_http(mut self) -> Self {
        self.plain = PlainHttp::Anywhere;
        self
    }

    /// Sets the `User-Agent` of requests that have none; default `palisade/` and the version.
    #[must_use]
    pub fn user_agent(mut self, value: impl Into<String>) -> Self {
        self.user_agent = value.into();
        self
    }

    /// Sets up the breaker of each server; default 5 failures within 60 s, then 60 s without calls.
    #[must_use]
    pub fn breaker(mut self, config: BreakerConfig) -> Self {
        self.breaker = config;
        self
    }

    /// Sets up the retries; default 3 attempts with waits of up to 1 s and 2 s, at random, within a budget of 20 % of
    /// the calls. One attempt never retries.
    #[must_use]
    pub fn retry(mut self, config: RetryConfig) -> Self {
        self.retry = config;
        self
    }

    /// Retries whatever the method: for servers where a repeated `POST` does no harm.
    #[must_use]
    pub fn insecure_retry_any_method(mut self) -> Self {
        self.any_method = true;
        self
    }

    /// Makes the client. Reads the root certificates of the system from the disk, once.
    ///
    /// # Errors
    ///
    /// Names every setting that is not valid: a limit of 0, certificates that are none, a proxy that is no URL (also
    /// one of the environment), a `User-Agent` that is no header value, and the fields of breaker and retry.
    pub fn build(self) -> Result<HttpClient, HttpClientError> {
        let mut problems = Problems::none();
        for (field, limit) in [
            ("connect_timeout", self.connect),
            ("attempt_timeout", self.attempt),
            ("total_timeout", self.total),
        ] {
            if limit.is_zero() {
                problems.push(field, "is 0, must be longer");
            }
        }
        if self.largest == 0 {
            problems.push("max_body", "is 0, must be at least 1");
        }
        let proxies = Proxies::new(&self.proxy, &mut problems);
        let trust = self.roots.trust(&mut problems);
        let user_agent = HeaderValue::from_str(&self.user_agent).unwrap_or_else(|_| {
            problems.push("user_agent", "is no value of a header field");
            HeaderValue::from_static("palisade")
        });
        let breaker = BreakerLayer::http(self.name)
            .configured(&self.breaker)
            .map_err(|error| problems.append("breaker.", error.problems().clone()));
        let mut retry_config = self.retry.clone();
        retry_config.deadline = Some(retry_config.deadline.unwrap_or(self.total));
        let retry = RetryLayer::default()
            .configured(&retry_config)
            .map_err(|error| problems.append("retry.", error.problems().clone()));
        let (Ok(breaker), Ok(retry), Some(trust), true) =
            (breaker, retry, trust, problems.is_empty())
        else {
            return Err(HttpClientError::Config(problems));
        };

        let connector = Connector::new(&trust.tls, proxies, self.connect);
        let attempt = Attempt {
            client: Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(self.idle)
                .pool_max_idle_per_host(self.most_idle)
                .http1_max_buf_size(HEAD_BUFFER)
                .build(connector),
            limit: self.attempt,
            largest: self.largest,
        };
        let breaker = breaker
            .classify(Health::default())
            .keyed(ByAuthority::new());
        let retry = retry.judge(Advice::default());
        let retry = if self.any_method {
            retry.insecure_any_method()
        } else {
            retry
        };
        Ok(HttpClient::new(Inner {
            breakers: breaker.handle(),
            guarded: retry.layer(breaker.layer(attempt)),
            plain: self.plain,
            user_agent,
            total: self.total,
            has_roots: trust.has_roots,
        }))
    }
}

impl fmt::Debug for HttpClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClientBuilder")
            .field("name", &self.name)
            .field("connect_timeout", &self.connect)
            .field("attempt_timeout", &self.attempt)
            .field("total_timeout", &self.total)
            .field("max_body", &self.largest)
            .field("plain_http", &self.plain)
            .finish_non_exhaustive()
    }
}
