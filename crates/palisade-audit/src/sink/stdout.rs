use std::io::{self, Write};

use super::Sink;
use crate::{Batch, Format};

/// Writes lines to standard output, for containers whose platform collects it.
#[derive(Debug, Clone, Copy, Default)]
pub struct StdoutSink {
    format: Format,
}

impl StdoutSink {
    /// Native JSON on standard output.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the form of the lines.
    #[must_use]
    pub const fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }
}

impl Sink for StdoutSink {
    fn write(&mut self, batch: &Batch) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(batch.as_bytes())?;
        out.flush()
    }

    fn format(&self) -> Format {
        self.format
    }
}
