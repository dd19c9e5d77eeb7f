//! Commands of the writer to the thread of the file, and its reports.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use palisade_core::time::{self, Instant, UnixTime};

use crate::sink::file::{Due, Interference};
use crate::trail::ack::Settle;
use crate::trail::batch::Batch;
use crate::trail::queue::Queue;
use crate::trail::seal::Hash;
use crate::{Class, OnFailure};

/// The time that other sinks wait for the file: more than a write takes that does not hang, and less than what anybody
/// who watches them would notice.
const PATIENCE: Duration = Duration::from_millis(100);

/// So many bytes of lines count as one record, where lines are long.
const RECORD_BYTES: usize = 1_024;

/// The state of the trail behind some lines.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Position {
    pub(crate) seq: u64,
    pub(crate) head: Hash,
    pub(crate) recorded_losses: [u64; Class::ALL.len()],
}

/// Lines to write, and what depends on them.
#[derive(Debug)]
pub(crate) struct Lines {
    pub(crate) batch: Arc<Batch>,
    /// The number of records that they are of.
    pub(crate) records: u64,
    /// Those who are told when they are on the disk.
    pub(crate) settles: Vec<Settle>,
    /// The checkpoints among them.
    pub(crate) checkpoints: Vec<u8>,
    pub(crate) end: Position,
}

impl Lines {
    /// Counts the records as lost; with [`OnFailure::Stderr`] the lines go there.
    pub(crate) fn discard(self, queue: &Queue, on_failure: OnFailure) {
        if on_failure == OnFailure::Stderr {
            // Nothing is left to do where that fails, too.
            let _ = io::stderr().lock().write_all(self.batch.as_bytes());
        }
        queue.count_unwritten(self.records);
    }
}

#[derive(Debug)]
pub(crate) enum Command {
    Write(Lines),
    /// Finishes the file, whose last record has this number, and begins the next one.
    Rotate {
        last: u64,
        at: UnixTime,
    },
    /// Looks whether the file is still where it should be.
    Look,
    /// Makes durable what was written.
    Sync,
}

impl Command {
    fn size(&self) -> Size {
        match self {
            Self::Write(Lines { batch, .. }) => Size {
                lines: batch.len(),
                bytes: batch.as_bytes().len(),
            },
            _ => Size::default(),
        }
    }
}

#[derive(Debug, Default, Clone, Copy)]
struct Size {
    lines: usize,
    bytes: usize,
}

impl Size {
    const fn add(&mut self, other: Self) {
        self.lines += other.lines;
        self.bytes += other.bytes;
    }

    const fn subtract(&mut self, other: Self) {
        self.lines = self.lines.saturating_sub(other.lines);
        self.bytes = self.bytes.saturating_sub(other.bytes);
    }

    /// As records of usual length.
    fn records(self) -> usize {
        self.lines.max(self.bytes / RECORD_BYTES)
    }
}

/// The outcome of commands; read by the writer.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Report {
    /// Lines could not be written: the trail goes on behind this, and what was asked for since is discarded.
    pub(crate) broken: Option<Position>,
    /// Whether the last [`Command::Sync`] went well.
    pub(crate) synced: Option<bool>,
    pub(crate) interference: Interference,
    pub(crate) due: Option<Due>,
    pub(crate) dirty: bool,
}

/// The room that is left for lines while the file does not answer.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// Room for all; or the file answers.
    #[default]
    Ample,
    /// Room for what is not best effort.
    Scarce,
    /// No room.
    None,
}

#[derive(Debug)]
pub(super) struct Shared {
    sync_timeout: Duration,
    state: Mutex<State>,
    asked: Condvar,
    answered: Condvar,
}

#[derive(Debug, Default)]
struct State {
    commands: VecDeque<Command>,
    /// The size of what waits and of what is being written.
    size: Size,
    running: Option<(Instant, Size)>,
    report: Report,
    /// The writer went on without waiting for the answer.
    hung: bool,
    /// The trail says that it cannot be written, because the file does not answer.
    accused: bool,
    closing: bool,
    ended: bool,
}

impl State {
    fn is_idle(&self) -> bool {
        self.ended || self.running.is_none() && self.commands.is_empty()
    }

    /// Says so where a command has taken longer than what a request waits for the disk.
    fn accuse(&mut self, patience: Duration, queue: &Queue) {
        let took = self
            .running
            .map(|(since, _)| time::now().saturating_duration_since(since));
        if !self.accused && took.is_some_and(|took| took >= patience) {
            self.accused = true;
            queue.set_refusing(true);
            tracing::error!(target: "palisade_audit", "the audit file does not answer");
        }
    }
}

impl Shared {
    pub(super) fn new(sync_timeout: Duration) -> Self {
        Self {
            sync_timeout,
            state: Mutex::default(),
            asked: Condvar::new(),
            answered: Condvar::new(),
        }
    }

    /// Asks for something; gives it back where lines before could not be written, or nobody is there to do it.
    pub(super) fn submit(&self, command: Command) -> Option<Command> {
        let mut state = self.state();
        if state.report.broken.is_some() || state.ended {
            return Some(command);
        }
        state.size.add(command.size());
        state.commands.push_back(command);
        drop(state);
        self.asked.notify_one();
        None
    }

    /// Waits until everything was done; `false` where that takes long and the caller has better things to do, which is
    /// asked again whenever the patience is over.
    pub(super) fn wait(&self, others_wait: impl Fn() -> bool, queue: &Queue) -> bool {
        let mut state = self.state();
        while !state.is_idle() {
            if !state.hung {
                let waited = self.answered.wait_timeout(state, PATIENCE);
                let timeout;
                (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                if !timeout.timed_out() || state.is_idle() {
                    continue;
                }
            }
            state.accuse(self.sync_timeout, queue);
            state.hung = others_wait();
            if state.hung {
                queue.hold(state.size.records());
                return false;
            }
        }
        if std::mem::take(&mut state.hung) {
            queue.hold(0);
        }
        true
    }

    /// The outcome of what was done since this was asked last.
    pub(super) fn take_report(&self) -> Report {
        std::mem::take(&mut self.state().report)
    }

    pub(super) fn room(&self, capacity: usize) -> Room {
        let state = self.state();
        let held = state.size.records();
        match state.hung {
            true if held >= capacity.saturating_mul(2) => Room::None,
            true if held >= capacity - capacity / 4 => Room::Scarce,
            _ => Room::Ample,
        }
    }

    /// Lets the thread end once everything is done.
    pub(super) fn close(&self) {
        self.state().closing = true;
        self.asked.notify_one();
    }

    pub(super) fn has_ended(&self) -> bool {
        self.state().ended
    }

    /// Waits for the next command; `None` at the end.
    pub(super) fn next(&self) -> Option<Command> {
        let state = self.state();
        let waited = self
            .asked
            .wait_while(state, |state| state.commands.is_empty() && !state.closing);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        let command = state.commands.pop_front()?;
        state.running = Some((time::now(), command.size()));
        Some(command)
    }

    /// Notes the outcome of a command. Answers with what must be discarded: everything that waits behind lines which could
    /// not be written.
    pub(super) fn finish(
        &self,
        outcome: Report,
        failing: bool,
        queue: &Queue,
    ) -> VecDeque<Command> {
        let mut state = self.state();
        let mut discarded = VecDeque::new();
        if let Some((_, size)) = state.running.take() {
            state.size.subtract(size);
        }
        if outcome.broken.is_some() {
            std::mem::swap(&mut state.commands, &mut discarded);
            state.size = Size::default();
        }
        let before = state.report;
        let mut interference = before.interference;
        interference.add(outcome.interference);
        state.report = Report {
            broken: before.broken.or(outcome.broken),
            synced: outcome.synced.or(before.synced),
            interference,
            ..outcome
        };
        if std::mem::take(&mut state.accused) && !failing {
            queue.set_refusing(false);
        }
        if state.hung {
            queue.hold(state.size.records());
        }
        drop(state);
        self.answered.notify_one();
        discarded
    }

    /// Says that the thread has ended, in order or by a panic of a sink.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.ended = true;
        let left = std::mem::take(&mut state.commands);
        drop(state);
        self.answered.notify_one();
        drop(left);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use palisade_core::Severity;

    use super::*;
    use crate::trail::places::Place;

    const TIMEOUT: Duration = Duration::from_secs(5);

    fn lines(count: usize) -> Command {
        let mut batch = Batch::default();
        for _ in 0..count {
            batch.bytes.extend_from_slice(b"{}");
            batch.end_line(Severity::Info);
        }
        Command::Write(Lines {
            batch: Arc::new(batch),
            records: count as u64,
            settles: Vec::new(),
            checkpoints: Vec::new(),
            end: Position::default(),
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_does_not_answer_for_as_long_as_requests_wait_is_a_trail_that_cannot_be_written()
     {
        let (shared, queue) = (Shared::new(TIMEOUT), Queue::new(16));
        assert!(shared.submit(lines(1)).is_none());
        let _running = shared.next();
        assert!(!shared.wait(|| true, &queue));
        assert!(!queue.is_refusing(), "it may be slow and no more");
        tokio::time::advance(TIMEOUT).await;
        assert!(!shared.wait(|| true, &queue));
        assert!(queue.is_refusing());
        let _ = shared.finish(Report::default(), false, &queue);
        assert!(!queue.is_refusing(), "it has answered");
        assert!(shared.wait(|| true, &queue));
    }

    #[test]
    fn lines_that_wait_take_the_places_of_records_and_give_them_back() {
        let (shared, queue) = (Shared::new(TIMEOUT), Queue::new(16));
        assert!(shared.submit(lines(10)).is_none());
        let _running = shared.next();
        assert_eq!(shared.room(16), Room::Ample, "it may answer yet");
        assert!(!shared.wait(|| true, &queue));
        assert_eq!(shared.room(16), Room::Ample);
        assert!(shared.submit(lines(2)).is_none());
        assert_eq!(shared.room(16), Room::Scarce, "three quarters are taken");
        assert!(shared.submit(lines(20)).is_none());
        assert_eq!(shared.room(16), Room::None, "twice of it are");
        assert!(!shared.wait(|| true, &queue));
        assert!(!queue.reserve(&mut Place::None));
        let _ = shared.finish(Report::default(), false, &queue);
        assert!(!queue.reserve(&mut Place::None), "22 of 16 wait");
        let _running = shared.next();
        let _ = shared.finish(Report::default(), false, &queue);
        let _running = shared.next();
        let _ = shared.finish(Report::default(), false, &queue);
        assert!(queue.reserve(&mut Place::None));
    }

    #[test]
    fn what_waits_behind_lines_that_were_refused_comes_back_until_the_writer_has_heard_of_it() {
        let (shared, queue) = (Shared::new(TIMEOUT), Queue::new(16));
        assert!(shared.submit(lines(1)).is_none());
        let _running = shared.next();
        assert!(shared.submit(lines(2)).is_none());
        assert!(shared.submit(Command::Sync).is_none());
        let refused = Report {
            broken: Some(Position::default()),
            ..Report::default()
        };
        assert_eq!(shared.finish(refused, true, &queue).len(), 2);
        assert!(
            shared.submit(lines(3)).is_some(),
            "chained to what is not there"
        );
        assert!(shared.take_report().broken.is_some());
        assert!(shared.submit(lines(3)).is_none());
    }
}
