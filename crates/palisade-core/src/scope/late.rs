use std::fmt;
use std::sync::Arc;

use crate::{RequestId, SecurityEvent};

/// The place for events that are noted after a request is over, with the request's id.
#[derive(Clone)]
pub struct LateSink(Kind);

type Tell = dyn Fn(Option<&RequestId>, SecurityEvent) + Send + Sync;

#[derive(Clone)]
enum Kind {
    Counted(Arc<Tell>),
    Static(&'static Tell),
}

impl LateSink {
    /// A sink whose clones share this closure, behind a reference count.
    pub fn new(send: impl Fn(Option<&RequestId>, SecurityEvent) + Send + Sync + 'static) -> Self {
        Self(Kind::Counted(Arc::new(send)))
    }

    /// The same sink in memory that lives as long as the process, so that its clones count nothing.
    #[must_use]
    pub fn as_static(&'static self) -> Self {
        match &self.0 {
            Kind::Counted(send) => Self(Kind::Static(&**send)),
            Kind::Static(send) => Self(Kind::Static(*send)),
        }
    }

    pub(super) fn send(&self, id: Option<&RequestId>, event: SecurityEvent) {
        match &self.0 {
            Kind::Counted(send) => send(id, event),
            Kind::Static(send) => send(id, event),
        }
    }
}

impl fmt::Debug for LateSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LateSink")
    }
}
