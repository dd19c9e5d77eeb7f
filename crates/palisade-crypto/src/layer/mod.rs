//! Sealing and opening in passing.

mod body;
mod config;
mod counters;
mod filter;
mod future;
mod request;
mod routes;
mod service;

use std::fmt;

use palisade_core::Handle;
use tower_layer::Layer;

pub use self::config::{Binding, RequestHead};
use self::config::{Config, Task};
#[cfg(feature = "metrics")]
pub use self::counters::REFUSED_TOTAL;
pub use self::future::ResponseFuture;
pub use self::request::{Mapped, RequestFuture};
use self::routes::Routes;
pub use self::service::{FieldCrypto, Untouched};
use crate::{FieldCipher, Fields};

/// Seals named fields of JSON responses on their way out, or opens them.
///
/// A response of JSON is collected up to a limit and rewritten: a document (`application/json`, `application/*+json`,
/// `text/json`, `application/x-json`, `application/x-amz-json-1.1`), documents by line (`application/x-ndjson`,
/// `application/jsonl`, `application/jsonlines` and their like), or a sequence (`application/json-seq`, RFC 7464). Every
/// byte outside the fields stays, `Content-Length` is set anew, and `ETag`, `Content-MD5`, `Digest`, `Content-Digest`, `Repr-Digest`,
/// `Accept-Ranges` and trailers are dropped, because they speak of the body as it was. Everything else passes
/// at no cost.
///
/// What cannot be rewritten is refused with 500 and never passed in clear: a body over the limit, compressed, cut short
/// or malformed, a part of one (206), or JSON in another form, such as `application/json5`. Compression belongs
/// outside this layer.
///
/// Values are bound to a record type, the path of the field, and the tenant of the principal that the request's scope
/// knows. Whoever opens them needs to know the same.
///
/// # Example
///
/// ```
/// use palisade_crypto::{FieldCipher, FieldCryptoLayer, Fields, Key, Keyring};
///
/// let cipher = FieldCipher::new(Keyring::single(Key::generate()?)?);
/// let layer = FieldCryptoLayer::new(cipher)
///     .record_type("bookings")
///     .encrypt_response(Fields::paths(["**/email", "**/phone"]))
///     .paths(["/api/partner/*"]);
/// # let _ = layer;
/// # Ok::<(), palisade_crypto::Error>(())
/// ```
///
/// # Security
///
/// A JSON body without a JSON content type passes in clear, as do server-sent events and what a stream sends after an
/// upgrade. Names match exactly: `Email` is not `email`.
#[derive(Clone)]
pub struct FieldCryptoLayer<M = Untouched> {
    config: Option<Handle<Config>>,
    by_request: bool,
    requests: M,
}

impl FieldCryptoLayer {
    /// A layer with this cipher that does nothing yet.
    #[must_use]
    pub fn new(cipher: FieldCipher) -> Self {
        Self {
            config: Some(Handle::new(Config::new(cipher))),
            by_request: false,
            requests: Untouched(()),
        }
    }

    /// A layer that passes everything through, of the same type.
    #[must_use]
    pub const fn off() -> Self {
        Self {
            config: None,
            by_request: false,
            requests: Untouched(()),
        }
    }

    /// Whether the layer is switched off.
    #[must_use]
    pub const fn is_off(&self) -> bool {
        self.config.is_none()
    }

    /// A layer whose service works by what a [`Filter`](palisade_core::filter::Filter) of such a layer left with the
    /// request, and passes everything else through.
    #[must_use]
    pub const fn by_request() -> Self {
        Self {
            config: None,
            by_request: true,
            requests: Untouched(()),
        }
    }

    /// Opens these fields of JSON requests, once [`RequestTask::request_body`] says how to make their bodies.
    pub fn decrypt_request(self, fields: Fields) -> RequestTask {
        RequestTask(self.with(|config| config.request = Some(Task::Open(fields))))
    }

    /// Seals these fields of JSON requests, for a client, once [`RequestTask::request_body`] says how to make their
    /// bodies.
    pub fn encrypt_request(self, fields: Fields) -> RequestTask {
        RequestTask(self.with(|config| config.request = Some(Task::Seal(fields))))
    }
}

/// A layer that works on requests and needs to know how to make their bodies.
#[derive(Debug)]
#[must_use = "give it the `request_body` that the service inside takes"]
pub struct RequestTask(FieldCryptoLayer);

impl RequestTask {
    /// Makes request bodies with `make`, such as `axum::body::Body::new`.
    ///
    /// A request body that is rewritten is another body; this is the one layer that changes the type, and only here. A
    /// body that is not rewritten passes through `make` as well, unread.
    ///
    /// A request that cannot be rewritten is refused with 400, one over the limit with 413.
    ///
    /// # Example
    ///
    /// ```
    /// use axum::body::Body;
    /// use palisade_crypto::{FieldCipher, FieldCryptoLayer, Fields, Key, Keyring};
    ///
    /// let cipher = FieldCipher::new(Keyring::single(Key::generate()?)?);
    /// let layer = FieldCryptoLayer::new(cipher)
    ///     .encrypt_response(Fields::DEFAULT_SENSITIVE)
    ///     .decrypt_request(Fields::DEFAULT_SENSITIVE)
    ///     .request_body(Body::new);
    /// let app: axum::Router = axum::Router::new().layer(layer);
    /// # let _ = app;
    /// # Ok::<(), palisade_crypto::Error>(())
    /// ```
    pub fn request_body<F>(self, make: F) -> FieldCryptoLayer<Mapped<F>> {
        FieldCryptoLayer {
            config: self.0.config,
            by_request: false,
            requests: Mapped::new(make),
        }
    }
}

impl<M> FieldCryptoLayer<M> {
    fn with(self, change: impl FnOnce(&mut Config)) -> Self {
        Self {
            requests: self.requests,
            by_request: self.by_request,
            config: self.config.map(|config| {
                let mut config = (*config).clone();
                change(&mut config);
                Handle::new(config)
            }),
        }
    }

    /// Seals these fields of responses.
    #[must_use]
    pub fn encrypt_response(self, fields: Fields) -> Self {
        self.with(|config| config.response = Some(Task::Seal(fields)))
    }

    /// Opens these fields of responses, for a client.
    #[must_use]
    pub fn decrypt_response(self, fields: Fields) -> Self {
        self.with(|config| config.response = Some(Task::Open(fields)))
    }

    /// Sets the record type to which values are bound; default `http`.
    #[must_use]
    pub fn record_type(self, record_type: &str) -> Self {
        self.with(|config| config.record_type = record_type.into())
    }

    /// Sets to what values are bound, from the request; it replaces record type and tenant.
    #[must_use]
    pub fn binding(
        self,
        bind: impl Fn(&RequestHead<'_>) -> Binding + Send + Sync + 'static,
    ) -> Self {
        self.with(|config| config.bind = Some(std::sync::Arc::new(bind)))
    }

    /// Works on these paths alone, as the client sent them; default all. `/partner/*` stands for everything below
    /// `/partner`.
    ///
    /// A request is taken for one of them if its path is so as it stands, or once percent-encoding, empty steps and dots
    /// are resolved: in doubt a response is sealed.
    #[must_use]
    pub fn paths<P: AsRef<str>>(self, paths: impl IntoIterator<Item = P>) -> Self {
        self.with(|config| config.routes = Some(Routes::new(paths)))
    }

    /// Works on the requests alone for which `when` holds; default all. With [`paths`](Self::paths), on those for which
    /// both hold.
    #[must_use]
    pub fn only_when(
        self,
        when: impl Fn(&RequestHead<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.with(|config| config.when = Some(std::sync::Arc::new(when)))
    }

    /// Sets how many bytes of a body are collected at most; default 2 MiB, as axum's own limit.
    #[must_use]
    pub fn limit(self, bytes: usize) -> Self {
        self.with(|config| config.limit = bytes)
    }

    /// Keeps the configuration for the rest of the process; see [`Handle::leak`].
    #[must_use]
    pub fn leak(self) -> Self {
        Self {
            config: self.config.map(Handle::leak),
            by_request: self.by_request,
            requests: self.requests,
        }
    }
}

impl<S, M: Clone> Layer<S> for FieldCryptoLayer<M> {
    type Service = FieldCrypto<S, M>;

    fn layer(&self, inner: S) -> FieldCrypto<S, M> {
        FieldCrypto {
            inner,
            config: self.config.clone(),
            by_request: self.by_request,
            requests: self.requests.clone(),
        }
    }
}

impl<M> fmt::Debug for FieldCryptoLayer<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("FieldCryptoLayer");
        match &self.config {
            None => shown.field("off", &true).finish(),
            Some(config) => shown.field("config", &**config).finish(),
        }
    }
}
