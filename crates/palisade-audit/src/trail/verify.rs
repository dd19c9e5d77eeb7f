use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead};

use super::seal::{self, Hash, SEAL, SIGNATURE};

/// Checks a sealed trail: that no line was changed, inserted, removed or moved, and who signed it.
///
/// Feed it the files in their order; [`report`](Self::report) says what was found.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use palisade_audit::{Audit, Class, RollingFile, Record, Seal, SigningKey, Verifier};
///
/// let directory = tempfile::tempdir()?;
/// let key = SigningKey::generate()?;
/// let public = key.public_key();
/// let (audit, guard) = Audit::builder("bookings")
///     .file(RollingFile::new(directory.path()))
///     .seal(Seal::chain().checkpoint(key, 1_000, Duration::from_secs(60)))
///     .open()?;
/// audit.record(Record::new(palisade_core::EventKind::AdminAction));
/// guard.shutdown(Duration::from_secs(5));
///
/// let text = std::fs::read(directory.path().join("bookings_audit.log"))?;
/// let mut verifier = Verifier::new().key(public);
/// verifier.read(&text[..])?;
/// let report = verifier.report()?;
/// assert_eq!((report.records, report.unsigned), (3, 0));
///
/// // Somebody turns a digit.
/// let forged = String::from_utf8(text)?.replacen("authz_admin", "authz_admim", 1);
/// let mut verifier = Verifier::new().key(public);
/// verifier.read(forged.as_bytes())?;
/// assert_eq!(verifier.report().unwrap_err().line, 3, "the next line's hash does not fit");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Verifier {
    key: Option<[u8; 32]>,
    max_unsigned: Option<u64>,
    expected_first: Option<u64>,
    /// Records that must be there.
    anchors: BTreeMap<u64, Hash>,
    /// Checkpoints that were kept elsewhere, and must be there unless they come before the expected first record.
    checkpoints: BTreeMap<u64, Hash>,
    last: Option<(u64, Hash)>,
    file: u64,
    line: u64,
    report: Report,
    bad: Option<BadLine>,
}

/// The result of a check that found nothing wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Report {
    /// Records read.
    pub records: u64,
    /// Checkpoints whose signature is right; none are looked at without a key.
    pub checkpoints: u64,
    /// Records after the last such checkpoint, which nobody signed yet.
    pub unsigned: u64,
    /// Records of the trail about records that are missing: `audit_gap` and `audit_file_replaced`. The chain is whole
    /// over them, because what is missing was never in it, or went with a file that was removed or truncated.
    pub gaps: u64,
    /// The number of the first record.
    pub first: u64,
    /// The number of the last record.
    pub last: u64,
    /// The hash of the last line: keep it elsewhere, to see later that nothing before it was cut off or changed.
    pub head: [u8; 32],
}

/// The first line that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("file {file}, line {line}: {fault}")]
pub struct BadLine {
    /// The file, counted from 1 in the order in which they were read.
    pub file: u64,
    /// The line in it, counted from 1.
    pub line: u64,
    /// The fault.
    pub fault: Fault,
}

/// A fault of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It is no sealed record.
    NotSealed,
    /// Its number does not follow the one before.
    Sequence,
    /// The hash in it is not that of the line before: that line was changed, or lines were removed, added or moved.
    Chain,
    /// The signature in it is not the key's.
    Signature,
    /// More records in a row than allowed are not signed: checkpoints were taken out.
    Unsigned,
    /// It does not end: the writer was interrupted, or the end was cut off.
    Torn,
    /// The record that is known from elsewhere is not there, or is another.
    Anchor,
    /// It is not the record that the trail was expected to begin with: its front was cut off.
    First,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotSealed => "is no sealed record",
            Self::Sequence => "its number does not follow the one before",
            Self::Chain => "the line before it is not the one that it was chained to",
            Self::Signature => "its signature is not the key's",
            Self::Unsigned => "too many records before it are not signed",
            Self::Torn => "does not end",
            Self::Anchor => "the record known from elsewhere is missing or another",
            Self::First => "the trail does not begin with the record that was expected",
        })
    }
}

impl Verifier {
    /// Checks the chain alone.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Also checks the signatures of checkpoints by this public key.
    #[must_use]
    pub const fn key(mut self, public: [u8; 32]) -> Self {
        self.key = Some(public);
        self
    }

    /// Also checks that there is a checkpoint at least every so many records: what the trail was opened with, and some
    /// more (a checkpoint counts as a record, too). Without this a trail that was written anew without any checkpoint
    /// is told from a good one by [`Report::unsigned`] alone.
    #[must_use]
    pub const fn max_unsigned(mut self, records: u64) -> Self {
        self.max_unsigned = Some(records);
        self
    }

    /// Also checks that the first record is this one: 1 for a trail from its beginning, else what follows the last record
    /// of the files that were removed.
    ///
    /// Without this a trail may begin anywhere, and only checkpoints and anchors show that its front was cut off.
    #[must_use]
    pub const fn first(mut self, seq: u64) -> Self {
        self.expected_first = Some(seq);
        self
    }

    /// Also checks that this record is there with this hash, as an earlier [`Report`] gave them (`last` and `head`).
    #[must_use]
    pub fn anchor(mut self, seq: u64, head: [u8; 32]) -> Self {
        self.anchors.insert(seq, head);
        self
    }

    /// Also checks that these checkpoints are there, which [`Seal::copy_checkpoints`](crate::Seal::copy_checkpoints)
    /// kept elsewhere. They bind both ends of the trail: where older files were removed, say by
    /// [`first`](Self::first) which record is the first one left, and the checkpoints from before it are passed over.
    ///
    /// # Errors
    ///
    /// Errors of the reader, and [`io::ErrorKind::InvalidData`] for a line that is no sealed record. A last line
    /// without its end, which a crash may leave, is passed over.
    pub fn checkpoints(mut self, mut file: impl BufRead) -> io::Result<Self> {
        let mut line = Vec::new();
        while file.read_until(b'\n', &mut line)? > 0 {
            if let Some(whole) = line.strip_suffix(b"\n") {
                let sealed = Sealed::of(whole).ok_or(io::ErrorKind::InvalidData)?;
                self.checkpoints.insert(sealed.seq, seal::hash(whole));
            }
            line.clear();
        }
        Ok(self)
    }

    /// Reads a file of the trail.
    ///
    /// # Errors
    ///
    /// Errors of the reader alone; what is wrong with the trail is for [`report`](Self::report).
    pub fn read(&mut self, mut file: impl BufRead) -> io::Result<()> {
        let mut line = Vec::new();
        if self.bad.is_none() {
            self.file += 1;
            self.line = 0;
        }
        while self.bad.is_none() {
            line.clear();
            if file.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            self.line += 1;
            let checked = match line.strip_suffix(b"\n") {
                Some(whole) => self.check(whole),
                None => Err(Fault::Torn),
            };
            if let Err(fault) = checked {
                self.bad = Some(BadLine {
                    file: self.file,
                    line: self.line,
                    fault,
                });
            }
        }
        Ok(())
    }

    fn check(&mut self, line: &[u8]) -> Result<(), Fault> {
        let Sealed { seq, prev, signed } = Sealed::of(line).ok_or(Fault::NotSealed)?;
        match self.last {
            None => {
                self.report.first = seq;
                if self.expected_first.is_some_and(|first| first != seq) {
                    return Err(Fault::First);
                }
                let before = seq.checked_sub(1);
                let before = before.and_then(|before| self.checkpoints.get(&before));
                if before.is_some_and(|before| !is_hex_of(prev, before)) {
                    return Err(Fault::Chain);
                }
                if seq == 1 && prev.iter().any(|digit| *digit != b'0') {
                    return Err(Fault::Chain);
                }
            }
            // Numbers are missing where lines could not be written, and the next line says so.
            Some((last, _)) if seq <= last || (seq > last + 1 && !says_missing(line)) => {
                return Err(Fault::Sequence);
            }
            Some((_, head)) if !is_hex_of(prev, &head) => return Err(Fault::Chain),
            Some(_) => {}
        }
        self.report.records += 1;
        self.report.gaps += u64::from(says_missing(line));
        self.report.unsigned += 1;
        if self
            .max_unsigned
            .is_some_and(|max| self.report.unsigned > max)
        {
            return Err(Fault::Unsigned);
        }
        if let (Some(key), Some((signed, signature))) = (&self.key, signed) {
            if !seal::is_signed(key, signed, signature) {
                return Err(Fault::Signature);
            }
            self.report.checkpoints += 1;
            self.report.unsigned = 0;
        }
        let head = seal::hash(line);
        for known in [&mut self.anchors, &mut self.checkpoints] {
            if known.remove(&seq).is_some_and(|known| known != head) {
                return Err(Fault::Anchor);
            }
        }
        self.last = Some((seq, head));
        Ok(())
    }

    /// Returns the result.
    ///
    /// # Errors
    ///
    /// The first line that is wrong. A trail that does not hold a record of [`anchor`](Self::anchor), or a checkpoint, is
    /// wrong behind its last line.
    pub fn report(&self) -> Result<Report, BadLine> {
        if let Some(bad) = self.bad {
            return Err(bad);
        }
        let expected = self.expected_first.unwrap_or(0);
        let missing = self.checkpoints.range(expected..).next().is_some();
        if missing || !self.anchors.is_empty() {
            return Err(BadLine {
                file: self.file,
                line: self.line + 1,
                fault: Fault::Anchor,
            });
        }
        let (last, head) = self.last.unwrap_or_default();
        Ok(Report {
            last,
            head,
            ..self.report
        })
    }
}

/// The seal of a line, which stands at fixed distances from its end, so that nothing a client sends can look like it.
struct Sealed<'a> {
    seq: u64,
    /// The hash of the line before, in hexadecimal.
    prev: &'a [u8],
    /// The signed part of the line, and the signature.
    signed: Option<(&'a [u8], &'a [u8])>,
}

impl<'a> Sealed<'a> {
    /// Reads `"seal":{"seq":N,"boot":"...","prev":"..."}`, then perhaps `,"signature":"..."`, then one or two braces.
    fn of(line: &'a [u8]) -> Option<Self> {
        // 64 bytes are 86 characters of base64url.
        const SIGNED: usize = SIGNATURE.len() + 86;
        let braces = line.iter().rev().take_while(|byte| **byte == b'}').count();
        let text = line[..line.len() - braces].strip_suffix(b"\"")?;
        let signature = text.len().checked_sub(SIGNED).and_then(|at| {
            let signature = text[at..].strip_prefix(SIGNATURE)?;
            Some((&text[..at], signature))
        });
        let seal = match (signature, braces) {
            (Some((signed, _)), 1 | 2) => signed.strip_suffix(b"\"}")?,
            (None, 2 | 3) => text,
            _ => return None,
        };
        let signed = signature;
        let (seal, prev) = split_last(seal, 64)?;
        let (seal, boot) = split_last(seal.strip_suffix(b"\",\"prev\":\"")?, 16)?;
        let seal = seal.strip_suffix(b",\"boot\":\"")?;
        let len = seal
            .iter()
            .rev()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let (seal, digits) = split_last(seal, len)?;
        let is_hex = |text: &[u8]| {
            text.iter()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        if !seal.ends_with(SEAL) || !is_hex(boot) || !is_hex(prev) {
            return None;
        }
        let seq = std::str::from_utf8(digits).ok()?.parse().ok()?;
        Some(Self { seq, prev, signed })
    }
}

/// Whether a record of the trail says that records are missing: the first member for the event's name decides, before
/// which no format has anything that a client sends.
fn says_missing(line: &[u8]) -> bool {
    let (key, within): (&[u8], usize) = match line {
        [b'{', b'"', b'@', ..] => (b"\"action\":\"", 256),
        [b'{', b'"', b't', b'i', b'm', b'e', b'"', ..] => (b"\"event_code\":\"", 640),
        _ => (b"\"event\":\"", 80),
    };
    let head = &line[..line.len().min(within)];
    let Some(at) = head.windows(key.len()).position(|part| part == key) else {
        return false;
    };
    let event = &line[at + key.len()..];
    event.starts_with(b"audit_gap\"") || event.starts_with(b"audit_file_replaced\"")
}

fn is_hex_of(text: &[u8], bytes: &[u8; 32]) -> bool {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let pairs = text.chunks_exact(2).zip(bytes);
    text.len() == 64
        && pairs.fold(true, |fits, (pair, byte)| {
            let hex = [
                DIGITS[usize::from(byte >> 4)],
                DIGITS[usize::from(byte & 0xf)],
            ];
            fits & (*pair == hex)
        })
}

fn split_last(text: &[u8], len: usize) -> Option<(&[u8], &[u8])> {
    text.split_at_checked(text.len().checked_sub(len)?)
}

#[cfg(test)]
mod tests;
