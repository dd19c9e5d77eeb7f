use std::fmt;

use super::Stack;
use super::filter::Filters;

/// Replaces a running [`Stack`], between two requests and without a restart; made by [`Stack::reloadable`].
///
/// A request keeps the stack with which it began until the head of its response is made. Counts, trails, caches, key sets
/// and breakers live on where the new stack shares them with the old one: layers are clones of each other's state, and
/// stores and trails are passed to both.
#[derive(Clone)]
pub struct Reload(pub(super) palisade_core::filter::Reload<Filters>);

impl Reload {
    /// Replaces the stack: every request that begins after the call meets this one.
    ///
    /// A policy of the same name on the same store goes on counting, and must have the same limits in both stacks: its
    /// layer cannot be built with others. Other limits are another count, under another name or on another store.
    ///
    /// The old one is freed when the last of its requests has its response. Layers that were
    /// [leaked](Stack::leak) one by one are not.
    pub fn replace(&self, stack: Stack) {
        self.0.replace(Filters::of(stack.into_stations()));
    }
}

impl fmt::Debug for Reload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reload").finish_non_exhaustive()
    }
}
