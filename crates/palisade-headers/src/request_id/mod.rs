//! An id for every request: in the scope, in the span of every event, on the response, and on calls to others.
//!
//! Rules:
//!
//! 1. By default an id that the caller sends is thrown away and a fresh one made: whoever chooses ids can make two
//!    requests look like one.
//! 2. Where the layer [trusts callers](RequestIdLayer::trust_callers), `X-Request-ID`, else `X-Correlation-ID`, is
//!    accepted if it is 1 to 128 characters of `[A-Za-z0-9._-]`. Anything else is as good as none, and removed from the
//!    request.
//! 3. The response carries the id in `X-Request-ID`, over whatever the handler set: it is the id that stands in the logs.
//! 4. `traceparent` (W3C Trace Context) is read under the same trust, and passed on with the id. Of callers that are not
//!    trusted, it is removed with `tracestate`, `baggage` (W3C Baggage) and the B3 fields. Of trusted ones, `tracestate`
//!    is removed without a `traceparent`, and all of them beside one that is not valid (W3C Trace Context, sections 3.2
//!    and 3.3).
//! 5. B3 and baggage of a trusted caller stay in the request for handlers and meshes that know them, also without a
//!    `traceparent`. They are not read: such a request has no trace in its scope, and a call to another service carries
//!    neither. A mesh that traces by B3 needs its own propagator on the client.

mod client;
mod config;
mod filter;
mod generate;
mod layer;
mod trace;

pub use self::client::{PropagateRequestId, PropagateRequestIdLayer};
pub use self::config::RequestIdConfig;
pub use self::filter::RequestIdService;
pub use self::generate::IdFormat;
pub use self::layer::RequestIdLayer;
pub use self::trace::TraceState;
