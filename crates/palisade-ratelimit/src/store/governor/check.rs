use palisade_core::Name;

use crate::decision::Decision;
use crate::policy::key::Key;

/// Decides by a limiter of the user's; `None` where the limiter has no key for this one.
pub(crate) trait Check: Send + Sync {
    fn check(&self, policy: Name, key: &Key<'_>, cost: u64) -> Option<Decision>;
}
