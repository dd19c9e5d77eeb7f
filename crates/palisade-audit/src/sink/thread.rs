use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::thread::JoinHandle;
use std::time::Duration;

use palisade_core::time;

use super::Sink;
use crate::Format;
use crate::trail::batch::Batch;

/// Groups of lines that may wait for a slow sink: with groups of up to some hundred lines, a few seconds of traffic.
const WAITING: usize = 256;

/// A sink on a thread of its own.
#[derive(Debug)]
pub(crate) struct SinkThread {
    name: String,
    format: Format,
    /// The time that the end waits for it.
    patience: Duration,
    sender: Option<SyncSender<Arc<Batch>>>,
    thread: Option<JoinHandle<()>>,
    lost: Arc<AtomicU64>,
    /// The lost lines that are on record.
    recorded: u64,
}

impl SinkThread {
    pub(crate) fn spawn(name: String, mut sink: Box<dyn Sink>) -> io::Result<Self> {
        let (sender, receiver) = mpsc::sync_channel::<Arc<Batch>>(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&lost);
        let label = name.clone();
        let (format, patience) = (sink.format(), sink.patience());
        #[cfg(feature = "metrics")]
        let errors = crate::meters::sink_errors(&name);
        let thread = std::thread::Builder::new()
            .name(format!("palisade-audit-{name}"))
            .spawn(move || {
                while let Ok(batch) = receiver.recv() {
                    if let Err(error) = sink.write(&batch) {
                        counter.fetch_add(batch.len() as u64, Ordering::Relaxed);
                        #[cfg(feature = "metrics")]
                        errors.increment(1);
                        tracing::error!(target: "palisade_audit", sink = label, %error, lines = batch.len(), "sink failed");
                    }
                }
                if let Err(error) = sink.sync() {
                    tracing::error!(target: "palisade_audit", sink = label, %error, "sink failed at the end");
                }
            })?;
        Ok(Self {
            name,
            format,
            patience,
            sender: Some(sender),
            thread: Some(thread),
            lost,
            recorded: 0,
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) const fn format(&self) -> Format {
        self.format
    }

    /// Hands lines over without waiting.
    pub(crate) fn send(&self, batch: &Arc<Batch>) {
        let sent = match &self.sender {
            Some(sender) => sender.try_send(Arc::clone(batch)),
            None => return,
        };
        if let Err(TrySendError::Full(batch) | TrySendError::Disconnected(batch)) = sent {
            self.lost.fetch_add(batch.len() as u64, Ordering::Relaxed);
        }
    }

    /// Lines that the sink lost since this was asked last.
    pub(crate) fn newly_lost(&mut self) -> u64 {
        let lost = self.lost.load(Ordering::Relaxed);
        let fresh = lost - self.recorded;
        self.recorded = lost;
        fresh
    }

    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Lets the sink finish, for as long as it asked for; one that hangs is left behind.
    pub(crate) fn finish(&mut self) {
        self.sender = None;
        let Some(thread) = self.thread.take() else {
            return;
        };
        let start = time::now();
        while !thread.is_finished() {
            if time::now().saturating_duration_since(start) >= self.patience {
                tracing::error!(target: "palisade_audit", sink = self.name, "sink did not finish in time");
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        // A panic of a user's sink has been reported by the thread itself.
        let _ = thread.join();
    }
}
