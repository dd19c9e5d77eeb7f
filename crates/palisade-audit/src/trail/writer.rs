mod control;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use palisade_core::time;
use palisade_core::time::{Instant, UnixTime, WallClock};

use super::ack::Settle;
use super::batch::Batch;
use super::queue::{Item, Next, Queue};
use super::recover::Resume;
use super::seal::{Chain, Hash};
use super::stream::Stream;
use super::tail::Live;
use crate::entry::{Entry, Slot};
use crate::format::Format;
use crate::format::native::Tools;
use crate::format::view::View;
use crate::policy::RequestFacts;
use crate::sink::file::FileSink;
use crate::sink::{Sink, SinkThread};
use crate::{Class, Level, OnFailure, Policy};

/// Lines are handed on in groups of at most about this many bytes.
const GROUP_BYTES: usize = 256 * 1_024;

/// The pause before a failed write is tried again.
const RETRY: Duration = Duration::from_millis(100);

/// Room for the end of a file, beside the line that may be the last one in it.
const END_OF_FILE: usize = 512;

/// Everything behind the queue; runs on one thread.
pub(crate) struct Writer {
    pub(crate) queue: Arc<Queue>,
    pub(crate) live: Arc<Live>,
    pub(crate) policy: Policy,
    pub(crate) clock: WallClock,
    pub(crate) tools: Tools,
    pub(crate) on_failure: OnFailure,
    pub(crate) file: Option<FileSink>,
    /// The first sink of a trail without a file.
    pub(crate) first: Option<Box<dyn Sink>>,
    pub(crate) others: Vec<SinkThread>,
    pub(crate) sync_every: Duration,
    pub(crate) resume: Resume,
    /// The first is the one of the file, or of the first sink.
    pub(crate) streams: Vec<Stream>,
    pub(crate) work: Work,
}

/// The state of the writer.
#[derive(Debug, Default)]
pub(crate) struct Work {
    pub(crate) seq: u64,
    /// The state to return to when later lines cannot be written.
    written: Written,
    records: u64,
    settles: Vec<Settle>,
    /// Whether lines since then could not be written, which is to be the next thing on record.
    missed: bool,
    /// The time when the items were taken, near enough for rotation and checkpoints.
    now: UnixTime,
    clock: Option<Instant>,
    recorded_losses: [u64; Class::ALL.len()],
    last_sync: Option<Instant>,
}

/// The state of the trail as the file has it.
#[derive(Debug, Default, Clone, Copy)]
struct Written {
    seq: u64,
    head: Hash,
    recorded_losses: [u64; Class::ALL.len()],
}

impl Writer {
    pub(crate) fn run(mut self) {
        let mut items = Vec::new();
        let mut spent = Vec::new();
        self.work.now = self.clock.now();
        self.work.clock = Some(time::now());
        self.work.seq = self.resume.seq;
        self.work.written.seq = self.resume.seq;
        self.work.written.head = self.resume.head;
        self.begin_file();
        self.record_recovery();
        self.flush();
        loop {
            let taken = self.queue.take(&mut items, &mut spent, self.patience());
            self.work.now = self.clock.now();
            self.work.clock = Some(time::now());
            self.notice_file();
            self.record_losses();
            for item in items.drain(..) {
                self.item(item, &mut spent);
                self.checkpoint_when_due();
                if self.streams[0].batch.bytes.len() >= GROUP_BYTES {
                    self.flush();
                }
            }
            self.checkpoint_when_due();
            self.flush();
            self.sync_when_due();
            if taken == Next::Last {
                break;
            }
        }
        self.record_losses();
        self.end_file();
        if !self.sync() {
            // A file that was taken away at the last moment is missed now or never.
            self.notice_file();
            self.record_losses();
            self.flush();
            self.sync();
        }
        self.live.end();
        for other in &mut self.others {
            other.finish();
        }
    }

    /// Returns the longest sleep while nothing comes.
    fn patience(&self) -> Option<Duration> {
        let sync = self.is_dirty().then_some(self.sync_every);
        let sign = self.streams[0].chain.as_ref().and_then(Chain::patience);
        sync.into_iter().chain(sign).min()
    }

    fn item(&mut self, item: Item, spent: &mut Vec<Slot>) {
        let settle = match item {
            Item::Request(mut entry, settle) => {
                self.request(&mut entry);
                self.work.records += 1;
                entry.clear();
                spent.push(entry);
                settle
            }
            Item::Record(timed, settle) => {
                let (at, record) = *timed;
                self.line(&View::of_record(at, &record));
                self.work.records += 1;
                settle
            }
            Item::Flush(settle) => Some(settle),
        };
        self.work.settles.extend(settle);
    }

    fn request(&mut self, entry: &mut Entry) {
        let level = self.policy.level(&RequestFacts {
            method: &entry.method,
            path: entry.path(),
            principal: entry.principal.as_deref(),
            status: entry.status,
        });
        entry.level = Some(level);
        let entry = &*entry;
        for event in &entry.events {
            self.line(&View::of_event(entry, event));
        }
        if level > Level::None {
            self.line(&View::of_request(entry));
        }
    }

    fn line(&mut self, view: &View<'_>) {
        self.rotate_when_due();
        self.write_line(view, None);
    }

    fn write_line(&mut self, view: &View<'_>, signed_at: Option<Instant>) {
        if std::mem::take(&mut self.work.missed) {
            self.record_unwritten();
        }
        self.work.seq += 1;
        self.queue.meters().record(view.class, view.outcome);
        for stream in &mut self.streams {
            stream.line(self.work.seq, view, &mut self.tools, signed_at);
        }
    }

    fn rotate_when_due(&mut self) {
        let Some(file) = &self.file else { return };
        let more = self.streams[0].batch.bytes.len() + END_OF_FILE;
        if !file.is_due(more, self.work.now) {
            return;
        }
        self.end_file();
        let last = self.work.seq;
        if let Some(file) = &mut self.file
            && let Err(error) = file.rotate(last, self.work.now)
        {
            // The file in use goes on; the next record tries again.
            tracing::error!(target: "palisade_audit", path = %file.path().display(), %error, "rotation failed");
        }
        self.begin_file();
    }

    /// Hands the lines to all sinks, and settles what waits for them.
    fn flush(&mut self) {
        let mut kept = true;
        if !self.streams[0].batch.is_empty() {
            kept = self.hand_on();
        }
        let records = std::mem::take(&mut self.work.records);
        if kept {
            self.queue.count_written(records);
        } else {
            self.queue.count_unwritten(records);
        }
        if !self.work.settles.is_empty() {
            kept = kept && self.sync();
            let settles = self.work.settles.drain(..);
            if kept {
                settles.for_each(Settle::kept);
            }
        }
    }

    fn hand_on(&mut self) -> bool {
        let batches: Vec<Arc<Batch>> = self.streams.iter_mut().map(Stream::take).collect();
        let of = |format: Format| {
            let nth = self
                .streams
                .iter()
                .position(|stream| stream.format == format);
            nth.and_then(|nth| batches.get(nth))
        };
        // Those that do not wait come first.
        for other in &self.others {
            if let Some(batch) = of(other.format()) {
                other.send(batch);
            }
        }
        if let Some(native) = of(Format::Native) {
            self.live.publish(native);
        }
        let kept = self.write_first(&batches[0]);
        if kept {
            self.work.written = Written {
                seq: self.work.seq,
                head: self.streams[0].head(),
                recorded_losses: self.work.recorded_losses,
            };
        } else {
            // The chain goes on from what is there. The numbers do not: other sinks have seen them.
            self.work.missed = true;
            self.work.recorded_losses = self.work.written.recorded_losses;
            self.streams[0].rewind(self.work.written.head);
        }
        if let Some(chain) = &mut self.streams[0].chain {
            chain.copy(kept);
        }
        for (stream, batch) in self.streams.iter_mut().zip(batches) {
            stream.give_back(batch);
        }
        kept
    }

    /// Writes to the file, or to the first sink; a file that cannot be written is tried again for as long as the
    /// policy says.
    fn write_first(&mut self, batch: &Batch) -> bool {
        let mut warned = false;
        let mut tried_last = false;
        loop {
            let written = match (&mut self.file, &mut self.first) {
                (Some(file), _) => file.write(batch.as_bytes(), self.work.records),
                (None, Some(sink)) => sink.write(batch),
                (None, None) => Ok(()),
            };
            let Err(error) = written else {
                self.queue.set_refusing(false);
                return true;
            };
            self.queue.meters().write_error();
            if self.release_reserve(&error) {
                continue;
            }
            if !warned {
                tracing::error!(target: "palisade_audit", %error, lines = batch.len(), "audit records cannot be written");
                warned = true;
            }
            self.queue.set_refusing(true);
            let gives_up = self.on_failure == OnFailure::Stderr || self.file.is_none();
            let closing = !gives_up && self.queue.wait_for_close(RETRY);
            if closing && !tried_last {
                // The way out may have become free while it waited.
                tried_last = true;
            } else if gives_up || closing {
                if self.on_failure == OnFailure::Stderr {
                    // Nothing is left to do where that fails, too.
                    let _ = io::Write::write_all(&mut io::stderr().lock(), batch.as_bytes());
                }
                return false;
            }
        }
    }

    fn release_reserve(&mut self, error: &io::Error) -> bool {
        let is_full = matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        );
        match &mut self.file {
            Some(file) if is_full => file.release_reserve(),
            _ => false,
        }
    }

    fn is_dirty(&self) -> bool {
        self.file.as_ref().is_some_and(FileSink::is_dirty)
    }

    fn sync_when_due(&mut self) {
        let now = time::now();
        let last = *self.work.last_sync.get_or_insert(now);
        if self.is_dirty() && now.saturating_duration_since(last) >= self.sync_every {
            self.sync();
        }
    }

    fn sync(&mut self) -> bool {
        let start = time::now();
        self.work.last_sync = Some(start);
        let synced = match (&mut self.file, &mut self.first) {
            (Some(file), _) => file.sync(),
            (None, Some(sink)) => sink.sync(),
            (None, None) => Ok(()),
        };
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
