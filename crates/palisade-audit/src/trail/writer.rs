use std::sync::Arc;
use std::time::Duration;

use palisade_core::time::{UnixTime, WallClock};
use palisade_core::{Severity, time};

use super::ack::Settle;
use super::batch::Batch;
use super::queue::{Item, Queue, Taken};
use super::tail::Live;
use crate::entry::{Entry, Slot};
use crate::format::native::{self, Tools};
use crate::format::view::View;
use crate::policy::Seen;
use crate::sink::file::FileSink;
use crate::sink::{Sink, SinkThread};
use crate::{Class, Level, Policy, Record};

/// Lines are handed on in groups of at most about this many bytes.
const GROUP_BYTES: usize = 256 * 1_024;

/// Everything behind the queue; runs on one thread.
pub(crate) struct Writer {
    pub(crate) queue: Arc<Queue>,
    pub(crate) live: Arc<Live>,
    pub(crate) policy: Policy,
    pub(crate) clock: WallClock,
    pub(crate) tools: Tools,
    pub(crate) file: Option<FileSink>,
    /// The first sink of a trail without a file.
    pub(crate) first: Option<Box<dyn Sink>>,
    pub(crate) others: Vec<SinkThread>,
    pub(crate) sync_every: Duration,
    pub(crate) work: Work,
}

/// What the writer has in hand.
#[derive(Debug, Default)]
pub(crate) struct Work {
    pub(crate) seq: u64,
    batch: Batch,
    records: u64,
    settles: Vec<Settle>,
    /// The time when the items were taken, near enough for rotation.
    now: UnixTime,
    told_lost: [u64; Class::ALL.len()],
    last_sync: Option<time::Instant>,
}

impl Writer {
    pub(crate) fn run(mut self) {
        let mut items = Vec::new();
        let mut spent = Vec::new();
        self.work.now = self.clock.now();
        self.control("audit_file_begin", Severity::Info, &[]);
        self.flush();
        loop {
            let tick = self.is_dirty().then_some(self.sync_every);
            let taken = self.queue.take(&mut items, &mut spent, tick);
            self.work.now = self.clock.now();
            self.notice_file();
            self.tell_lost();
            for item in items.drain(..) {
                self.item(item, &mut spent);
                self.flush_when_big();
            }
            self.flush();
            self.sync_when_due();
            if taken == Taken::Last {
                break;
            }
        }
        self.tell_lost();
        self.control("audit_file_end", Severity::Info, &[]);
        self.flush();
        self.sync();
        self.live.end();
        for other in &mut self.others {
            other.finish(Duration::from_secs(1));
        }
    }

    fn item(&mut self, item: Item, spent: &mut Vec<Slot>) {
        let settle = match item {
            Item::Request(mut entry, settle) => {
                self.request(&entry);
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

    fn request(&mut self, entry: &Entry) {
        for event in &entry.events {
            self.line(&View::of_event(entry, event));
        }
        let level = self.policy.level(&Seen {
            method: &entry.method,
            path: entry.path(),
            principal: entry.principal.as_deref(),
            status: entry.status,
        });
        if level > Level::None {
            self.line(&View::of_request(entry));
        }
    }

    fn line(&mut self, view: &View<'_>) {
        self.rotate_when_due();
        self.work.seq += 1;
        let batch = &mut self.work.batch;
        native::open(&mut batch.bytes, self.work.seq, view, &mut self.tools);
        native::close(&mut batch.bytes);
        batch.end_line(view.severity);
    }

    /// A record of the trail about itself.
    fn control(
        &mut self,
        event: &'static str,
        severity: Severity,
        details: &[(&'static str, u64)],
    ) {
        let mut record = Record::with(event, Class::Operations, severity);
        for (name, value) in details {
            record = record.detail(*name, *value);
        }
        self.write_control(&record);
    }

    fn write_control(&mut self, record: &Record) {
        self.work.seq += 1;
        let batch = &mut self.work.batch;
        let view = View::of_record(self.work.now, record);
        native::open(&mut batch.bytes, self.work.seq, &view, &mut self.tools);
        native::close(&mut batch.bytes);
        batch.end_line(view.severity);
    }

    /// Writes how many records were lost since this was written last.
    fn tell_lost(&mut self) {
        for class in Class::ALL {
            let lost = self.queue.lost_of(class);
            let fresh = lost - self.work.told_lost[class as usize];
            if fresh > 0 {
                self.work.told_lost[class as usize] = lost;
                let record = Record::with("audit_gap", Class::Operations, Severity::Critical)
                    .reason("queue_full")
                    .detail("of_class", class.as_str())
                    .detail("lost", fresh)
                    .detail("lost_in_all", lost);
                self.write_control(&record);
            }
        }
        for nth in 0..self.others.len() {
            let lost = self.others[nth].newly_lost();
            if lost > 0 {
                let record = Record::with("audit_gap", Class::Operations, Severity::Critical)
                    .reason("sink_failed")
                    .detail("sink", self.others[nth].name())
                    .detail("lost", lost)
                    .detail("lost_in_all", self.others[nth].lost());
                self.write_control(&record);
            }
        }
    }

    fn rotate_when_due(&mut self) {
        let now = self.work.now;
        let Some(file) = &self.file else { return };
        if !file.is_due(self.work.batch.bytes.len() + 512, now) {
            return;
        }
        self.control("audit_file_end", Severity::Info, &[]);
        self.flush();
        let last = self.work.seq;
        if let Some(file) = &mut self.file
            && let Err(error) = file.rotate(last, now)
        {
            tracing::error!(target: "palisade_audit", path = %file.path().display(), %error, "rotation failed");
        }
        self.control("audit_file_begin", Severity::Info, &[]);
    }

    fn notice_file(&mut self) {
        let Some(file) = &mut self.file else { return };
        match file.reopen_if_gone() {
            Ok(false) => {}
            Ok(true) => self.control("audit_file_replaced", Severity::Critical, &[]),
            Err(error) => {
                tracing::error!(target: "palisade_audit", path = %file.path().display(), %error, "file is gone");
            }
        }
    }

    fn flush_when_big(&mut self) {
        if self.work.batch.bytes.len() >= GROUP_BYTES {
            self.flush();
        }
    }

    /// Hands the lines to all sinks, and settles what waits for them.
    fn flush(&mut self) {
        let mut kept = true;
        if !self.work.batch.is_empty() {
            let batch = Arc::new(std::mem::take(&mut self.work.batch));
            kept = self.write_first(&batch);
            self.others.iter().for_each(|other| other.send(&batch));
            self.live.publish(&batch);
            if let Some(mut batch) = Arc::into_inner(batch) {
                batch.clear();
                self.work.batch = batch;
            }
        }
        self.queue
            .count_written(std::mem::take(&mut self.work.records));
        if !self.work.settles.is_empty() {
            kept &= self.sync();
            let settles = self.work.settles.drain(..);
            if kept {
                settles.for_each(Settle::kept);
            }
        }
    }

    fn write_first(&mut self, batch: &Batch) -> bool {
        let written = match (&mut self.file, &mut self.first) {
            (Some(file), _) => file.write(batch.as_bytes()).map_err(|(_, error)| error),
            (None, Some(sink)) => sink.write(batch),
            (None, None) => Ok(()),
        };
        if let Err(error) = &written {
            tracing::error!(target: "palisade_audit", %error, lines = batch.len(), "write failed");
        }
        self.queue.set_refusing(written.is_err());
        written.is_ok()
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
        self.work.last_sync = Some(time::now());
        let synced = match (&mut self.file, &mut self.first) {
            (Some(file), _) => file.sync(),
            (None, Some(sink)) => sink.sync(),
            (None, None) => Ok(()),
        };
        if let Err(error) = &synced {
            tracing::error!(target: "palisade_audit", %error, "fsync failed");
        }
        synced.is_ok()
    }
}
