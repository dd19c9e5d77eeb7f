use std::num::NonZeroU32;

use crate::digest::HashedKey;

/// What a request is charged to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// The number of the policy.
    pub(crate) policy: usize,
    pub(crate) key: HashedKey,
    pub(crate) quota: Option<NonZeroU32>,
    pub(crate) cost: u64,
    /// The store's time at which the request came.
    pub(crate) now: u64,
}

/// The counts by address that a request is charged to besides its policy's: the backstop, and the site's.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Beside {
    pub(crate) backstop: Option<HashedKey>,
    pub(crate) site: Option<HashedKey>,
}
