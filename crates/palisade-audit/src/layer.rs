use crate::Audit;
use crate::capture::{Captured, CapturedBody, Untouched};

/// Puts every request on record, on its end, its error, or its drop.
///
/// It stands far outside, so that it sees what the other layers refuse: inside the layers that give requests their
/// scope and id, outside authentication and limits.
///
/// # Example
///
/// ```
/// use http::{Request, Response};
/// use palisade_audit::{Audit, AuditLayer, MemorySink};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let memory = MemorySink::new();
/// let (audit, guard) = Audit::builder("bookings").sink(memory.clone()).open()?;
/// let service = ServiceBuilder::new()
///     .layer(AuditLayer::new(audit))
///     .service(service_fn(async |_: Request<()>| {
///         Ok::<_, std::convert::Infallible>(Response::new(String::from("hello")))
///     }));
///
/// let request = Request::get("/rooms?token=never-shown").body(())?;
/// drop(service.oneshot(request).await?);
/// guard.shutdown(std::time::Duration::from_secs(1));
///
/// let line = memory.lines().into_iter().find(|line| line.contains("http_request")).unwrap();
/// assert!(line.contains(r#""method":"GET","path":"/rooms","query":"token=[redacted]""#));
/// // The body was dropped before it was sent.
/// assert!(line.contains(r#""outcome":"incomplete""#));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct AuditLayer<M = Untouched> {
    pub(crate) audit: Option<Audit>,
    /// Whether a service further in takes up the captures of requests.
    pub(crate) captures: bool,
    pub(crate) request_body: M,
}

impl AuditLayer {
    /// Records into this trail.
    #[must_use]
    pub const fn new(audit: Audit) -> Self {
        Self {
            audit: Some(audit),
            captures: false,
            request_body: Untouched,
        }
    }

    /// A layer that records nothing and passes everything through.
    #[must_use]
    pub const fn off() -> Self {
        Self {
            audit: None,
            captures: false,
            request_body: Untouched,
        }
    }

    /// Whether the layer is switched off.
    #[must_use]
    pub const fn is_off(&self) -> bool {
        self.audit.is_none()
    }

    /// Captures the bodies of requests as well, where the policy's level is [`Level::Request`] or above.
    ///
    /// The service gets another type of body, which `map` makes: `axum::body::Body::new` for axum. Bytes and trailers
    /// stay as they are, and nothing is held back: what is captured is copied while the service reads. The bodies of
    /// responses need no such thing.
    ///
    /// [`Level::Request`]: crate::Level::Request
    #[must_use]
    pub fn request_body<Rq, Out, F>(self, map: F) -> AuditLayer<Captured<F>>
    where
        F: Fn(CapturedBody<Rq>) -> Out,
    {
        AuditLayer {
            audit: self.audit,
            captures: true,
            request_body: Captured(map),
        }
    }
}

impl<M> AuditLayer<M> {
    /// Keeps the state for the rest of the process; see [`Audit::leak`].
    #[must_use]
    pub fn leak(self) -> Self {
        Self {
            audit: self.audit.map(Audit::leak),
            captures: self.captures,
            request_body: self.request_body,
        }
    }
}
