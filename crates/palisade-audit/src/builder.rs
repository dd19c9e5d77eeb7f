mod check;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use palisade_core::time::WallClock;
use palisade_core::{ClientIp, LateSink, Problems};

use crate::audit::Shared;
use crate::class::Deliveries;
use crate::format::json::TimeText;
use crate::format::native::Tools;
use crate::guard::{Finished, Guard};
use crate::sink::file::FileSink;
use crate::sink::{Sink, SinkThread};
use crate::trail::alarm::Alarm;
use crate::trail::output::{Output, Position, Target};
use crate::trail::places::{Place, Room};
use crate::trail::queue::{Item, Queue};
use crate::trail::recover::Resume;
use crate::trail::seal::Chain;
use crate::trail::stream::Stream;
use crate::trail::tail::Live;
use crate::trail::writer::{Work, Writer};
use crate::{
    Audit, AuditError, Class, Delivery, Format, OnFailure, Policy, Record, Redactor, RollingFile,
    Seal,
};

/// Describes a trail; see [`Audit::builder`].
#[must_use = "nothing is recorded until the trail is opened"]
pub struct AuditBuilder {
    service: Box<str>,
    file: Option<RollingFile>,
    sinks: Vec<Box<dyn Sink>>,
    policy: Policy,
    redactor: Redactor,
    deliveries: Deliveries,
    seal: Option<Seal>,
    on_failure: OnFailure,
    client_ip: ClientIp,
    headers: Vec<String>,
    capture: usize,
    clock: WallClock,
    capacity: usize,
    recent: usize,
    sync_every: Duration,
    sync_timeout: Duration,
}

impl AuditBuilder {
    /// Records that may wait for the writer by default: 8,192, some hundred milliseconds of a busy service, and at
    /// most about 8 MB.
    pub const DEFAULT_CAPACITY: usize = 8_192;

    /// Records kept in memory by default for [`Audit::recent`]: 1,000, about half a megabyte.
    pub const DEFAULT_RECENT: usize = 1_000;

    /// Bytes of a body that are captured by default: 16 KiB, which holds nearly every JSON request of an API.
    pub const DEFAULT_CAPTURE: usize = 16 << 10;

    pub(crate) fn new(service: &str) -> Self {
        Self {
            service: service.into(),
            file: None,
            sinks: Vec::new(),
            policy: Policy::operational_exempt(),
            redactor: Redactor::defaults(),
            deliveries: Deliveries::default(),
            seal: None,
            on_failure: OnFailure::Block,
            client_ip: ClientIp::peer(),
            headers: vec!["user-agent".to_owned()],
            capture: Self::DEFAULT_CAPTURE,
            clock: WallClock::system(),
            capacity: Self::DEFAULT_CAPACITY,
            recent: Self::DEFAULT_RECENT,
            sync_every: Duration::from_secs(1),
            sync_timeout: Delivery::SYNC_TIMEOUT,
        }
    }

    /// Writes to this file; a second call replaces the first. The file is the trail that counts: what waits for the
    /// disk waits for it.
    pub fn file(mut self, file: RollingFile) -> Self {
        self.file = Some(file);
        self
    }

    /// Also writes to this sink. Where there is no file, the first sink is the trail that counts.
    pub fn sink(mut self, sink: impl Sink) -> Self {
        self.sinks.push(Box::new(sink));
        self
    }

    /// Sets which requests are recorded at which level; default [`Policy::operational_exempt`].
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets what is taken out of records; default [`Redactor::defaults`].
    pub fn redact(mut self, redactor: Redactor) -> Self {
        self.redactor = redactor;
        self
    }

    /// Sets how hard the trail tries to keep records of a class. By default [`Class::Authentication`],
    /// [`Class::Authorization`], [`Class::Admin`] and [`Class::Configuration`] block, and the rest is best effort:
    /// what an attacker would like to see lost is held on to, and a slow disk slows nothing else down.
    pub fn deliver(mut self, class: Class, delivery: Delivery) -> Self {
        self.deliveries.set(class, delivery);
        self
    }

    /// Makes the trail tamper-evident; without this, records are numbered and no more.
    pub fn seal(mut self, seal: Seal) -> Self {
        self.seal = Some(seal);
        self
    }

    /// Sets what happens while the file cannot be written; default [`OnFailure::Block`].
    pub fn on_failure(mut self, policy: OnFailure) -> Self {
        self.on_failure = policy;
        self
    }

    /// Sets how the client's address is found where no outer layer has decided it; default the peer's.
    pub fn client_ip(mut self, client_ip: ClientIp) -> Self {
        self.client_ip = client_ip;
        self
    }

    /// Sets which request headers are recorded, redacted by name; default `user-agent` alone.
    ///
    /// They stand in the member `headers` of a record, but for the user agent, which has a member of its own. A name
    /// that is listed twice is refused by [`open`](Self::open).
    pub fn headers<T: AsRef<str>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.headers = names
            .into_iter()
            .map(|name| name.as_ref().to_owned())
            .collect();
        self
    }

    /// Sets up to how many bytes a body is captured, where the policy's level asks for bodies: at most 1 MiB, default
    /// [`DEFAULT_CAPTURE`](Self::DEFAULT_CAPTURE). A longer body is put on record by its length and digest alone: a
    /// part of it could not be redacted safely.
    pub fn capture(mut self, bytes: usize) -> Self {
        self.capture = bytes;
        self
    }

    /// Sets how many records may wait for the writer: 16 to 1,000,000; default
    /// [`DEFAULT_CAPACITY`](Self::DEFAULT_CAPACITY). A quarter is kept for records that are not best effort.
    ///
    /// As many lines may wait for a file that does not answer, counted as one for each KiB where they are longer, and twice
    /// as many of records that are not best effort; what does not fit is lost for the file alone, and counted.
    pub fn capacity(mut self, records: usize) -> Self {
        self.capacity = records;
        self
    }

    /// Sets how many of the latest records stay in memory for [`Audit::recent`], at most 100,000; default
    /// [`DEFAULT_RECENT`](Self::DEFAULT_RECENT).
    pub fn recent(mut self, records: usize) -> Self {
        self.recent = records;
        self
    }

    /// Sets how long a record that nobody waits for may stay in the system's cache before it is forced to the disk;
    /// at least 10 milliseconds, default 1 second: what a power failure may cost.
    pub fn sync_every(mut self, period: Duration) -> Self {
        self.sync_every = period;
        self
    }

    /// Sets how long a response whose delivery is [`Delivery::Durable`] or [`Delivery::FailClosed`], [`Audit::commit`] and
    /// [`Audit::flush`] wait for the disk: 10 milliseconds to 1 minute, default [`Delivery::SYNC_TIMEOUT`]. A write that
    /// takes longer is a trail that cannot be written.
    pub fn sync_timeout(mut self, patience: Duration) -> Self {
        self.sync_timeout = patience;
        self
    }

    /// Sets the clock that timestamps come from; for tests.
    pub fn clock(mut self, clock: WallClock) -> Self {
        self.clock = clock;
        self
    }

    /// Opens the trail and starts its writer.
    ///
    /// Keep the [`Guard`] until the service has ended: dropping it writes what is left and closes the trail.
    ///
    /// # Errors
    ///
    /// Names every setting that cannot be used, the file or directory that cannot be written, or the file that
    /// another trail writes.
    pub fn open(mut self) -> Result<(Audit, Guard), AuditError> {
        let headers = self.check()?;
        let alarm = Alarm::start().map_err(AuditError::io("alarm thread"))?;
        let queue = Arc::new(Queue::new(self.capacity));
        let live = Arc::new(Live::new(self.recent));
        let shared = self.shared(&queue, &live, &alarm, headers);
        let writer = self.writer(&queue, &live).inspect_err(|_| alarm.stop())?;
        let finished = Arc::new(Finished::default());
        let report = Arc::clone(&finished).on_drop(Arc::clone(&queue));
        std::thread::Builder::new()
            .name("palisade-audit".into())
            .spawn(move || {
                // Reports when the thread ends, by whatever way.
                let _report = report;
                writer.run();
            })
            .map_err(AuditError::io("writer thread"))?;
        Ok((Audit::new(shared), Guard::new(queue, alarm, finished)))
    }

    fn shared(
        &self,
        queue: &Arc<Queue>,
        live: &Arc<Live>,
        alarm: &Alarm,
        headers: Vec<HeaderName>,
    ) -> Shared {
        let (late_queue, clock, deliveries) = (
            Arc::clone(queue),
            self.clock.clone(),
            self.deliveries.clone(),
        );
        Shared {
            service: self.service.clone(),
            queue: Arc::clone(queue),
            live: Arc::clone(live),
            alarm: alarm.clone(),
            clock: self.clock.clone(),
            client_ip: self.client_ip.clone(),
            policy: self.policy.clone(),
            deliveries: self.deliveries.clone(),
            sync_timeout: self.sync_timeout,
            no_trail_no_service: self.on_failure == OnFailure::FailClosed,
            capture: self.capture,
            headers,
            late: LateSink::new(move |id, event| {
                let record = Record::late(id, &event);
                let room = match deliveries.of(record.class) {
                    Delivery::BestEffort => Room::Ordinary,
                    _ => Room::Over,
                };
                let timed = Box::new((clock.now(), record));
                late_queue.push(Item::Record(timed, None), room, Place::None);
            }),
        }
    }

    fn writer(&mut self, queue: &Arc<Queue>, live: &Arc<Live>) -> Result<Writer, AuditError> {
        let mut sinks = std::mem::take(&mut self.sinks).into_iter();
        let file = self.file.take();
        let first = if file.is_none() { sinks.next() } else { None };
        let (target, format, resume) = match (file, first) {
            (Some(file), _) => {
                let (file, resume) = FileSink::open(file, &self.service, self.clock.now())?;
                let format = file.format();
                (Target::File(Box::new(file)), format, resume)
            }
            (None, Some(sink)) => {
                let format = sink.format();
                (Target::Sink(sink), format, Resume::new())
            }
            (None, None) => return Err(Problems::one(NO_SINK.0, NO_SINK.1).into()),
        };
        let others = sinks
            .enumerate()
            .map(|(nth, sink)| SinkThread::spawn(format!("sink-{}", nth + 1), sink))
            .collect::<Result<Vec<_>, _>>()
            .map_err(AuditError::io("sink thread"))?;
        let mut chain = match self.seal.take() {
            Some(seal) => Some(Chain::resume(seal, resume.head)?),
            None => None,
        };
        let copier = chain.as_mut().map(Chain::take_copier).unwrap_or_default();
        let mut streams = vec![Stream::new(format, chain)];
        // The live tail is native, whatever the sinks want.
        for format in others
            .iter()
            .map(SinkThread::format)
            .chain([Format::Native])
        {
            if streams.iter().all(|stream| stream.format != format) {
                streams.push(Stream::new(format, None));
            }
        }
        let position = Position {
            seq: resume.seq,
            head: resume.head,
            ..Position::default()
        };
        let work = Work::behind(position, target.due());
        let patience = self.sync_timeout;
        let output = Output::spawn(target, position, copier, queue, self.on_failure, patience)
            .map_err(AuditError::io("file thread"))?;
        Ok(Writer {
            queue: Arc::clone(queue),
            live: Arc::clone(live),
            policy: std::mem::take(&mut self.policy),
            clock: self.clock.clone(),
            tools: Tools {
                service: self.service.clone(),
                redaction: self.redactor.cleaner(),
                time: TimeText::default(),
            },
            deliveries: self.deliveries.clone(),
            output,
            others,
            sync_every: self.sync_every,
            resume,
            streams,
            work,
        })
    }
}

/// The setting and the problem of a trail that leads nowhere.
const NO_SINK: (&str, &str) = ("sinks", "there is neither a file nor another sink");

impl fmt::Debug for AuditBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditBuilder")
            .field("service", &self.service)
            .field("file", &self.file)
            .field("sinks", &self.sinks.len())
            .field("policy", &self.policy)
            .field("redact", &self.redactor)
            .finish_non_exhaustive()
    }
}
