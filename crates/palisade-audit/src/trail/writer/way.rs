//! The ways of lines: to the other sinks at once, and to the file, or past one that does not answer.

use std::sync::Arc;

use super::Writer;
use crate::Format;
use crate::trail::batch::Batch;
use crate::trail::output::{Command, Lines, Position, Room};
use crate::trail::queue::Item;
use crate::trail::seal::Chain;
use crate::trail::stream::Stream;

impl Writer {
    /// Begins with what was taken from the queue. Where room is scarce, what has the better right to it comes first.
    pub(super) fn begin_group(&mut self, items: &mut [Item]) {
        self.work.beside = self.work.room == Room::None;
        if self.work.room == Room::Ample {
            self.record_losses();
        } else {
            items.sort_by_key(|item| item.is_best_effort(&self.deliveries));
        }
    }

    /// Decides whether the file is to have the next item, too.
    pub(super) fn choose_way(&mut self, item: &Item) {
        let beside = match self.work.room {
            Room::Ample => false,
            Room::Scarce => item.is_best_effort(&self.deliveries),
            Room::None => true,
        };
        if beside != self.work.beside {
            self.flush();
            self.work.beside = beside;
        }
    }

    /// Hands the lines to all sinks, with what waits for them.
    pub(super) fn flush(&mut self) {
        let records = std::mem::take(&mut self.work.records);
        let settles = std::mem::take(&mut self.work.settles);
        let is_empty = self.streams[0].batch.is_empty();
        if is_empty && settles.is_empty() {
            self.queue.count_written(records);
            return;
        }
        let batches: Vec<Arc<Batch>> = self.streams.iter_mut().map(Stream::take).collect();
        if !is_empty {
            self.hand_on(&batches);
        }
        let chain = self.streams[0].chain.as_mut();
        let lines = Lines {
            batch: Arc::clone(&batches[0]),
            records,
            settles,
            checkpoints: chain.map(Chain::take_copies).unwrap_or_default(),
            end: Position {
                seq: self.work.seq,
                head: self.streams[0].head(),
                recorded_losses: self.work.recorded_losses,
            },
        };
        if self.work.beside {
            self.output.discard(lines);
            self.return_to(self.work.handed);
            self.hear();
        } else {
            self.work.handed = lines.end;
            if let Some(due) = &mut self.work.due {
                due.len += lines.batch.as_bytes().len() as u64;
            }
            self.ask(Command::Write(lines));
        }
        for (stream, batch) in self.streams.iter_mut().zip(batches) {
            stream.give_back(batch);
        }
    }

    /// Gives lines to those that do not wait.
    fn hand_on(&self, batches: &[Arc<Batch>]) {
        let of = |format: Format| {
            let mut streams = self.streams.iter();
            let nth = streams.position(|stream| stream.format == format);
            nth.and_then(|nth| batches.get(nth))
        };
        for other in &self.others {
            if let Some(batch) = of(other.format()) {
                other.send(batch);
            }
        }
        if let Some(native) = of(Format::Native) {
            self.live.publish(native);
        }
    }

    /// Asks the file for something, and waits for the answer unless it takes long and other sinks or subscribers wait for
    /// lines.
    ///
    /// No line may be in hand: the answer may be that the trail goes on behind an earlier one.
    pub(super) fn ask(&mut self, command: Command) {
        self.output.submit(command);
        self.hear();
    }

    /// Notes what became of what the file was asked for.
    pub(super) fn hear(&mut self) {
        let others_wait = || !self.others.is_empty() || self.live.is_watched();
        self.work.busy = !self.output.wait(others_wait);
        self.work.room = self.output.room();
        let report = self.output.take_report();
        self.work.interference.add(report.interference);
        self.work.synced = report.synced.or(self.work.synced);
        if let Some(position) = report.broken {
            self.return_to(position);
        }
        if !self.work.busy && report.due.is_some() {
            self.work.due = report.due;
            self.work.dirty = report.dirty;
        }
    }

    /// The file goes on behind this. The numbers do not: other sinks have seen them.
    fn return_to(&mut self, position: Position) {
        self.work.missed = true;
        self.work.handed = position;
        self.work.recorded_losses = position.recorded_losses;
        self.streams[0].rewind(position.head);
    }
}
