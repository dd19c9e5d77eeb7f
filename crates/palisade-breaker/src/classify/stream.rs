use crate::Permit;
use crate::permit::BodyPermit;
use crate::state::grant::Verdict;

/// A call whose end decides, and which has succeeded so far once there is a message of it.
///
/// Dropped before the first message it is cancelled, and later it has succeeded.
#[derive(Debug)]
pub(super) enum Streaming {
    BeforeMessages(Permit),
    AfterMessage(BodyPermit),
    Settled,
}

impl Streaming {
    pub(super) const fn new(permit: Permit) -> Self {
        Self::BeforeMessages(permit)
    }

    pub(super) fn message(&mut self) {
        if let Self::BeforeMessages(permit) = self {
            *self = permit
                .success_so_far()
                .map_or(Self::Settled, Self::AfterMessage);
        }
    }

    /// Settles the call; calls after the first have no effect.
    pub(super) fn end(&mut self, verdict: Verdict) {
        match std::mem::replace(self, Self::Settled) {
            Self::BeforeMessages(mut permit) => permit.end(verdict),
            Self::AfterMessage(permit) => permit.end(verdict),
            Self::Settled => {}
        }
    }
}
