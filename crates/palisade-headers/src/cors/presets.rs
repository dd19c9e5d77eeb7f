//! Policies to begin with.

use std::time::Duration;

use http::Method;

use super::policy::Policy;
use super::{CorsBuilder, CorsLayer};

impl CorsLayer {
    /// A policy for public APIs whose callers prove themselves by a header, not by a cookie.
    ///
    /// Every origin may read, without credentials; `GET` and `POST`; `Authorization`, `Content-Type`, `X-Track-ID` and
    /// `Idempotency-Key`; `X-Request-ID`, `WWW-Authenticate`, `Retry-After` and every limit header are exposed; a preflight
    /// is answered 200.
    pub fn api() -> Self {
        CorsBuilder::api()
            .try_build()
            // A test holds that these settings build; if they did not, no other origin could read anything.
            .unwrap_or_else(|_| Self::of(Policy::deny_all()))
    }
}

impl CorsBuilder {
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

    /// Adds the needs of gRPC-Web clients (`PROTOCOL-WEB` of gRPC): the method `POST`, the request headers
    /// `Content-Type`, `X-Grpc-Web`, `X-User-Agent` and `Grpc-Timeout`, and, to be read, the status of a call that has no body.
    ///
    /// # Example
    ///
    /// ```
    /// use palisade_headers::CorsLayer;
    ///
    /// let cors = CorsLayer::builder()
    ///     .origins(["https://app.example"])
    ///     .grpc_web()
    ///     .headers(["Authorization"])
    ///     .try_build();
    /// assert!(cors.is_ok());
    /// ```
    pub fn grpc_web(self) -> Self {
        self.methods([Method::POST])
            .headers(["Content-Type", "X-Grpc-Web", "X-User-Agent", "Grpc-Timeout"])
            .expose(["Grpc-Status", "Grpc-Message", "Grpc-Status-Details-Bin"])
    }

    /// Begins with a permissive policy for development: pages of this machine on every port may do everything, with
    /// cookies, and preflights are not remembered, so that a change is seen at once.
    ///
    /// [`try_build`](Self::try_build) refuses it in production: in a build without debug assertions, such as one by
    /// `--release`, and while `ENVIRONMENT`, `APP_ENV`, `RUST_ENV` or `APP_ENVIRONMENT` says `production`, `prod`, `live` or `staging`.
    /// Origins of other machines are left out, because every site that a developer visits could then act as them; add
    /// those that you need.
    pub fn development() -> Self {
        let mut builder = Self::new()
            .origins([
                "http://localhost:*",
                "https://localhost:*",
                "http://*.localhost:*",
                "http://127.0.0.1:*",
                "https://127.0.0.1:*",
                "http://[::1]:*",
                "https://[::1]:*",
            ])
            .methods([
                Method::GET,
                Method::HEAD,
                Method::POST,
                Method::PUT,
                Method::PATCH,
                Method::DELETE,
                Method::OPTIONS,
            ])
            .mirror_headers()
            .credentials(true)
            .max_age(Duration::ZERO);
        builder.development = true;
        builder
    }
}
