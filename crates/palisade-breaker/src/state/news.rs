use super::grant::MachineEvent;

/// Events that the observers have not been called with yet.
///
/// One thread at a time calls them, without the lock, and goes on with what comes meanwhile: so observers see events in the order
/// in which it happened.
#[derive(Debug, Default)]
pub(crate) struct EventQueue {
    waiting: Vec<MachineEvent>,
    is_notifying: bool,
}

impl EventQueue {
    pub(super) fn push(&mut self, event: MachineEvent) {
        self.waiting.push(event);
    }

    /// Takes the events that the caller is to report: none where there are none, or another thread is reporting.
    pub(super) fn begin(&mut self) -> Vec<MachineEvent> {
        if self.is_notifying {
            return Vec::new();
        }
        self.is_notifying = !self.waiting.is_empty();
        std::mem::take(&mut self.waiting)
    }

    /// Takes the next events for the thread that is reporting. With none its turn is over.
    pub(super) fn go_on(&mut self) -> Vec<MachineEvent> {
        self.is_notifying = !self.waiting.is_empty();
        std::mem::take(&mut self.waiting)
    }
}
