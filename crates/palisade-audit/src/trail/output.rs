//! The thread that writes to the file of a trail, or to its first sink.
//!
//! A write may hang (a network file system, a device that does not answer), and nothing else may hang with it: the writer
//! waits for the answer, so that what it writes next follows from what became of the lines before, but only for a moment
//! where other sinks or subscribers wait for lines, too. Then it goes on as though the lines were written. What it asks for meanwhile
//! stays here, up to a bound, and is done in order once the file answers. Where lines could not be written in the end,
//! those behind them, which are chained to them, are discarded and counted with them.

mod keeper;
mod shared;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use self::keeper::Keeper;
pub(crate) use self::keeper::Target;
use self::shared::Shared;
pub(crate) use self::shared::{Command, Lines, Position, Report, Room};
use super::queue::Queue;
use super::seal::Copier;
use crate::OnFailure;

/// The way to the file, or to the first sink.
#[derive(Debug)]
pub(crate) struct Output {
    shared: Arc<Shared>,
    queue: Arc<Queue>,
    on_failure: OnFailure,
    thread: Option<JoinHandle<()>>,
}

impl Output {
    /// A command that takes longer than `sync_timeout` is a trail that cannot be written.
    ///
    /// # Errors
    ///
    /// Fails when the system gives no thread.
    pub(crate) fn spawn(
        target: Target,
        position: Position,
        copier: Copier,
        queue: &Arc<Queue>,
        on_failure: OnFailure,
        sync_timeout: Duration,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(sync_timeout));
        let keeper = Keeper {
            shared: Arc::clone(&shared),
            queue: Arc::clone(queue),
            on_failure,
            target,
            copier,
            position,
        };
        let thread = std::thread::Builder::new()
            .name("palisade-audit-file".into())
            .spawn(move || keeper.run())?;
        Ok(Self {
            shared,
            queue: Arc::clone(queue),
            on_failure,
            thread: Some(thread),
        })
    }

    /// Asks for something to be done behind what was asked for before.
    pub(crate) fn submit(&self, command: Command) {
        if let Some(Command::Write(lines)) = self.shared.submit(command) {
            self.discard(lines);
        }
    }

    /// Counts lines as lost that the file will not have.
    pub(crate) fn discard(&self, lines: Lines) {
        lines.discard(&self.queue, self.on_failure);
    }

    /// Waits until everything was done; `false` where it takes long and `others_wait`, which may change meanwhile.
    pub(crate) fn wait(&self, others_wait: impl Fn() -> bool) -> bool {
        self.shared.wait(others_wait, &self.queue)
    }

    pub(crate) fn take_report(&self) -> Report {
        self.shared.take_report()
    }

    /// The room that is left for lines.
    pub(crate) fn room(&self) -> Room {
        self.shared.room(self.queue.capacity())
    }

    /// Whether nothing will be written any more: the sink panicked.
    pub(crate) fn has_ended(&self) -> bool {
        self.shared.has_ended()
    }

    /// Waits until everything was done and the file is closed.
    pub(crate) fn finish(&mut self) {
        self.shared.close();
        if let Some(thread) = self.thread.take() {
            // A panic of a user's sink has been reported by the thread itself.
            let _ = thread.join();
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.shared.close();
    }
}
