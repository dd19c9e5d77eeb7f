use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Sink;
use crate::{Batch, Format};

/// Keeps the latest lines in memory, for tests; clones see the same lines.
#[derive(Debug, Clone)]
pub struct MemorySink {
    lines: Arc<Mutex<VecDeque<String>>>,
    keep: usize,
    format: Format,
}

impl MemorySink {
    /// Keeps up to 100,000 lines, enough for a test and too few to fill a machine.
    #[must_use]
    pub fn new() -> Self {
        Self::keeping(100_000)
    }

    /// Keeps up to this many lines.
    #[must_use]
    pub fn keeping(lines: usize) -> Self {
        Self {
            lines: Arc::default(),
            keep: lines,
            format: Format::Native,
        }
    }

    /// Sets the form of the lines; default [`Format::Native`].
    #[must_use]
    pub fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// The lines so far, the oldest first.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.kept().iter().cloned().collect()
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemorySink {
    fn default() -> Self {
        Self::new()
    }
}

impl Sink for MemorySink {
    fn write(&mut self, batch: &Batch) -> io::Result<()> {
        let mut kept = self.kept();
        kept.extend(batch.lines().map(|line| line.text.to_owned()));
        let excess = kept.len().saturating_sub(self.keep);
        kept.drain(..excess);
        Ok(())
    }

    fn format(&self) -> Format {
        self.format
    }
}
