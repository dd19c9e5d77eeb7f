use tower_layer::Layer;

use crate::{Audit, AuditService};

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
pub struct AuditLayer {
    audit: Option<Audit>,
}

impl AuditLayer {
    /// Records into this trail.
    #[must_use]
    pub const fn new(audit: Audit) -> Self {
        Self { audit: Some(audit) }
    }

    /// A layer that records nothing and passes everything through.
    #[must_use]
    pub const fn off() -> Self {
        Self { audit: None }
    }

    /// Keeps the state for the rest of the process; see [`Audit::leak`].
    #[must_use]
    pub fn leak(self) -> Self {
        Self {
            audit: self.audit.map(Audit::leak),
        }
    }
}

impl<S> Layer<S> for AuditLayer {
    type Service = AuditService<S>;

    fn layer(&self, inner: S) -> AuditService<S> {
        AuditService::new(inner, self.audit.clone())
    }
}
