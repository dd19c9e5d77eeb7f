use std::io;
use std::sync::Arc;
use std::time::Duration;

use palisade_core::time;

use super::shared::{Command, Lines, Position, Report, Shared};
use crate::OnFailure;
use crate::sink::Sink;
use crate::sink::file::{Due, FileSink};
use crate::trail::ack::Settle;
use crate::trail::batch::Batch;
use crate::trail::queue::Queue;
use crate::trail::seal::Copier;

/// The pause before a failed write is tried again.
const RETRY: Duration = Duration::from_millis(100);

/// The place where the trail is kept.
pub(crate) enum Target {
    File(Box<FileSink>),
    /// The first sink of a trail without a file.
    Sink(Box<dyn Sink>),
}

impl Target {
    /// Returns the length and age at which the file is to be finished, where it is one.
    pub(crate) const fn due(&self) -> Option<Due> {
        match self {
            Self::File(file) => Some(file.due()),
            Self::Sink(_) => None,
        }
    }

    fn write(&mut self, batch: &Batch, records: u64) -> io::Result<()> {
        match self {
            Self::File(file) => file.write(batch.as_bytes(), records),
            Self::Sink(sink) => sink.write(batch),
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.sync(),
            Self::Sink(sink) => sink.sync(),
        }
    }
}

/// Writes to the file, or to the first sink; runs on one thread.
pub(super) struct Keeper {
    pub(super) shared: Arc<Shared>,
    pub(super) queue: Arc<Queue>,
    pub(super) on_failure: OnFailure,
    pub(super) target: Target,
    pub(super) copier: Copier,
    /// The state of the trail as the file has it.
    pub(super) position: Position,
}

impl Keeper {
    pub(super) fn run(mut self) {
        // Reports when the thread ends, by whatever way.
        let _end = End(Arc::clone(&self.shared));
        while let Some(command) = self.shared.next() {
            let mut outcome = Report::default();
            match command {
                Command::Write(lines) => {
                    let kept = self.keep(lines);
                    outcome.broken = (!kept).then_some(self.position);
                }
                Command::Rotate { last, at } => {
                    if let Target::File(file) = &mut self.target
                        && let Err(error) = file.rotate(last, at)
                    {
                        // The file in use goes on; the next record tries again.
                        tracing::error!(target: "palisade_audit", path = %file.path().display(), %error, "rotation failed");
                    }
                }
                Command::Look => {
                    if let Target::File(file) = &mut self.target
                        && let Err(error) = file.stay_in_place()
                    {
                        tracing::error!(target: "palisade_audit", path = %file.path().display(), %error, "file is gone");
                    }
                }
                Command::Sync => outcome.synced = Some(self.sync()),
            }
            self.report(outcome);
        }
    }

    fn report(&mut self, mut outcome: Report) {
        if let Target::File(file) = &mut self.target {
            outcome.interference = file.take_interference();
            outcome.due = Some(file.due());
            outcome.dirty = file.is_dirty();
        }
        let failing = outcome.broken.is_some();
        for command in self.shared.finish(outcome, failing, &self.queue) {
            if let Command::Write(lines) = command {
                lines.discard(&self.queue, self.on_failure);
            }
        }
    }

    /// Whether the lines were written.
    fn keep(&mut self, mut lines: Lines) -> bool {
        let settles = std::mem::take(&mut lines.settles);
        if !lines.batch.is_empty() && !self.write(&lines) {
            lines.discard(&self.queue, self.on_failure);
            return false;
        }
        self.position = lines.end;
        self.copier.copy(&lines.checkpoints);
        self.queue.count_written(lines.records);
        // The writer uses the memory again if it is the last to have it.
        drop(lines);
        if !settles.is_empty() && self.sync() {
            settles.into_iter().for_each(Settle::kept);
        }
        true
    }

    /// Writes lines; what cannot be written is tried again for as long as the policy says.
    fn write(&mut self, lines: &Lines) -> bool {
        let mut warned = false;
        let mut tried_last = false;
        loop {
            let Err(error) = self.target.write(&lines.batch, lines.records) else {
                self.queue.set_refusing(false);
                return true;
            };
            self.queue.meters().write_error();
            if self.release_reserve(&error) {
                continue;
            }
            if !warned {
                tracing::error!(target: "palisade_audit", %error, lines = lines.batch.len(), "audit records cannot be written");
                warned = true;
            }
            self.queue.set_refusing(true);
            let gives_up =
                self.on_failure == OnFailure::Stderr || matches!(self.target, Target::Sink(_));
            let closing = !gives_up && self.queue.wait_for_close(RETRY);
            if closing && !tried_last {
                // The way out may have become free while it waited.
                tried_last = true;
            } else if gives_up || closing {
                return false;
            }
        }
    }

    fn release_reserve(&mut self, error: &io::Error) -> bool {
        let is_full = matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        );
        match &mut self.target {
            Target::File(file) if is_full => file.release_reserve(),
            _ => false,
        }
    }

    fn sync(&mut self) -> bool {
        let start = time::now();
        let synced = self.target.sync();
        if let Err(error) = &synced {
            tracing::error!(target: "palisade_audit", %error, "fsync failed");
            self.queue.meters().write_error();
        }
        self.queue
            .meters()
            .fsync(time::now().saturating_duration_since(start));
        synced.is_ok()
    }
}

struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.end();
    }
}
