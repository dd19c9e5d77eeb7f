//! Destinations of lines.

mod critical;
mod memory;
mod news;
mod stdout;
mod syslog;
mod thread;
#[cfg(feature = "webhook")]
mod webhook;

pub(crate) mod file;

use std::io;
use std::time::Duration;

pub use self::critical::CriticalSink;
pub use self::file::RollingFile;
pub use self::memory::MemorySink;
pub use self::stdout::StdoutSink;
pub use self::syslog::SyslogSink;
pub(crate) use self::thread::SinkThread;
#[cfg(feature = "webhook")]
pub use self::webhook::Webhook;
use crate::{Batch, Format};

/// A place to which records go; closures of `&Batch` are sinks too.
///
/// The file and every sink have a thread and a bounded queue of their own, so that none that is slow, or hangs, stops
/// another. Lines that a sink does not take are counted, and it gets an `audit_gap` record once it takes lines again.
///
/// # Example
///
/// ```
/// use palisade_audit::{Audit, Batch};
///
/// let (audit, guard) = Audit::builder("bookings")
///     .sink(|batch: &Batch| {
///         batch.lines().for_each(|line| println!("{}", line.text));
///         Ok(())
///     })
///     .open()?;
/// # drop((audit, guard));
/// # Ok::<(), palisade_audit::AuditError>(())
/// ```
pub trait Sink: Send + 'static {
    /// Takes lines, all or (with an error) none that it would take again.
    ///
    /// # Errors
    ///
    /// Any error of the sink; the lines count as lost for it.
    fn write(&mut self, batch: &Batch) -> io::Result<()>;

    /// Makes durable what was taken.
    ///
    /// # Errors
    ///
    /// Any error of the sink; requests that wait for their record are told that it was not kept.
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// The form in which the sink wants its lines; default [`Format::Native`].
    fn format(&self) -> Format {
        Format::Native
    }

    /// The time that a shutdown of the trail gives the sink for what it still holds; default 1 second.
    fn patience(&self) -> Duration {
        Duration::from_secs(1)
    }
}

impl<F> Sink for F
where
    F: FnMut(&Batch) -> io::Result<()> + Send + 'static,
{
    fn write(&mut self, batch: &Batch) -> io::Result<()> {
        self(batch)
    }
}
