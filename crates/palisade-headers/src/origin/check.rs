use std::fmt;
use std::sync::Arc;

use http::HeaderValue;

/// The origin of a request that a lookup allows, in the request's extensions.
#[derive(Debug, Clone)]
pub(crate) struct LookedUp(pub(crate) HeaderValue);

/// A closure of the user that decides about origins.
#[derive(Clone)]
pub(crate) struct OriginCheck(Arc<dyn Fn(&str) -> bool + Send + Sync>);

impl OriginCheck {
    pub(crate) fn new(allows: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(allows))
    }

    pub(super) fn allows(&self, origin: &str) -> bool {
        (self.0)(origin)
    }
}

impl fmt::Debug for OriginCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OriginCheck")
    }
}
