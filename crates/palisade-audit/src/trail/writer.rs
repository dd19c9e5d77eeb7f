mod control;
mod way;

use std::sync::Arc;
use std::time::Duration;

use palisade_core::time;
use palisade_core::time::{Instant, UnixTime, WallClock};

use super::ack::Settle;
use super::output::{Command, Output, Position, Room};
use super::queue::{Item, Next, Queue};
use super::recover::Resume;
use super::seal::Chain;
use super::stream::Stream;
use super::tail::Live;
use crate::class::Deliveries;
use crate::entry::{Entry, Slot};
use crate::format::native::Tools;
use crate::format::view::View;
use crate::policy::RequestFacts;
use crate::sink::SinkThread;
use crate::sink::file::{Due, Interference};
use crate::{Level, Policy};

/// Lines are handed on in groups of at most about this many bytes.
const GROUP_BYTES: usize = 256 * 1_024;

/// The longest sleep while a file does not answer.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Room for the end of a file, beside the line that may be the last one in it.
const END_OF_FILE: usize = 512;

/// Everything behind the queue; runs on one thread.
pub(crate) struct Writer {
    pub(crate) queue: Arc<Queue>,
    pub(crate) live: Arc<Live>,
    pub(crate) policy: Policy,
    pub(crate) clock: WallClock,
    pub(crate) tools: Tools,
    pub(crate) deliveries: Deliveries,
    /// The file, or the first sink of a trail without one.
    pub(crate) output: Output,
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
    seq: u64,
    /// The position of the file when everything is done that was asked for: the state to return to when later lines cannot be
    /// written.
    handed: Position,
    records: u64,
    settles: Vec<Settle>,
    /// Whether lines since then will not be in the file, which is to be the next thing on record there.
    missed: bool,
    /// Whether the lines in hand pass the file by, because it does not answer and there is no more room to wait for it.
    beside: bool,
    room: Room,
    /// Whether the file has not answered yet.
    busy: bool,
    /// The length and age at which the file is to be finished, if it is one.
    due: Option<Due>,
    dirty: bool,
    synced: Option<bool>,
    interference: Interference,
    /// The time when the items were taken, near enough for rotation and checkpoints.
    now: UnixTime,
    clock: Option<Instant>,
    recorded_losses: [u64; crate::Class::ALL.len()],
    last_sync: Option<Instant>,
}

impl Work {
    /// The state of a trail that goes on behind this.
    pub(crate) fn behind(position: Position, due: Option<Due>) -> Self {
        Self {
            seq: position.seq,
            handed: position,
            due,
            ..Self::default()
        }
    }
}

impl Writer {
    pub(crate) fn run(mut self) {
        let mut items = Vec::new();
        let mut spent = Vec::new();
        self.work.now = self.clock.now();
        self.work.clock = Some(time::now());
        self.begin_file();
        self.record_recovery();
        self.flush();
        while !self.output.has_ended() {
            let taken = self.queue.take(&mut items, &mut spent, self.patience());
            self.work.now = self.clock.now();
            self.work.clock = Some(time::now());
            self.notice_file();
            self.begin_group(&mut items);
            for item in items.drain(..) {
                self.choose_way(&item);
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
                self.end();
                break;
            }
        }
        self.live.end();
        self.finish_others();
        self.output.finish();
    }

    fn end(&mut self) {
        self.work.beside = false;
        self.record_losses();
        self.end_file();
        let mut synced = self.sync();
        if self.work.busy {
            // The other sinks and the subscribers have all that there is; without them there is time to wait for the file.
            self.finish_others();
            self.live.end();
            synced = self.sync();
        }
        if !synced {
            // A file that was taken away at the last moment is missed now or never.
            self.notice_file();
            self.record_losses();
            self.flush();
            self.sync();
        }
    }

    fn finish_others(&mut self) {
        for mut other in self.others.drain(..) {
            other.finish();
        }
    }

    /// Returns the longest sleep while nothing comes.
    fn patience(&self) -> Option<Duration> {
        let look = self.work.busy.then_some(LOOK_AGAIN);
        let sync = self.work.dirty.then_some(self.sync_every);
        let sign = self.streams[0].chain.as_ref().and_then(Chain::patience);
        look.into_iter().chain(sync).chain(sign).min()
    }

    fn item(&mut self, item: Item, spent: &mut Vec<Slot>) {
        let settle = match item {
            Item::Request(mut entry, settle) => {
                self.request(&entry);
                self.work.records += 1;
                entry.release();
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
        let level = self.policy.level(&RequestFacts {
            method: &entry.method,
            path: entry.path(),
            principal: entry.principal.as_deref(),
            status: entry.status,
        });
        for event in &entry.events {
            self.line(&View::of_event(entry, event, level));
        }
        if level > Level::None {
            self.line(&View::of_request(entry, level));
        }
    }

    fn line(&mut self, view: &View<'_>) {
        self.rotate_when_due();
        self.write_line(view, None);
    }

    fn write_line(&mut self, view: &View<'_>, signed_at: Option<Instant>) {
        if self.work.missed && !self.work.beside {
            self.record_unwritten();
        }
        self.work.seq += 1;
        self.queue.meters().record(view.class, view.outcome);
        for stream in &mut self.streams {
            stream.line(self.work.seq, view, &mut self.tools, signed_at);
        }
    }

    fn rotate_when_due(&mut self) {
        let Some(due) = &self.work.due else { return };
        let more = self.streams[0].batch.bytes.len() + END_OF_FILE;
        if self.work.beside || !due.is_due(more, self.work.now) {
            return;
        }
        self.end_file();
        let (last, at) = (self.work.seq, self.work.now);
        if let Some(due) = &mut self.work.due {
            due.begin(at);
        }
        self.ask(Command::Rotate { last, at });
        self.begin_file();
    }

    fn sync_when_due(&mut self) {
        let now = time::now();
        let last = *self.work.last_sync.get_or_insert(now);
        let due = now.saturating_duration_since(last) >= self.sync_every;
        if self.work.dirty && due && !self.work.busy {
            self.sync();
        }
    }

    fn sync(&mut self) -> bool {
        self.work.last_sync = Some(time::now());
        self.work.synced = None;
        self.ask(Command::Sync);
        self.work.synced.unwrap_or(true)
    }
}
