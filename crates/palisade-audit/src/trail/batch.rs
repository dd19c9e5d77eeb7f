use palisade_core::Severity;

/// Lines that are written together, each one record and each ended by a line feed.
#[derive(Debug, Default)]
pub struct Batch {
    pub(crate) bytes: Vec<u8>,
    pub(crate) lines: Vec<(usize, Severity)>,
}

/// One record as text.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// The record, without the line feed.
    pub text: &'a str,
    /// The severity of the record.
    pub severity: Severity,
}

impl Batch {
    /// All lines, each with its line feed.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the number of lines.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is no line.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The lines in their order.
    pub fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        (0..self.lines.len()).filter_map(|nth| self.line(nth))
    }

    pub(crate) fn line(&self, nth: usize) -> Option<Line<'_>> {
        let (end, severity) = *self.lines.get(nth)?;
        let start = match nth.checked_sub(1) {
            Some(before) => self.lines.get(before)?.0,
            None => 0,
        };
        let text = self.bytes.get(start..end.saturating_sub(1))?;
        Some(Line {
            text: std::str::from_utf8(text).unwrap_or_default(),
            severity,
        })
    }

    /// Ends the line that was written last.
    pub(crate) fn end_line(&mut self, severity: Severity) {
        self.bytes.push(b'\n');
        self.lines.push((self.bytes.len(), severity));
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.lines.clear();
    }
}
