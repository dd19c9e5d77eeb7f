use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use palisade_core::Principal;

use crate::Refusal;

pub(crate) type Later = Pin<Box<dyn Future<Output = Result<Arc<Principal>, Refusal>> + Send>>;

/// What became of a credential: known at once, without a box, or only after a store was asked.
pub(crate) enum Outcome {
    Now(Result<Arc<Principal>, Refusal>),
    Later(Later),
}
