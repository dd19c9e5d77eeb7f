#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod audit;
mod builder;
mod capture;
mod class;
mod entry;
mod error;
mod filter;
mod flight;
mod format;
mod guard;
mod hold;
mod layer;
mod meters;
mod policy;
mod record;
mod redact;
mod sink;
mod trail;

pub use audit::{Audit, AuditStats};
pub use builder::AuditBuilder;
pub use capture::{CaptureRequests, Captured, CapturedBody, Untouched};
pub use class::{Class, Delivery, OnFailure};
pub use error::AuditError;
pub use filter::AuditService;
pub use format::Format;
pub use guard::{Guard, Shutdown};
pub use layer::AuditLayer;
pub use policy::{Level, Matcher, Policy, any, path, prefix};
pub use record::{Outcome, Record};
pub use redact::{Action, Censor, Cleaner, MASK, Redactor, Unreadable};
#[cfg(feature = "webhook")]
#[cfg_attr(docsrs, doc(cfg(feature = "webhook")))]
pub use sink::Webhook;
pub use sink::{CriticalSink, MemorySink, RollingFile, Sink, StdoutSink, SyslogSink};
pub use trail::batch::{Batch, Line};
pub use trail::seal::{Seal, SigningKey};
pub use trail::tail::{Subscription, Tailed};
pub use trail::verify::{BadLine, Fault, Report, Verifier};

pub mod shipping {
    #![doc = include_str!("../docs/shipping.md")]

    #[doc = include_str!("../docs/shipping/cloudwatch.md")]
    pub mod cloudwatch {}
    #[doc = include_str!("../docs/shipping/elastic.md")]
    pub mod elastic {}
    #[doc = include_str!("../docs/shipping/loki.md")]
    pub mod loki {}
    #[doc = include_str!("../docs/shipping/opentelemetry.md")]
    pub mod opentelemetry {}
    #[doc = include_str!("../docs/shipping/syslog.md")]
    pub mod syslog {}
    #[doc = include_str!("../docs/shipping/syslog-ng.md")]
    pub mod syslog_ng {}
    #[doc = include_str!("../docs/shipping/vector.md")]
    pub mod vector {}
}
