use crate::Permit;
use crate::permit::BodyPermit;
use crate::state::grant::Verdict;

/// A call whose end decides, and which has succeeded so far once there is a message of it.
///
/// Dropped before the first message it is cancelled, and later it has succeeded.
#[derive(Debug)]
pub(super) struct Streaming {
    permit: Permit,
    after: Option<BodyPermit>,
}

impl Streaming {
    pub(super) const fn new(permit: Permit) -> Self {
        Self {
            permit,
            after: None,
        }
    }

    pub(super) fn message(&mut self) {
        if self.after.is_none() {
            self.after = self.permit.success_so_far();
        }
    }

    /// Settles the call; calls after the first have no effect.
    pub(super) fn end(&mut self, verdict: Verdict) {
        match self.after.take() {
            Some(after) => after.end(verdict),
            None => self.permit.end(verdict),
        }
    }
}
