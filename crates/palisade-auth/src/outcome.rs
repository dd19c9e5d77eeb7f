use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use palisade_core::Principal;

use crate::Refusal;

pub(crate) type Later = Pin<Box<dyn Future<Output = Result<Arc<Principal>, Refusal>> + Send>>;

/// The outcome for a credential: known at once, without a box, or only after a store was asked.
pub(crate) enum Outcome {
    Now(Result<Arc<Principal>, Refusal>),
    Later(Later),
}

impl Outcome {
    /// Goes on with the principal, if there is one.
    pub(crate) fn then(self, next: impl FnOnce(Arc<Principal>) -> Self + Send + 'static) -> Self {
        match self {
            Self::Now(Ok(principal)) => next(principal),
            Self::Now(Err(refusal)) => Self::Now(Err(refusal)),
            Self::Later(later) => Self::Later(Box::pin(async move {
                match next(later.await?) {
                    Self::Now(result) => result,
                    Self::Later(later) => later.await,
                }
            })),
        }
    }
}
