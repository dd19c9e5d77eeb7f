use palisade_core::Problems;

/// An error outside a request.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration cannot work; every problem is named.
    #[error("rate limits: {0}")]
    Config(#[from] Problems),
    /// No policy has this name.
    #[error("there is no rate limit policy named {0:?}")]
    UnknownPolicy(Box<str>),
    /// The store did not do what an operator asked of it.
    #[error("the store of rate limits does not answer: {0}")]
    Store(Box<str>),
}

palisade_core::debug_as_display!(Error);
